"""Sessions: the programs for the entry and the return of the same functions, joined to one.

A few instructions of our own come first. They ask the kernel which of the two it is, and call the one or the other,
which stay as they were compiled. The kernel runs the program at the return only if it gave 0 at the entry.
"""

from __future__ import annotations

import struct

from pytrace.codegen.image import Relocation
from pytrace.codegen.link import MAX_STACK, Linked
from pytrace.frozen import frozen, replace
from pytrace.semantics import program as core

__all__ = ["Joined", "join_sessions"]

_FRAME = 32
"""Bytes of stack that the kernel counts for a function which needs none."""
_IS_RETURN = "bpf_session_is_return"


def _insn(op: int, to: int = 0, source: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    return struct.pack("<BBhi", op, source << 4 | to, offset, immediate)


@frozen
class Joined:
    """A program of the image: the probe it is named and attached after, its code, and the number of the probe for the
    return if it is a session (else 0)."""

    probe: core.Probe
    linked: Linked
    returning: int = 0


def join_sessions(pairs: list[tuple[core.Probe, Linked]]) -> list[Joined]:
    """The programs of the image. Targets say whether theirs is half of a session (`semantics/sessions.py`)."""
    returns = {_functions(probe): (probe.order, linked) for probe, linked in pairs if _half(probe, "kretprobe")}
    entries = {_functions(probe): linked for probe, linked in pairs if _half(probe, "kprobe")}
    fits = {
        functions for functions, linked in entries.items()
        if functions in returns and max(linked.stack, returns[functions][1].stack) + _FRAME <= MAX_STACK
    }  # fmt: skip
    made = []
    for probe, linked in pairs:
        functions = _functions(probe)
        if _half(probe, "kprobe") and functions in fits:
            order, returning = returns[functions]
            made.append(Joined(probe, _join(linked, returning), order))
        elif not (_half(probe, "kretprobe") and functions in fits):
            made.append(Joined(_alone(probe), linked))
    return made


def _half(probe: core.Probe, provider: str) -> bool:
    return probe.targets[0].provider == provider and bool(probe.targets[0].number("session"))


def _functions(probe: core.Probe) -> tuple[str, ...]:
    return tuple(target.text("function") for target in probe.targets)


def _alone(probe: core.Probe) -> core.Probe:
    """The probe with a link of its own."""
    if not probe.targets[0].number("session"):
        return probe
    targets = (
        replace(target, data=tuple(entry for entry in target.data if entry[0] != "session")) for target in probe.targets
    )
    return replace(probe, targets=tuple(targets))


def _join(entry: Linked, returning: Linked) -> Linked:
    head = 11  # instructions in front
    second = head + len(entry.code) // 8
    code = b"".join((
        _insn(0xBF, 6, 1),                                # r6 = r1
        _insn(0x85, source=2),                            # r0 = bpf_session_is_return()
        _insn(0x57, immediate=0xFF),                      # r0 &= 255: a bool
        _insn(0xBF, 1, 6),                                # r1 = r6
        _insn(0x55, offset=3),                            # if r0 != 0, go to the second call
        _insn(0x85, source=1, immediate=head - 6),        # call the program of the entry
        _insn(0xB7),                                      # r0 = 0
        _insn(0x95),                                      # exit
        _insn(0x85, source=1, immediate=second - 9),      # call the program of the return
        _insn(0xB7),
        _insn(0x95),
    ))  # fmt: skip
    parts = ((entry, head), (returning, second))
    return Linked(
        code + entry.code + returning.code,
        (
            Relocation(1, "kfunc", _IS_RETURN),
            *(replace(each, insn=each.insn + base) for part, base in parts for each in part.relocations),
        ),
        (("session", 0), *((name, slot + base) for part, base in parts for name, slot in part.functions)),
        tuple((slot + base, number) for part, base in parts for slot, number in part.marks),
        max(entry.stack, returning.stack) + _FRAME,
    )
