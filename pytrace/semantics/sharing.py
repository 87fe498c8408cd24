"""Sharing: a script that traces many system calls is attached once, not once for each.

The events of category `syscalls` all hang on two tracepoints of the kernel, `raw_syscalls:sys_enter` and `sys_exit`,
whose records are laid out alike: the number at 8, the arguments (or the result) from 16 on. So one program there which
looks up the number does what the programs at hundreds of events do, and what those cost is saved: each event has to be
opened, and takes the kernel 30 ms to close.

That holds for the calls of 64-bit programs only. The kernel leaves out those of others (`perf_syscall_enter` in
kernel/trace/trace_syscalls.c), and so does the shared program, by the flag that the entry code sets (TS_COMPAT in
arch/x86/include/asm/thread_info.h). Kernel stacks begin elsewhere, so a probe that wants one keeps its events to
itself. All programs of an event are either shared or not, for they run in the order of the script.
"""

from __future__ import annotations

import os

from pytrace.diagnostics import Diagnostics
from pytrace.frozen import replace
from pytrace.probes.provider import Host, Target
from pytrace.semantics.matching import uses_of
from pytrace.semantics.unit import Unit, UnitProbe
from pytrace.semantics.walk import walk
from pytrace.syntax import tree

__all__ = ["share"]

MANY = 64
"""So many events of a program make it worth while: the shared one runs at every system call."""

_DIRECTIONS = ("sys_enter", "sys_exit")
_STACKS = frozenset({"kstack", "__builtin_kstack"})
_HANDLERS = {
    "stat": "newstat", "fstat": "newfstat", "lstat": "newlstat", "uname": "newuname", "sendfile": "sendfile64",
    "umount2": "umount", "_sysctl": "sysctl",
}
"""Events are named after the functions that serve the calls (arch/x86/entry/syscalls/syscall_64.tbl). These functions
have other names than their calls."""
_CONTEXT = 16
"""Where the arguments begin, of 8 bytes each."""


def share(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """Attach the programs at system calls together, where the script has many."""
    host = unit.host
    if host is None or not any(len(each.targets) >= MANY for each in unit.probes):
        return unit
    probes = list(unit.probes)
    for direction in _DIRECTIONS:
        probes = _share(probes, direction, unit, host)
    return replace(unit, probes=tuple(probes))


def _share(probes: list[UnitProbe], direction: str, unit: Unit, host: Host) -> list[UnitProbe]:
    """The probes with what is shared split off; the same if that is not worth while or cannot be."""
    numbers = _numbers()
    targets = [target for each in probes for target in each.targets if _is_at(target, direction)]
    events = {target.text("event") for target in targets if _call(target) in numbers}
    for each in probes:
        events -= _kept_apart(each, direction, unit, host)
    if not any(sum(target.text("event") in events for target in each.targets) >= MANY for each in probes):
        return probes
    status = _compat_status()
    if status is None or host.tracefs.event_id("raw_syscalls", direction) is None:
        return probes
    changed: list[UnitProbe] = []
    for each in probes:
        inside = [_is_at(target, direction) and target.text("event") in events for target in each.targets]
        pairs = list(zip(each.targets, inside, strict=True))
        shared = tuple(_shared(target, numbers[_call(target)], status) for target, yes in pairs if yes)
        rest = tuple(target for target, yes in pairs if not yes)
        changed += [replace(each, targets=part) for part in (shared, rest) if part]
    return changed


def _is_at(target: Target, direction: str) -> bool:
    return target.text("category") == "syscalls" and target.text("event").startswith(f"{direction}_")


def _call(target: Target) -> str:
    """The name of the function that serves the call."""
    return target.text("event").removeprefix("sys_enter_").removeprefix("sys_exit_")


def _numbers() -> dict[str, int]:
    from pytrace.builtins.syscalls import syscall_names

    return {_HANDLERS.get(name, name): number for number, name in syscall_names().items()}


def _shared(target: Target, number: int, status: int) -> Target:
    """The target as one of many: the number of its call, and where the task has the flags of `_compat_status`."""
    return replace(target, data=(*target.data, ("shared", 1), ("number", number), ("status", status)))


def _kept_apart(each: UnitProbe, direction: str, unit: Unit, host: Host) -> set[str]:
    """The events of a probe whose programs must be attached to themselves."""
    targets = [target for target in each.targets if _is_at(target, direction)]
    if not targets:
        return set()
    defined = any("kstack" in line.text for line in unit.script.preamble if isinstance(line, tree.CLine))
    stacks = defined or any(
        isinstance(node, tree.Ident | tree.Call) and node.name in _STACKS
        for node in walk(each.probe.predicate, each.probe.body)
    )
    fields = uses_of(each, unit).fields
    return {target.text("event") for target in targets if stacks or not _is_regular(target, fields, host)}


def _is_regular(target: Target, fields: frozenset[str] | None, host: Host) -> bool:
    """Whether the fields that a body reads (None: all) are where the common record has them."""
    if fields is not None and not fields:
        return True
    try:
        described = host.tracefs.format(target.text("category"), target.text("event")).fields
    except OSError:
        return False
    at = _CONTEXT
    for field in described:
        if field.common:
            continue
        if field.offset == 8:
            regular = field.size == 4
        else:
            regular = field.offset == at and field.size == 8 and not field.data_loc and not field.rel_loc
            at += 8
        if not regular and (fields is None or field.name in fields):
            return False
    return True


def _compat_status() -> int | None:
    """Where in the current task the entry code notes that a call is one of 32 bits; None where that is not known."""
    from pytrace.kernel.btf import Kind, kernel_btf
    from pytrace.kernel.features import helper

    kernel = kernel_btf() if os.uname().machine == "x86_64" else None
    if kernel is None or not helper("get_current_task_btf", "tracepoint"):
        return None
    offset = 0
    for struct, member in (("task_struct", "thread_info"), ("thread_info", "status")):
        found = kernel.find(struct, Kind.STRUCT)
        members = kernel.members(found) if found is not None else ()
        place = next((each for each in members if each.name == member), None)
        if place is None:
            return None
        offset += place.bit_offset // 8
    return offset
