"""Maps of the running kernel."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator

import pytest

from pytrace.kernel import bpf, maps
from pytrace.kernel.bpf import BpfError, MapFlags

pytestmark = pytest.mark.live

Create = Callable[..., int]


@pytest.fixture
def create() -> Iterator[Create]:
    fds: list[int] = []

    def make(*args: object, **options: object) -> int:
        fds.append(bpf.map_create(*args, **options))  # type: ignore[arg-type]  # whatever the test wants to try
        return fds[-1]

    yield make
    for fd in fds:
        os.close(fd)


def key(n: int) -> bytes:
    return struct.pack("<I", n)


ALL = ["hash", "array", "percpu_hash", "percpu_array", "lru_hash", "lru_percpu_hash"]
HASHES = [name for name in ALL if "array" not in name]


@pytest.mark.parametrize("type", ALL)
def test_what_is_written_is_read(create: Create, type: str):
    fd = create(type, 4, 12, 8, name="a map")
    stored = bpf.stored_size(type, 12)
    assert stored == (16 * bpf.possible_cpus() if "percpu" in type else 12)
    value = os.urandom(12) + bytes(4) if stored > 12 else os.urandom(12)
    value *= stored // len(value)
    bpf.map_update(fd, key(3), value)
    assert bpf.map_lookup(fd, key(3), stored) == value
    assert (key(3), value) in list(bpf.map_items(fd, 4, stored))
    assert bpf.map_lookup(fd, key(100), stored) is None


@pytest.mark.parametrize("type", HASHES)
def test_deleting(create: Create, type: str):
    fd = create(type, 4, 8, 8)
    stored = bpf.stored_size(type, 8)
    bpf.map_update(fd, key(1), bytes(stored))
    assert bpf.map_delete(fd, key(1)) is True
    assert bpf.map_delete(fd, key(1)) is False
    assert list(bpf.map_items(fd, 4, stored)) == []


def test_elements_of_an_array_cannot_be_deleted(create: Create):
    fd = create("array", 4, 8, 4)
    with pytest.raises(BpfError) as caught:
        bpf.map_delete(fd, key(1))
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("flags", [0, MapFlags.NO_PREALLOC])
@pytest.mark.parametrize("type", ["hash", "percpu_hash"])
def test_batches_give_every_key_once(create: Create, type: str, flags: int):
    count = 20000
    fd = create(type, 4, 8, count, flags=flags)
    stored = bpf.stored_size(type, 8)
    values = [struct.pack("<Q", n) * (stored // 8) for n in range(count)]
    bpf.map_update_batch(fd, b"".join(map(key, range(count))), b"".join(values), count)
    items = list(bpf.map_items(fd, 4, stored))
    assert len(items) == count
    assert dict(items) == {key(n): values[n] for n in range(count)}
    assert bpf.map_clear(fd, 4, stored) == count
    assert list(bpf.map_items(fd, 4, stored)) == []


def test_a_bucket_larger_than_the_buffers(create: Create, monkeypatch: pytest.MonkeyPatch):
    """The kernel gives whole buckets: with room for fewer elements than one holds, the room must grow."""
    monkeypatch.setattr(maps, "_BATCH_MAX", 1)
    monkeypatch.setattr(maps, "max", lambda *values: min(values), raising=False)
    fd = create("hash", 4, 8, 512)
    bpf.map_update_batch(fd, b"".join(map(key, range(512))), bytes(8 * 512), 512)
    assert sorted(k for k, _ in bpf.map_items(fd, 4, 8)) == sorted(map(key, range(512)))


def test_maps_without_batches_are_walked(create: Create, monkeypatch: pytest.MonkeyPatch):
    fd = create("hash", 4, 8, 64)
    for n in range(50):
        bpf.map_update(fd, key(n), struct.pack("<Q", n))

    def refuse(*_: object, **__: object) -> Iterator[None]:
        raise BpfError(errno.EINVAL, "no batches")
        yield

    monkeypatch.setattr(maps, "map_batches", refuse)
    assert dict(bpf.map_items(fd, 4, 8)) == {key(n): struct.pack("<Q", n) for n in range(50)}
    assert bpf.map_clear(fd, 4, 8) == 50
    assert bpf.map_keys(fd, 4) == []


@pytest.mark.parametrize("type", ["array", "percpu_array"])
def test_arrays_are_read_whole(create: Create, type: str):
    fd = create(type, 4, 8, 1000)
    stored = bpf.stored_size(type, 8)
    bpf.map_update(fd, key(999), b"\1" * stored)
    items = list(bpf.map_items(fd, 4, stored))
    assert [k for k, _ in items] == [key(n) for n in range(1000)]
    assert items[999][1] == b"\1" * stored


def test_a_full_map_says_so(create: Create):
    fd = create("hash", 4, 8, 1)
    bpf.map_update(fd, key(1), bytes(8))
    with pytest.raises(BpfError) as caught:
        bpf.map_update(fd, key(2), bytes(8))
    assert caught.value.errno == errno.E2BIG
    with pytest.raises(BpfError) as caught:
        bpf.map_update(fd, key(1), bytes(8), flags=1)
    assert caught.value.errno == errno.EEXIST


def test_frozen_maps_refuse_writes(create: Create):
    fd = create("array", 4, 8, 1, flags=MapFlags.RDONLY_PROG)
    bpf.map_update(fd, key(0), b"constant")
    bpf.map_freeze(fd)
    with pytest.raises(BpfError) as caught:
        bpf.map_update(fd, key(0), b"variable")
    assert caught.value.errno == errno.EPERM
    assert bpf.map_lookup(fd, key(0), 8) == b"constant"


def test_array_memory_is_the_map_itself(create: Create):
    fd = create("array", 4, 8, 4, flags=MapFlags.MMAPABLE)
    with bpf.map_memory(fd, 32) as memory:
        memory[8:16] = b"in place"
    assert bpf.map_lookup(fd, key(1), 8) == b"in place"


def test_names_are_made_fit(create: Create):
    assert bpf.map_info(create("array", 4, 8, 1, name="@a long name-of-a map")).name == "_a_long_name_of"


def test_a_refused_map_is_named(create: Create):
    with pytest.raises(BpfError, match=r"cannot create map m \(hash\): Invalid argument") as caught:
        create("hash", 0, 8, 1, name="m")
    assert caught.value.errno == errno.EINVAL


def test_the_kinds_of_maps_have_names():
    assert bpf.MapType.of("percpu_hash") is bpf.MapType.PERCPU_HASH
    with pytest.raises(ValueError, match="nosuch"):
        bpf.MapType.of("nosuch")
