"""BPF links and pins: programs attached by `bpf(2)` itself, and what the kernel lists about its objects.

Closing a link's descriptor detaches it. How each kind came to be is noted where it is made; all raise `BpfError`.
"""

from __future__ import annotations

import errno
import os
import struct

from pytrace.frozen import frozen
from pytrace.hints import Iterator, Sequence
from pytrace.kernel.abi import AttachType, Cmd
from pytrace.kernel.syscall import BpfError, address, address_of_buffer, bpf, bpf_or_errno

__all__ = [
    "LinkInfo", "MapInfo", "ProgInfo", "btf_info", "fd_by_id", "ids", "iter_create", "link_create", "link_info",
    "link_iter", "link_kprobe_multi", "link_perf_event", "link_tracing", "link_uprobe_multi", "map_info", "obj_get",
    "obj_pin", "prog_info", "raw_tracepoint_open",
]

MULTI_RETURN = 1
"""BPF_F_KPROBE_MULTI_RETURN, BPF_F_UPROBE_MULTI_RETURN"""


def link_create(prog_fd: int, target_fd: int, attach_type: AttachType, rest: bytes, operation: str) -> int:
    """BPF_LINK_CREATE; `rest` is what follows the flags word in `union bpf_attr`."""
    attr = bytearray(struct.pack("<IIII", prog_fd, target_fd, attach_type, 0) + rest)
    return bpf(Cmd.LINK_CREATE, attr, operation)


def raw_tracepoint_open(prog_fd: int, name: str = "", cookie: int = 0) -> int:
    """Attach a RAW_TRACEPOINT program to the tracepoint `name`, or a TRACING program (raw_tp, fentry, fexit) to what it
    was loaded for. A `cookie` needs Linux 6.10 for raw tracepoints, 5.19 for the others."""
    text = name.encode() + b"\0" if name else b""
    attr = bytearray(struct.pack("<QIxxxxQ", address(text) if text else 0, prog_fd, cookie))
    what = f"raw tracepoint {name}" if name else "what the program traces"
    return bpf(Cmd.RAW_TRACEPOINT_OPEN, attr if cookie else attr[:12], f"cannot attach to {what}")


def link_tracing(prog_fd: int, attach_type: AttachType, cookie: int = 0) -> int:
    """Attach a TRACING program to the kernel function it was loaded for (needs Linux 5.19; earlier
    `raw_tracepoint_open`)."""
    return link_create(prog_fd, 0, attach_type, struct.pack("<IxxxxQ", 0, cookie), "cannot attach a tracing program")


def link_perf_event(prog_fd: int, event_fd: int, cookie: int = 0) -> int:
    """Attach to a perf event (needs Linux 5.15). The link keeps the event: its descriptor may be closed."""
    return link_create(
        prog_fd, event_fd, AttachType.PERF_EVENT, struct.pack("<Q", cookie), "cannot attach to a perf event"
    )


def link_iter(prog_fd: int, *, pid: int = 0, tid: int = 0, map_fd: int = 0) -> int:
    """Make a program of kind TRACE_ITER an iterator, over the tasks of one process or thread, or over a map. Task
    filters need Linux 6.1."""
    info = struct.pack("<III", tid, pid, 0) if pid or tid else struct.pack("<I", map_fd) if map_fd else b""
    rest = struct.pack("<QI", address(info) if info else 0, len(info))
    return link_create(prog_fd, 0, AttachType.TRACE_ITER, rest, "cannot create an iterator")


def iter_create(link_fd: int) -> int:
    """A descriptor whose reading runs the iterator once from beginning to end."""
    attr = bytearray(struct.pack("<II", link_fd, 0))
    return bpf(Cmd.ITER_CREATE, attr, "cannot read an iterator")


def link_kprobe_multi(
    prog_fd: int,
    symbols: Sequence[str] = (),
    *,
    addresses: Sequence[int] = (),
    cookies: Sequence[int] = (),
    returns: bool = False,
    session: bool = False,
) -> int:
    """Attach a KPROBE program, loaded as TRACE_KPROBE_MULTI (or …_SESSION), to many kernel functions (Linux 5.18;
    sessions 6.12)."""
    count = len(symbols) or len(addresses)
    names = [symbol.encode() + b"\0" for symbol in symbols]
    pointers, places, values = _words([address(n) for n in names]), _words(addresses), _words(cookies)
    rest = struct.pack(
        "<IIQQQ", MULTI_RETURN if returns else 0, count, *map(address_of_buffer, (pointers, places, values))
    )
    kind = AttachType.TRACE_KPROBE_SESSION if session else AttachType.TRACE_KPROBE_MULTI
    return link_create(prog_fd, 0, kind, rest, f"cannot attach to {count} kernel functions")


def link_uprobe_multi(
    prog_fd: int,
    path: str,
    offsets: Sequence[int],
    *,
    cookies: Sequence[int] = (),
    ref_ctr_offsets: Sequence[int] = (),
    returns: bool = False,
    pid: int = 0,
    session: bool = False,
) -> int:
    """Attach a KPROBE program, loaded as TRACE_UPROBE_MULTI (or …_SESSION), to places of one file (Linux 6.6; sessions
    6.13). Offsets are positions in the file, in bytes; `ref_ctr_offsets` those of USDT semaphores (0 for none). `pid`
    restricts it to one process."""
    name = os.fsencode(path) + b"\0"
    places, counters, values = _words(offsets), _words(ref_ctr_offsets), _words(cookies)
    rest = struct.pack(
        "<QQQQIIIxxxx", address(name), *map(address_of_buffer, (places, counters, values)), len(offsets),
        MULTI_RETURN if returns else 0, pid,
    )
    kind = AttachType.TRACE_UPROBE_SESSION if session else AttachType.TRACE_UPROBE_MULTI
    return link_create(prog_fd, 0, kind, rest, f"cannot attach to {len(offsets)} places of {path}")


def _words(values: Sequence[int]) -> bytearray:
    return bytearray(struct.pack(f"<{len(values)}Q", *values))


def obj_pin(fd: int, path: str) -> None:
    """Keep an object in a BPF file system under `path`."""
    name = os.fsencode(path) + b"\0"
    bpf(Cmd.OBJ_PIN, bytearray(struct.pack("<QII", address(name), fd, 0)), f"cannot pin {path}")


def obj_get(path: str) -> int:
    """A descriptor of a pinned object."""
    name = os.fsencode(path) + b"\0"
    return bpf(Cmd.OBJ_GET, bytearray(struct.pack("<QII", address(name), 0, 0)), f"cannot open {path}")


_NEXT_ID = {
    "prog": Cmd.PROG_GET_NEXT_ID, "map": Cmd.MAP_GET_NEXT_ID, "link": Cmd.LINK_GET_NEXT_ID, "btf": Cmd.BTF_GET_NEXT_ID,
}
_FD_BY_ID = {
    "prog": Cmd.PROG_GET_FD_BY_ID, "map": Cmd.MAP_GET_FD_BY_ID, "link": Cmd.LINK_GET_FD_BY_ID,
    "btf": Cmd.BTF_GET_FD_BY_ID,
}


def ids(kind: str) -> Iterator[int]:
    """Ids of all objects of a kind in the kernel: "prog", "map", "link" or "btf"."""
    at = 0
    while True:
        attr = bytearray(struct.pack("<III", at, 0, 0))
        number = bpf_or_errno(_NEXT_ID[kind], attr)
        if number == -errno.ENOENT:
            return
        if number < 0:
            raise BpfError(-number, f"cannot list BPF objects ({kind})")
        at = int.from_bytes(attr[4:8], "little")
        yield at


def fd_by_id(kind: str, id: int) -> int:
    """A descriptor of the object with that id; kinds as in `ids`."""
    return bpf(_FD_BY_ID[kind], bytearray(struct.pack("<III", id, 0, 0)), f"cannot open BPF {kind} {id}")


def _info(fd: int, info: bytearray) -> bytearray:
    attr = bytearray(struct.pack("<IIQ", fd, len(info), address_of_buffer(info)))
    bpf(Cmd.OBJ_GET_INFO_BY_FD, attr, "cannot ask about a BPF object")
    return info


def _name(field: bytes | bytearray) -> str:
    return bytes(field).partition(b"\0")[0].decode("utf-8", "replace")


@frozen
class ProgInfo:
    """A loaded program: sizes in bytes; `run_time` in nanoseconds and `run_count` while statistics are enabled.
    `btf_id` is 0 if it has no type information; `func_info` are its (instruction, type id) pairs."""

    type: int
    id: int
    tag: bytes
    name: str
    translated_size: int
    jited_size: int
    map_ids: tuple[int, ...]
    btf_id: int
    func_info: tuple[tuple[int, int], ...]
    run_time: int
    run_count: int
    recursion_misses: int
    verified_insns: int


def _pair(data: bytearray, at: int) -> tuple[int, int]:
    left, right = struct.unpack_from("<II", data, at)
    return left, right


# struct bpf_prog_info up to attach_btf_id; pointers and counts of arrays that are not asked for stay zero.
_PROG_INFO = struct.Struct("<II8sIIQQQIIQ16sIIQQIIQQIIQIIQQIIIIQQQQIII4x")
_NR_MAP_IDS, _FUNC_INFO = 52, 132


def prog_info(fd: int) -> ProgInfo:
    """What the kernel says about a program (struct bpf_prog_info)."""
    first = _PROG_INFO.unpack(_info(fd, bytearray(_PROG_INFO.size)))
    maps, size, functions = first[9], first[21], first[23]
    map_ids, info = bytearray(4 * maps), bytearray(functions * size)
    ask = bytearray(_PROG_INFO.size)
    struct.pack_into("<IQ", ask, _NR_MAP_IDS, maps, address_of_buffer(map_ids))
    struct.pack_into("<IQI", ask, _FUNC_INFO, size, address_of_buffer(info), functions)
    (
        type_, id_, tag, _, _, _, _, _, _, _, _, name, _, _, _, _, _, _, _, _, btf_id, _, _, _, _, _, _, _, _, _, _, _,
        run_time, run_count, missed, verified, _, _,
    ) = _PROG_INFO.unpack(_info(fd, ask))
    return ProgInfo(
        type=type_, id=id_, tag=tag, name=_name(name), translated_size=first[4], jited_size=first[3],
        map_ids=struct.unpack(f"<{maps}I", map_ids), btf_id=btf_id,
        func_info=tuple(_pair(info, n * size) for n in range(functions)),
        run_time=run_time, run_count=run_count, recursion_misses=missed, verified_insns=verified,
    )


@frozen
class MapInfo:
    """A map: sizes in bytes, `type` a `MapType` number."""

    type: int
    id: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    name: str


def map_info(fd: int) -> MapInfo:
    """What the kernel says about a map (struct bpf_map_info)."""
    info = _info(fd, bytearray(88))
    type_, id_, key_size, value_size, max_entries, flags = struct.unpack_from("<6I", info)
    return MapInfo(type_, id_, key_size, value_size, max_entries, flags, _name(info[24:40]))


@frozen
class LinkInfo:
    """`type` is a `LinkType` number; `rest` what follows it in struct bpf_link_info."""

    type: int
    id: int
    prog_id: int
    rest: bytes


def link_info(fd: int) -> LinkInfo:
    """What the kernel says about a link (struct bpf_link_info)."""
    info = _info(fd, bytearray(64))
    type_, id_, prog_id = struct.unpack_from("<3I", info)
    return LinkInfo(type_, id_, prog_id, bytes(info[16:]))


def btf_info(fd: int) -> tuple[int, str, bool, bytes]:
    """Id, name ("vmlinux", a module, or empty for a program's), whether it is the kernel's own, and the contents."""
    first = _info(fd, bytearray(struct.pack("<QIIQII", 0, 0, 0, 0, 0, 0)))
    size, id_, length = struct.unpack_from("<II", first, 8) + struct.unpack_from("<I", first, 24)
    data, name = bytearray(size), bytearray(length + 1)
    # Programs' types have no name. To ask for one is an error before Linux 5.11, which names none.
    wanted = (address_of_buffer(name), len(name)) if length else (0, 0)
    ask = bytearray(struct.pack("<QIIQII", address_of_buffer(data), size, 0, *wanted, 0))
    _info(fd, ask)
    return id_, _name(bytes(name)), bool(struct.unpack_from("<I", ask, 28)[0]), bytes(data)
