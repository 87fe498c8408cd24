"""BPF maps: creation, single elements, and whole contents in batches.

Keys and values are bytes of exactly the map's sizes. Where user space sees one value per CPU (`MapType.per_cpu`) the
value is `value_size` rounded up to 8 bytes, times the number of *possible* CPUs: `stored_size` computes it.
"""

from __future__ import annotations

import errno
import struct
import time

from pytrace.hints import TYPE_CHECKING, Iterator
from pytrace.kernel.abi import Cmd, MapType
from pytrace.kernel.syscall import ENOTSUPP, BpfError, address, address_of_buffer, bpf, bpf_or_errno
from pytrace.once import cache

if TYPE_CHECKING:
    import mmap

__all__ = [
    "cpus_in_a_row", "map_batches", "map_clear", "map_create", "map_delete", "map_freeze", "map_items", "map_keys",
    "map_lookup", "map_memory", "map_next_key", "map_update", "map_update_batch", "online_cpus", "possible_cpus",
    "stored_size",
]

_BATCH_BYTES = 1 << 20
_BATCH_MAX = 16384
_UNSUPPORTED = (errno.EINVAL, errno.EOPNOTSUPP, ENOTSUPP)


def _cpu_list(path: str) -> list[int]:
    cpus: list[int] = []
    with open(path, encoding="utf-8") as file:
        for part in file.read().strip().split(","):
            first, _, last = part.partition("-")
            if first:
                cpus.extend(range(int(first), int(last or first) + 1))
    return cpus


@cache
def possible_cpus() -> int:
    """How many values a per-CPU map holds for each key: CPUs that could be plugged in, not those that are."""
    return len(_cpu_list("/sys/devices/system/cpu/possible"))


def cpus_in_a_row() -> bool:
    """Whether the numbers of the possible CPUs are those below `possible_cpus()`."""
    return max(_cpu_list("/sys/devices/system/cpu/possible"), default=0) < possible_cpus()


def online_cpus() -> list[int]:
    """Numbers of the CPUs that run now."""
    return _cpu_list("/sys/devices/system/cpu/online")


def stored_size(type: MapType | str | int, value_size: int) -> int:
    """Bytes that user space reads or writes for one element of a map of that type."""
    return (value_size + 7) // 8 * 8 * possible_cpus() if MapType.of(type).per_cpu else value_size


def map_create(
    type: MapType | str | int,
    key_size: int,
    value_size: int,
    max_entries: int,
    *,
    name: str = "",
    flags: int = 0,
    inner_fd: int = 0,
    btf_fd: int = 0,
    btf_key: int = 0,
    btf_value: int = 0,
    map_extra: int = 0,
) -> int:
    """Create a map; gives its file descriptor. Sizes in bytes; a ring buffer takes 0, 0 and its size as `max_entries`.

    `inner_fd` is a map like those that a map of maps will hold. `name` is shortened to 15 characters, and characters
    that the kernel refuses become `_`. Raises `BpfError`.
    """
    kind = MapType.of(type)
    attr = bytearray(struct.pack(
        "<7I16s5IQ", kind, key_size, value_size, max_entries, flags, inner_fd, 0, object_name(name), 0, btf_fd, btf_key,
        btf_value, 0, map_extra,
    ))
    if not map_extra:
        del attr[-8:]
    return bpf(Cmd.MAP_CREATE, attr, f"cannot create map {name or '(unnamed)'} ({kind.name.lower()})")


def object_name(name: str) -> bytes:
    """A name as the kernel takes it: at most 15 characters out of [A-Za-z0-9_.] (kernel/bpf/syscall.c)."""
    cleaned = "".join(c if c.isascii() and (c.isalnum() or c in "_.") else "_" for c in name[:15])
    return cleaned.encode()


def _element(fd: int, key: int, value: int, flags: int = 0) -> bytearray:
    return bytearray(struct.pack("<IxxxxQQQ", fd, key, value, flags))


def map_lookup(fd: int, key: bytes, stored: int) -> bytes | None:
    """The value at the key, `stored` bytes (see `stored_size`); None if there is none."""
    value = bytearray(stored)
    number = bpf_or_errno(Cmd.MAP_LOOKUP_ELEM, _element(fd, address(key), address_of_buffer(value)))
    if number == -errno.ENOENT:
        return None
    if number < 0:
        raise BpfError(-number, "cannot read a map")
    return bytes(value)


def map_update(fd: int, key: bytes, value: bytes, flags: int = 0) -> None:
    """Store a value; `flags`: 0 any, 1 only if absent (else EEXIST), 2 only if present (else ENOENT)."""
    bpf(Cmd.MAP_UPDATE_ELEM, _element(fd, address(key), address(value), flags), "cannot write a map")


def map_delete(fd: int, key: bytes) -> bool:
    """Delete a key; tells whether it was there. Elements of arrays cannot be deleted: `BpfError` with EINVAL."""
    number = bpf_or_errno(Cmd.MAP_DELETE_ELEM, _element(fd, address(key), 0))
    if number < 0 and number != -errno.ENOENT:
        raise BpfError(-number, "cannot delete from a map")
    return number >= 0


def map_next_key(fd: int, key: bytes | None, key_size: int) -> bytes | None:
    """The key behind `key`, in the map's own order; the first one for None or a key that is gone; None at the end."""
    following = bytearray(key_size)
    attr = _element(fd, address(key) if key is not None else 0, address_of_buffer(following))
    number = bpf_or_errno(Cmd.MAP_GET_NEXT_KEY, attr)
    if number == -errno.ENOENT:
        return None
    if number < 0:
        raise BpfError(-number, "cannot walk a map")
    return bytes(following)


def map_freeze(fd: int) -> None:
    """Refuse further writes from user space, so that the verifier may treat a read-only map as constant."""
    bpf(Cmd.MAP_FREEZE, bytearray(struct.pack("<I", fd)), "cannot freeze a map")


def map_memory(fd: int, size: int, *, writable: bool = True) -> mmap.mmap:
    """The values of an array map made with `MapFlags.MMAPABLE`, mapped. Elements stand 8-byte aligned, one after
    another."""
    import mmap

    length = (size + mmap.PAGESIZE - 1) // mmap.PAGESIZE * mmap.PAGESIZE
    return mmap.mmap(fd, length, mmap.MAP_SHARED, mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0))


def map_keys(fd: int, key_size: int) -> list[bytes]:
    """All keys, one call each: for types of maps without batches. Keys added or deleted meanwhile may be missed; none
    is given twice."""
    seen: dict[bytes, None] = {}
    key = map_next_key(fd, None, key_size)
    repeated = 0
    # A walk restarts from the beginning when its key was deleted under it; then known keys come again. A map that
    # changes all the time could restart for ever: give up once it has repeated as many as it had keys, and a few.
    while key is not None and repeated <= len(seen) + 64:
        if key in seen:
            repeated += 1
        seen[key] = None
        key = map_next_key(fd, key, key_size)
    return list(seen)


def map_batches(
    fd: int, key_size: int, stored: int, *, delete: bool = False
) -> Iterator[tuple[memoryview, memoryview, int]]:
    """The contents in batches (keys, values, count): `count` elements packed one after another in each buffer.

    The buffers are reused: copy what is kept before taking the next batch. With `delete` the elements are removed as
    they are read, each exactly once. Hash maps are read bucket by bucket under the bucket's lock, so keys that
    exist all the while come exactly once.

    Raises `BpfError`; its `errno` is EINVAL or `ENOTSUPP` if the kernel (before 5.6) or the map has no batches.
    """
    cmd = Cmd.MAP_LOOKUP_AND_DELETE_BATCH if delete else Cmd.MAP_LOOKUP_BATCH
    room = max(64, min(_BATCH_MAX, _BATCH_BYTES // max(1, key_size + stored)))
    # The position is the number of a bucket, or for arrays the last key.
    position = bytearray(max(key_size, 8))
    at = address_of_buffer(position)
    keys, values = bytearray(room * key_size), bytearray(room * stored)
    first = True
    while True:
        attr = bytearray(struct.pack(
            "<QQQQIIQQ", 0 if first else at, at, address_of_buffer(keys), address_of_buffer(values), room, fd, 0, 0
        ))
        number = -bpf_or_errno(cmd, attr)
        if number == errno.ENOSPC:  # one bucket holds more than fits: nothing was read, and the position stays
            room *= 4
            keys, values = bytearray(room * key_size), bytearray(room * stored)
            continue
        if number not in (0, errno.ENOENT):
            raise BpfError(number, "cannot read a map")
        count = int.from_bytes(attr[32:36], "little")
        if count:
            yield memoryview(keys)[: count * key_size], memoryview(values)[: count * stored], count
        if number == errno.ENOENT:
            return
        first = False


def map_items(fd: int, key_size: int, stored: int) -> Iterator[tuple[bytes, bytes]]:
    """All (key, value) pairs, in the map's own order; values of `stored` bytes (see `stored_size`)."""
    started = False
    try:
        for keys, values, count in map_batches(fd, key_size, stored):
            started = True
            all_keys, all_values = bytes(keys), bytes(values)
            for n in range(count):
                yield all_keys[n * key_size : (n + 1) * key_size], all_values[n * stored : (n + 1) * stored]
    except BpfError as error:
        if started or error.errno not in _UNSUPPORTED:
            raise
        for key in map_keys(fd, key_size):
            value = map_lookup(fd, key, stored)
            if value is not None:
                yield key, value


def map_clear(fd: int, key_size: int, stored: int) -> int:
    """Delete all elements of a hash map; gives how many. Elements added meanwhile may stay."""
    deleted = 0
    try:
        for _, _, count in map_batches(fd, key_size, stored, delete=True):
            deleted += count
    except BpfError as error:
        if deleted or error.errno not in _UNSUPPORTED:
            raise
        return sum(map_delete(fd, key) for key in map_keys(fd, key_size))
    return deleted


def map_update_batch(fd: int, keys: bytes, values: bytes, count: int) -> None:
    """Store `count` elements, packed one after another in `keys` and `values`. Falls back to single stores."""
    if not count:
        return
    key_size, stored = len(keys) // count, len(values) // count
    done, patience = 0, 100
    while done < count:
        attr = bytearray(struct.pack(
            "<QQQQIIQQ", 0, 0, address(keys) + done * key_size, address(values) + done * stored, count - done, fd, 0, 0
        ))
        number = -bpf_or_errno(Cmd.MAP_UPDATE_BATCH, attr)
        if number in _UNSUPPORTED and not done:
            for n in range(count):
                map_update(fd, keys[n * key_size : (n + 1) * key_size], values[n * stored : (n + 1) * stored])
            return
        done += int.from_bytes(attr[32:36], "little")
        if number == errno.ENOMEM and patience:
            # Maps without preallocation take from a small reserve, which the kernel refills a moment later.
            patience -= 1
            time.sleep(0.001)
        elif number:
            raise BpfError(number, "cannot write a map")
