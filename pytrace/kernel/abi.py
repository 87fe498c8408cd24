"""Numbers of the kernel's BPF interface, as in include/uapi/linux/bpf.h.

Each enumeration finds a member by its kernel name in any case (`MapType.of("percpu_hash")`), which is how images name
them.
"""

from __future__ import annotations

import os

from pytrace.hints import Self
from pytrace.members import IntEnum

__all__ = ["AttachType", "Cmd", "LinkType", "MapFlags", "MapType", "ProgType", "syscall_number"]


class _Named(IntEnum):
    @classmethod
    def of(cls, value: str | int) -> Self:
        """The member of that name or number. Raises `ValueError` for an unknown name."""
        if isinstance(value, str):
            try:
                return cls[value.upper()]
            except KeyError:
                raise ValueError(f"{value!r} is not a {cls.__name__}") from None
        return cls(value)


class Cmd:
    """enum bpf_cmd. Plain numbers: making enumerations is what takes longest when this package is imported."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    MAP_GET_NEXT_KEY = 4
    PROG_LOAD = 5
    OBJ_PIN = 6
    OBJ_GET = 7
    PROG_TEST_RUN = 10
    PROG_GET_NEXT_ID = 11
    MAP_GET_NEXT_ID = 12
    PROG_GET_FD_BY_ID = 13
    MAP_GET_FD_BY_ID = 14
    OBJ_GET_INFO_BY_FD = 15
    RAW_TRACEPOINT_OPEN = 17
    BTF_LOAD = 18
    BTF_GET_FD_BY_ID = 19
    MAP_FREEZE = 22
    BTF_GET_NEXT_ID = 23
    MAP_LOOKUP_BATCH = 24
    MAP_LOOKUP_AND_DELETE_BATCH = 25
    MAP_UPDATE_BATCH = 26
    MAP_DELETE_BATCH = 27
    LINK_CREATE = 28
    LINK_GET_FD_BY_ID = 30
    LINK_GET_NEXT_ID = 31
    ENABLE_STATS = 32
    ITER_CREATE = 33


class MapType(_Named):
    """enum bpf_map_type, without BPF_MAP_TYPE_"""

    HASH = 1
    ARRAY = 2
    PROG_ARRAY = 3
    PERF_EVENT_ARRAY = 4
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    STACK_TRACE = 7
    CGROUP_ARRAY = 8
    LRU_HASH = 9
    LRU_PERCPU_HASH = 10
    LPM_TRIE = 11
    ARRAY_OF_MAPS = 12
    HASH_OF_MAPS = 13
    QUEUE = 22
    STACK = 23
    RINGBUF = 27
    TASK_STORAGE = 29
    BLOOM_FILTER = 30
    USER_RINGBUF = 31
    ARENA = 33

    @property
    def per_cpu(self) -> bool:
        """Whether user space sees one value for each possible CPU."""
        return self in (MapType.PERCPU_HASH, MapType.PERCPU_ARRAY, MapType.LRU_PERCPU_HASH)


class MapFlags:
    """Flags of map creation, without BPF_F_"""

    NO_PREALLOC = 1 << 0
    NO_COMMON_LRU = 1 << 1
    RDONLY = 1 << 3
    WRONLY = 1 << 4
    RDONLY_PROG = 1 << 7
    WRONLY_PROG = 1 << 8
    MMAPABLE = 1 << 10


class ProgType(_Named):
    """enum bpf_prog_type, without BPF_PROG_TYPE_"""

    SOCKET_FILTER = 1
    KPROBE = 2
    SCHED_CLS = 3
    TRACEPOINT = 5
    XDP = 6
    PERF_EVENT = 7
    RAW_TRACEPOINT = 17
    TRACING = 26
    LSM = 29
    SYSCALL = 31


class AttachType(_Named):
    """enum bpf_attach_type, without BPF_. `NONE` is what programs of types that have no attach type pass."""

    NONE = 0
    TRACE_RAW_TP = 23
    TRACE_FENTRY = 24
    TRACE_FEXIT = 25
    MODIFY_RETURN = 26
    LSM_MAC = 27
    TRACE_ITER = 28
    XDP = 37
    PERF_EVENT = 41
    TRACE_KPROBE_MULTI = 42
    TRACE_UPROBE_MULTI = 48
    TRACE_KPROBE_SESSION = 56
    TRACE_UPROBE_SESSION = 57


class LinkType(_Named):
    """enum bpf_link_type, without BPF_LINK_TYPE_"""

    RAW_TRACEPOINT = 1
    TRACING = 2
    ITER = 4
    XDP = 6
    PERF_EVENT = 7
    KPROBE_MULTI = 8
    UPROBE_MULTI = 12


# bpf, perf_event_open. Calls since 4.20 (fsopen …, pidfd …) have one number everywhere.
_GENERIC = {"bpf": 280, "perf_event_open": 241}
_NUMBERS = {
    "x86_64": {"bpf": 321, "perf_event_open": 298},
    "s390x": {"bpf": 351, "perf_event_open": 331},
    "ppc64le": {"bpf": 361, "perf_event_open": 319},
    "ppc64": {"bpf": 361, "perf_event_open": 319},
    "mips64": {"bpf": 5315, "perf_event_open": 5292},
}
_COMMON = {"fsopen": 430, "fsconfig": 431, "fsmount": 432}


def syscall_number(name: str) -> int:
    """The number of a system call on this machine (arch/*/entry/syscalls; aarch64, riscv and loongarch share one
    table)."""
    if name in _COMMON:
        return _COMMON[name] + (5000 if os.uname().machine == "mips64" else 0)
    return _NUMBERS.get(os.uname().machine, _GENERIC)[name]
