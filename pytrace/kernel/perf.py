"""Perf events, and BPF programs attached to them: tracepoints, software and hardware events, uprobes, kprobes and
breakpoints.

Every opener gives the file descriptor of a counting event that has no ring buffer; `attach` connects a program and
starts it. Struct perf_event_attr is in include/uapi/linux/perf_event.h.
"""

from __future__ import annotations

import errno
import os
import struct

from pytrace.kernel.abi import syscall_number
from pytrace.kernel.clib import c_char_p, c_long, c_ulong, function, get_errno
from pytrace.kernel.links import link_perf_event
from pytrace.kernel.programs import prog_load
from pytrace.kernel.syscall import BpfError, address, call
from pytrace.once import cache

__all__ = [
    "HARDWARE",
    "SOFTWARE",
    "attach",
    "breakpoint_event",
    "counting_times",
    "event",
    "hardware_event",
    "has_links",
    "kprobe_event",
    "pmu_type",
    "software_event",
    "tracepoint_event",
    "uprobe_event",
]

SOFTWARE = {
    "cpu-clock": 0, "task-clock": 1, "page-faults": 2, "context-switches": 3, "cpu-migrations": 4, "minor-faults": 5,
    "major-faults": 6, "alignment-faults": 7, "emulation-faults": 8, "dummy": 9, "bpf-output": 10,
}
"""enum perf_sw_ids"""
HARDWARE = {
    "cpu-cycles": 0, "instructions": 1, "cache-references": 2, "cache-misses": 3, "branch-instructions": 4,
    "branch-misses": 5, "bus-cycles": 6, "frontend-stalls": 7, "backend-stalls": 8, "ref-cycles": 9,
}
"""enum perf_hw_id"""

_TYPE_HARDWARE, _TYPE_SOFTWARE, _TYPE_TRACEPOINT, _TYPE_BREAKPOINT = 0, 1, 2, 5
_DISABLED, _INHERIT, _FREQ = 1 << 0, 1 << 1, 1 << 10
_FD_CLOEXEC = 8
_ENABLE, _SET_BPF = 0x2400, 0x40042408
_ATTR = struct.Struct("<IIQQQQQIIQQQQIiQIHH")
_SAMPLE_RAW = 1 << 10
_READ_TIMES = 3
"""PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING"""
_BREAKPOINT_MODES = {"r": 1, "w": 2, "rw": 3, "x": 4}

_NO_KPROBES = "this kernel has no kprobes: CONFIG_KPROBE_EVENTS is off. tracepoint and rawtracepoint probes need none"
_NO_FD = 0xFFFFFFFF
_NOTHING = bytes.fromhex("b700000000000000" "9500000000000000")
"""A program that returns 0."""
_NR_PERF_EVENT_OPEN = syscall_number("perf_event_open")
_ioctl = function("ioctl")


def event(
    type: int,
    config: int,
    what: str,
    *,
    period: int = 0,
    frequency: int = 0,
    flags: int = 0,
    bp_type: int = 0,
    config1: int = 0,
    config2: int = 0,
    pid: int = -1,
    cpu: int = -1,
    sample_type: int = 0,
    wakeup: int = 0,
    read_format: int = 0,
) -> int:
    """perf_event_open(2), disabled at first. `pid` -1 means all processes, on one `cpu`; `cpu` -1 any CPU. `what`
    names the event in errors. Raises `BpfError`."""
    attr = _ATTR.pack(
        type, _ATTR.size, config, frequency or period, sample_type, read_format,
        flags | _DISABLED | (_FREQ if frequency else 0), wakeup, bp_type, config1, config2, 0, 0, 0, 0, 0, 0, 0, 0,
    )
    fd = call(_NR_PERF_EVENT_OPEN, c_char_p(attr), pid, cpu, -1, c_ulong(_FD_CLOEXEC))
    if fd < 0:
        raise BpfError(-fd, f"cannot open {what}")
    return fd


@cache
def pmu_type(name: str) -> int | None:
    """The dynamic type number of a PMU ("kprobe", "uprobe"); None if this kernel lacks it."""
    try:
        with open(f"/sys/bus/event_source/devices/{name}/type", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


@cache
def _return_bit(name: str) -> int:
    """The bit of `config` that asks for the return instead of the entry."""
    try:
        with open(f"/sys/bus/event_source/devices/{name}/format/retprobe", encoding="ascii") as file:
            return 1 << int(file.read().strip().removeprefix("config:"))
    except (OSError, ValueError):
        return 1


def tracepoint_event(id: int, *, pid: int = -1, cpu: int = 0) -> int:
    """A tracepoint by its id (tracefs `events/CATEGORY/NAME/id`). An attached program sees the hits of all CPUs,
    whatever `cpu` is, and of all processes unless `pid` is given."""
    return event(
        _TYPE_TRACEPOINT, id, f"tracepoint {id}", period=1, wakeup=1, sample_type=_SAMPLE_RAW, pid=pid, cpu=cpu
    )


def software_event(
    name: str, *, period: int = 0, frequency: int = 0, pid: int = -1, cpu: int = -1, inherit: bool = False
) -> int:
    """A software event of `SOFTWARE`: a hit every `period` counts (nanoseconds for the clocks), or `frequency` times a
    second. With `inherit` it follows new threads and children of `pid`."""
    return event(
        _TYPE_SOFTWARE, SOFTWARE[name], f"software event {name}", period=period, frequency=frequency, pid=pid, cpu=cpu,
        flags=_INHERIT if inherit else 0, read_format=_READ_TIMES,
    )


def hardware_event(name: str, *, period: int, pid: int = -1, cpu: int = -1, inherit: bool = False) -> int:
    """A hardware event of `HARDWARE`. ENOENT or EOPNOTSUPP on machines without performance counters."""
    try:
        return event(
            _TYPE_HARDWARE, HARDWARE[name], f"hardware event {name}", period=period, pid=pid, cpu=cpu,
            flags=_INHERIT if inherit else 0, read_format=_READ_TIMES,
        )
    except BpfError as error:
        if error.errno not in (errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV):
            raise
        why = "this machine has no performance counter for it; virtual machines often have none"
        raise BpfError(error.errno, error.operation, why) from error


def counting_times(fd: int) -> tuple[int, int]:
    """For how long a software or hardware event was wanted, and for how long it counted, in nanoseconds. The second is
    less where the processor has fewer counters than events want: these then take turns. (0, 0) for anything else."""
    try:
        data = os.read(fd, 24)
    except OSError:
        return 0, 0
    _, enabled, running = struct.unpack("<QQQ", data) if len(data) == 24 else (0, 0, 0)
    return enabled, running


def breakpoint_event(address: int, length: int, mode: str, *, pid: int = -1, cpu: int = -1) -> int:
    """A hardware breakpoint that fires at every hit. `mode` is "r", "w", "rw" (in any order) or "x"; `length` 1, 2, 4
    or 8 bytes (an "x" breakpoint always has the length of a long). ENOSPC when no register is left, EINVAL for
    modes that the machine lacks."""
    kind = _BREAKPOINT_MODES["".join(sorted(mode))]
    return event(
        _TYPE_BREAKPOINT, 0, f"breakpoint at {address:#x}", period=1, wakeup=1, bp_type=kind, config1=address,
        config2=8 if kind == 4 else length, pid=pid, cpu=cpu,
    )


def uprobe_event(
    path: str, offset: int, *, returns: bool = False, ref_ctr_offset: int = 0, pid: int = -1
) -> int:
    """A probe at `offset` bytes into a file, in every process that maps it or in one. `ref_ctr_offset` is the place in
    the file of a USDT semaphore. A return probe fires when the function that starts there returns."""
    type_ = pmu_type("uprobe")
    if type_ is None:
        raise BpfError(errno.ENODEV, f"cannot probe {path}", "this kernel has no uprobes")
    name = os.fsencode(path) + b"\0"
    return event(
        type_, (ref_ctr_offset << 32) | (_return_bit("uprobe") if returns else 0), f"uprobe {path}+{offset:#x}",
        config1=address(name), config2=offset, pid=pid, cpu=-1 if pid > 0 else 0,
    )


def kprobe_event(function: str | int, offset: int = 0, *, returns: bool = False) -> int:
    """A probe of a kernel function by name, `offset` bytes into it, or of an absolute address."""
    what = function if isinstance(function, str) else f"{function:#x}"
    type_ = pmu_type("kprobe")
    if type_ is None:
        raise BpfError(errno.ENODEV, f"cannot probe {what}", _NO_KPROBES)
    name = function.encode() + b"\0" if isinstance(function, str) else b""
    return event(
        type_, _return_bit("kprobe") if returns else 0, f"kprobe {what}+{offset:#x}",
        config1=address(name) if name else 0, config2=offset if isinstance(function, str) else function, cpu=0,
    )


@cache
def has_links() -> bool:
    """Whether perf events take BPF links (Linux 5.15). Asked with a program and an event that does not exist: older
    kernels do not even look at the event, and say EINVAL."""
    try:
        program = prog_load("tracepoint", _NOTHING, name="pytrace_probe")
    except BpfError:
        return True  # whoever loads a program learns why that fails
    try:
        link_perf_event(program, _NO_FD)
    except BpfError as error:
        return error.errno == errno.EBADF
    finally:
        os.close(program)
    return True


def _control(event_fd: int, request: int, argument: int) -> None:
    if _ioctl(event_fd, c_ulong(request), c_long(argument)) < 0:
        raise BpfError(get_errno(), "cannot attach to a perf event")


def attach(prog_fd: int, event_fd: int, cookie: int = 0) -> tuple[int, ...]:
    """Run the program at each hit of the event, from now on; gives the descriptors that hold it: pass them to
    `close_all` or `detach_all`.

    The event's descriptor is consumed, also on failure. `cookie` is what bpf_get_attach_cookie() gives; kernels before
    5.15 cannot carry one: EOPNOTSUPP. Raises `BpfError`.
    """
    link = -1
    try:
        try:
            link = link_perf_event(prog_fd, event_fd, cookie)
        except BpfError as error:
            if error.errno != errno.EINVAL or has_links():
                raise
            if cookie:
                raise BpfError(errno.EOPNOTSUPP, error.operation, "cookies need Linux 5.15") from error
            _control(event_fd, _SET_BPF, prog_fd)
        _control(event_fd, _ENABLE, 0)
    except OSError as error:
        for fd in (link, event_fd):
            if fd >= 0:
                os.close(fd)
        if isinstance(error, BpfError):
            raise
        raise BpfError(error.errno or errno.EINVAL, "cannot attach to a perf event") from error
    return (link, event_fd) if link >= 0 else (event_fd,)
