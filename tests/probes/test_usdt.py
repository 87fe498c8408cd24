"""`usdt`: every hit of a static probe is counted; arguments are decoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytrace.probes.registers import registers
from pytrace.semantics.types import U64, Int
from tests.probes.support import context_of, hits, run

SINGLE = frozenset({"uprobe_multi"})


@pytest.mark.live
@pytest.mark.parametrize(
    ("spec", "places", "count"),
    [("demo:tick", 1, 7), ("tick", 2, 14), ("*:t*", 2, 14), ("copies", 1, 7), ("other:copies", 1, 7)],
)
def test_static_probes_count_every_hit(probed: str, spec: str, places: int, count: int) -> None:
    assert hits(f"usdt:{probed}:{spec}", run(probed, 7)) == (places, count)


@pytest.mark.live
@pytest.mark.parametrize("features", [frozenset(), SINGLE], ids=["multi", "single"])
def test_the_semaphore_is_up_while_attached(probed: str, features: frozenset[str]) -> None:
    open_guards: list[int] = []
    work = run(probed, 7)
    assert hits(f"usdt:{probed}:guarded", lambda: open_guards.append(work()), no_features=features) == (1, 7)
    assert open_guards == [7]
    assert work() == 0


@pytest.mark.live
def test_arguments_of_a_static_probe(probed: str) -> None:
    known = registers().names
    context = context_of(f"usdt:{probed}:demo:tick")
    number, big, constant, memory, element, *missing = context.arguments
    assert (number.stored, number.offset, number.displacement) == (Int(4, True), known["di"], None)
    assert (big.stored, big.offset) == (U64, known["si"])
    assert constant.constant == 7
    assert (memory.stored, memory.displacement, memory.index) == (Int(2, True), 2, None)
    assert (element.stored, element.displacement, element.scale) == (Int(2, True), 0, 2)
    assert element.index == known["cx"]
    assert {field.constant for field in missing} == {0}
    assert all(field.type == U64 for field in context.arguments)


@pytest.mark.live
def test_arguments_of_static_probes(traced: Callable[..., list[str]]) -> None:
    """In registers, in memory, in an array, constant, signed, and missing."""
    script = 'usdt:PROG:demo:tick { printf("%d %lld %d %d %d %d\\n", arg0, arg1, arg2, arg3, arg4, arg5); }'
    assert traced(script, 2) == ["-1 1099511627776 7 -2 -3 0", "0 1099511627776 7 -2 -3 0"]


@pytest.mark.live
def test_copies_of_a_static_probe_are_one_probe(traced: Callable[..., list[str]]) -> None:
    assert traced("usdt:PROG:copies { @[probe, arg0] = count(); }", 5) == [
        "@[usdt:PROG:other:copies, 1]: 2", "@[usdt:PROG:other:copies, 2]: 3",
    ]  # fmt: skip


@pytest.mark.live
def test_pairs_of_probes_count_together(pytrace: Callable[..., Any], probed: str) -> None:
    done = pytrace("-e", f"usdt:{probed}:copies,u:{probed}:add,i:s:100 {{ @ = count(); }}", "-c", f"{probed} 4")
    assert "Attached 3 probes\n" in done.stderr
    assert "@: 8\n" in done.stdout
