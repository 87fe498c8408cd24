"""Entry and return of the same functions joined to one program."""

from __future__ import annotations

import struct

from pytrace.codegen.disasm import disassemble
from pytrace.codegen.image import Relocation
from pytrace.codegen.link import MAX_STACK, Linked
from pytrace.codegen.session import join_sessions
from pytrace.diagnostics import Source, Span
from pytrace.probes.provider import Target
from pytrace.semantics import program as core

LONG = bytes.fromhex("b700000007000000") + bytes.fromhex("9500000000000000")
NOWHERE = Span(Source("stdin", ""), 0, 0)


def probe(order: int, provider: str, *functions: str, session: int = 1) -> core.Probe:
    targets = tuple(
        Target(provider, f"{provider}:{name}", (("function", name), ("multi", 1), ("session", session)))
        for name in functions
    )
    return core.Probe(order, f"{provider}_{order}", targets, (), (), NOWHERE)


def linked(name: str, rounds: int = 1, stack: int = 32) -> Linked:
    """A program of two instructions for each round, with a map at its first and a mark at its last."""
    code = LONG * rounds
    return Linked(code, (Relocation(0, "map", f"m_{name}"),), ((name, 0),), ((2 * rounds - 1, 5),), stack)


def test_both_halves_stand_behind_the_choice():
    pairs = [(probe(1, "kprobe", "f", "g"), linked("entry", 2)), (probe(2, "kretprobe", "f", "g"), linked("back"))]
    (joined,) = join_sessions(pairs)
    assert joined.probe is pairs[0][0] and joined.returning == 2
    assert joined.linked.functions == (("session", 0), ("entry", 11), ("back", 15))
    assert joined.linked.relocations == (
        Relocation(1, "kfunc", "bpf_session_is_return"), Relocation(11, "map", "m_entry"),
        Relocation(15, "map", "m_back"),
    )
    assert joined.linked.marks == ((14, 5), (16, 5))
    assert joined.linked.code[88:] == LONG * 3
    assert joined.linked.stack == 64
    lines = [line.strip() for line in disassemble(joined.linked.code, joined.linked.relocations).splitlines()]
    assert lines[4] == "4: if r0 != 0 goto 8"
    calls = [slot + 1 + struct.unpack_from("<i", joined.linked.code, 8 * slot + 4)[0] for slot in (5, 8)]
    assert calls == [11, 15]


def test_other_functions_are_no_pair():
    pairs = [(probe(1, "kprobe", "f"), linked("entry")), (probe(2, "kretprobe", "g"), linked("back"))]
    assert [each.probe.targets[0].number("session") for each in join_sessions(pairs)] == [0, 0]


def test_what_needs_the_whole_stack_stays_apart():
    pairs = [
        (probe(1, "kprobe", "f"), linked("entry", stack=MAX_STACK)), (probe(2, "kretprobe", "f"), linked("back")),
    ]
    made = join_sessions(pairs)
    assert [each.linked for each in made] == [pair[1] for pair in pairs]
    assert [each.probe.targets[0].number("session") for each in made] == [0, 0]


def test_what_is_not_marked_stays_as_it_is():
    pairs = [
        (probe(1, "kprobe", "f", session=0), linked("entry")), (probe(2, "kretprobe", "f", session=0), linked("back")),
    ]
    assert [(each.probe, each.linked) for each in join_sessions(pairs)] == pairs
