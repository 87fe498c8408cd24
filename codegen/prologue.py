"""How a program finds its scratch memory: the instructions at its start, and those at each of its ends.

The scratch map is a per-CPU array. Mostly the memory of a CPU belongs to the one run of the program that can be under
way there: the kernel does not run tracing programs inside themselves, and raw tracepoint and trampoline programs skip
an event rather than that. Programs of uprobes run with preemption, and two threads may be in one of them on the same
CPU. They have several sets of memory and claim one, by a bit in the map's last element; the map has
`SETS * chunks + 1` elements.
"""

from __future__ import annotations

from pytrace.codegen.helpers import HELPERS
from pytrace.frozen import frozen
from pytrace.hints import Sequence

__all__ = [
    "LEAVE", "PREEMPTED", "RELEASE", "SETS", "STATE_CONTEXT", "STATE_RESULT", "STATE_SET", "STATE_SIGNAL", "STATE_SIZE",
    "Layout", "prologue", "with_releases",
]

PREEMPTED = frozenset({"uprobe", "uretprobe", "usdt"})
"""Providers whose programs may be preempted by another run of themselves."""

SETS = 4
"""Sets of memory for programs that are preempted. A run that finds none free does nothing."""

RELEASE = "; release"
"""Stands where the program ends, until it is known whether there is something to give back."""

LEAVE = "; leave"
"""Stands where the program ends, for what it does then in a script whose programs must not run inside each other."""

STATE_CONTEXT, STATE_SIGNAL, STATE_RESULT, STATE_SET, STATE_SIZE = 0, 8, 16, 24, 32
"""The struct through which a callback and the function that passed it communicate: the context pointer; why the loop
was ended (0: it was not); the value to end the program with; which set of scratch memory is the program's."""


@frozen
class Layout:
    """`used` are the chunks that the function needs, of `chunks`. `how` the element is chosen: "one" (an element for
    each chunk), "cpu" (one large array, an element for each CPU), "claimed" (a set is claimed), "given" (by the
    caller)."""

    symbol: str
    used: set[int]
    chunks: int
    how: str


def _lookup(result: str, layout: Layout, key: str, otherwise: str) -> list[str]:
    name = result.removeprefix("%")
    return [
        f"{result} = call ptr inttoptr (i64 {HELPERS['map_lookup_elem']} to ptr)(ptr {layout.symbol}, ptr {key})",
        f"%no_{name} = icmp eq ptr {result}, null",
        f"br i1 %no_{name}, label %{otherwise}, label %have_{name}",
        f"have_{name}:",
    ]


def _claim(layout: Layout) -> list[str]:
    """Sets the first bit that is clear in the map's last element; `%set` is its number."""
    lines = [f"store i32 {SETS * layout.chunks}, ptr %scratchkey, align 4"]
    lines += _lookup("%claims", layout, "%scratchkey", "nothing")
    incoming = []
    for number in range(SETS):
        following = f"claim{number + 1}" if number + 1 < SETS else "nothing"
        lines += (
            f"br label %claim{number}",
            f"claim{number}:",
            f"%before{number} = atomicrmw or ptr %claims, i64 {1 << number} seq_cst",
            f"%bit{number} = and i64 %before{number}, {1 << number}",
            f"%free{number} = icmp eq i64 %bit{number}, 0",
            f"br i1 %free{number}, label %claimed, label %{following}",
        )
        if number:
            del lines[-6]
        incoming.append(f"[ {number}, %claim{number} ]")
    return [*lines, "claimed:", f"%set = phi i64 {', '.join(incoming)}"]


def prologue(layout: Layout) -> tuple[list[str], list[str]]:
    """Allocations, and the instructions that give `%scratch0`, `%scratch1`, … for the chunks that are used."""
    entry = ["%scratchkey = alloca i32, align 8"]
    lines: list[str] = []
    if layout.how == "claimed":
        lines += _claim(layout)
    elif layout.how == "given":
        lines += (
            f"%set_at = getelementptr i8, ptr %state, i64 {STATE_SET}",
            "%given = load volatile i64, ptr %set_at, align 8",
            f"%set = and i64 %given, {SETS - 1}",
        )
    elif layout.how == "cpu":
        lines += (
            f"%cpu = call i64 inttoptr (i64 {HELPERS['get_smp_processor_id']} to ptr)()",
            "%element = trunc i64 %cpu to i32",
            "store i32 %element, ptr %scratchkey, align 4",
        )
    for chunk in sorted(layout.used):
        if layout.how == "one":
            lines.append(f"store i32 {chunk}, ptr %scratchkey, align 4")
        elif layout.how != "cpu":
            lines += (
                f"%first{chunk} = mul i64 %set, {layout.chunks}",
                f"%number{chunk} = add i64 %first{chunk}, {chunk}",
                f"%element{chunk} = trunc i64 %number{chunk} to i32",
                f"store i32 %element{chunk}, ptr %scratchkey, align 4",
            )
        lines += _lookup(f"%scratch{chunk}", layout, "%scratchkey", "nothing")
    return entry, lines


def with_releases(lines: Sequence[str], *, claimed: bool) -> list[str]:
    """The lines of a function with the ends filled in: a claimed set is given back, and other programs may run."""
    result: list[str] = []
    for line in lines:
        if line == LEAVE:
            result.append("store volatile i64 0, ptr %inside, align 8")
        elif line == RELEASE and claimed:
            number = len(result)
            result += (
                f"%own{number} = shl i64 1, %set",
                f"%others{number} = xor i64 %own{number}, -1",
                f"%claimed{number} = atomicrmw and ptr %claims, i64 %others{number} monotonic",
            )
        elif line != RELEASE:
            result.append(line)
    return result
