"""How the type of a variable or map follows from its sources."""

from __future__ import annotations

from pytrace.semantics.types import I8, I16, I64, U8, U64, UNKNOWN, Aggregate, Str, Type
from pytrace.semantics.typing.cells import Cell
from pytrace.semantics.typing.lattice import literal_int

COUNT = Aggregate("count", False)


def round_(cell: Cell, *sources: Type, probe: int = 0, steps: str = "", loan: Type | None = None) -> bool:
    cell.begin(probe)
    for source in sources:
        cell.add(probe, source)
    if loan is not None:
        cell.lend(probe, loan)
    if steps:
        cell.step(probe, steps)
    return cell.publish(probe)


def test_sources_join() -> None:
    """The type of a cell is the common type of its sources."""
    cell = Cell("$x")
    assert round_(cell, I8, I16)
    assert cell.final == I16


def test_nothing_remains_of_an_early_round() -> None:
    """A source that was taken for int64 first and is unsigned in the end leaves an unsigned cell."""
    cell = Cell("$x")
    round_(cell, I64)
    round_(cell, U64)
    assert cell.final == U64


def test_widening_keeps_what_was() -> None:
    """A cell that is told to only widen does not go back."""
    cell = Cell("$x", widening=True)
    round_(cell, I64)
    round_(cell, U64)
    assert cell.final == I64


def test_all_probes_count() -> None:
    """A map's type is joined over the probes that store into it, and changes when one of them does."""
    cell = Cell("@m", keeps_aggregates=True)
    round_(cell, I8, probe=0)
    assert round_(cell, U8, probe=1)
    assert cell.final == I16
    assert round_(cell, literal_int(5), probe=0)
    assert cell.final == U8


def test_reads_see_this_round_once_it_is_complete() -> None:
    """Within a round a cell reads as before until all its earlier sources were seen again."""
    cell = Cell("$x")
    round_(cell, I8, U64)
    cell.begin(0)
    cell.add(0, U8)
    assert cell.read(0) == I64
    cell.add(0, U8)
    assert cell.read(0) == U8


def test_disagreement_keeps_the_first_source() -> None:
    """A source that does not agree is refused, and the cell keeps its type."""
    cell = Cell("$x")
    cell.begin(0)
    assert cell.add(0, I8) and not cell.add(0, Str(3))
    cell.publish(0)
    assert cell.final == I8


def test_steps_widen_what_the_sources_make() -> None:
    """`++` makes an unsigned cell uint64 and a signed one int64, wherever it stands; `--` makes int64."""
    for sources, op, expected in (
        ((U8,), "++", U64), ((I8,), "++", I64), ((literal_int(1),), "++", I64), ((U8,), "--", I64),
    ):
        cell = Cell("@m", start=I64)
        round_(cell, *sources, steps=op)
        assert expected == cell.final


def test_steps_alone() -> None:
    """A map that is only counted up is int64; a variable needs a source."""
    map_, variable = Cell("@m", start=I64), Cell("$x")
    round_(map_, steps="++")
    round_(variable, steps="++")
    assert (map_.final, variable.final) == (I64, UNKNOWN)


def test_loans_count_where_the_cell_is_an_integer() -> None:
    """An aggregation from another map widens integers, but gives no type by itself."""
    alone, other = Cell("@a", keeps_aggregates=True), Cell("@b", keeps_aggregates=True)
    round_(alone, loan=COUNT)
    round_(other, I8, loan=COUNT)
    assert (alone.final, other.final) == (UNKNOWN, I64)


def test_aggregations_do_not_mix_with_integers() -> None:
    """The value of a map is an aggregation or an integer."""
    cell = Cell("@a", keeps_aggregates=True)
    cell.begin(0)
    assert cell.add(0, COUNT) and not cell.add(0, I8)


def test_a_locked_cell_keeps_its_type() -> None:
    """What a compile-time condition relied on does not change."""
    cell = Cell("$x")
    round_(cell, I8)
    cell.locked = cell.final
    round_(cell, I8, I64)
    assert cell.final == I8
