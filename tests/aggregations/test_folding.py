"""Aggregations as user space reads them: the CPUs' copies folded, hosts merged, what is shown (LIBRARY 8, OUTPUT 4)."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.aggregations import AGGREGATIONS
from pytrace.aggregations.aggregation import MASK
from pytrace.semantics.types import Aggregate

SIGN = 1 << 63
integers = st.integers(-SIGN, SIGN - 1)
unsigned = st.integers(0, MASK)


def words(*values: int) -> bytes:
    return struct.pack(f"={len(values)}Q", *(value & MASK for value in values))


@given(st.lists(unsigned, max_size=8))
def test_count_adds_the_cpus(counts: list[int]) -> None:
    """The copies add up, modulo 2^64."""
    type_ = Aggregate("count", False)
    assert AGGREGATIONS["count"].fold(type_, [words(n) for n in counts]) == sum(counts) % (1 << 64)


@given(st.lists(integers, max_size=8), st.booleans())
def test_sum_has_the_sign_of_its_type(parts: list[int], signed: bool) -> None:
    """A signed sum is read as a signed number, also after it wrapped."""
    found = AGGREGATIONS["sum"].fold(Aggregate("sum", signed), [words(n) for n in parts])
    assert found % (1 << 64) == sum(parts) % (1 << 64)
    assert (-SIGN <= found < SIGN) if signed else (0 <= found <= MASK)


def stored(name: str, signed: bool, value: int) -> int:
    """The form in which min and max keep a value, worked out independently: order it, then turn it round for min."""
    ordered = value + SIGN if signed else value
    return MASK - ordered if name == "min" else ordered


@given(st.lists(integers, min_size=1, max_size=8), st.booleans(), st.sampled_from(["min", "max"]))
def test_extremes_are_those_of_all_cpus(values: list[int], signed: bool, name: str) -> None:
    """min and max over CPUs of which some have no value."""
    values = values if signed else [value & MASK for value in values]
    copies = [words(0, 0), *(words(stored(name, signed, value), 1) for value in values)]
    assert AGGREGATIONS[name].fold(Aggregate(name, signed), copies) == (min if name == "min" else max)(values)


def test_an_extreme_of_nothing_shows_zero() -> None:
    """A key whose values were zeroed shows 0 and merges as if it were not there."""
    aggregation, type_ = AGGREGATIONS["min"], Aggregate("min")
    nothing = aggregation.fold(type_, [words(0, 0), words(0, 0)])
    assert aggregation.shown(type_, nothing) == 0
    assert aggregation.merge(type_, nothing, 7) == 7
    assert aggregation.merge(type_, 7, nothing) == 7


def test_extremes_sort_as_unsigned_numbers() -> None:
    """Negative values come last (OUTPUT 4)."""
    aggregation, type_ = AGGREGATIONS["max"], Aggregate("max")
    assert sorted([-1, 5, 0], key=lambda value: aggregation.sort_key(type_, value) or 0) == [0, 5, -1]


@pytest.mark.parametrize(("values", "average"), [((-5, 2), -1), ((7, 8), 7), ((-7, -8), -7), ((3,), 3), ((), 0)])
def test_averages_go_toward_zero(values: tuple[int, ...], average: int) -> None:
    """total / count, without its fraction."""
    type_ = Aggregate("avg")
    copies = [words(value, 1) for value in values]
    aggregation = AGGREGATIONS["avg"]
    assert aggregation.shown(type_, aggregation.fold(type_, copies)) == average


def test_stats_show_count_average_total_and_divide_the_average() -> None:
    """Only the average is divided by print's third argument."""
    type_, aggregation = Aggregate("stats", False), AGGREGATIONS["stats"]
    value = aggregation.fold(type_, [words(10, 1), words(20, 1)])
    assert aggregation.shown(type_, value) == (2, 15, 30)
    assert aggregation.shown(type_, value, 4) == (2, 3, 30)


@given(st.sampled_from(["count", "sum", "avg", "stats", "min", "max"]), st.lists(integers, max_size=6), st.data())
def test_merging_hosts_is_folding_all_cpus(name: str, values: list[int], data: st.DataObject) -> None:
    """It makes no difference whether two hosts' values are merged, or all CPUs belong to one host."""
    type_, aggregation = Aggregate(name, name != "count"), AGGREGATIONS[name]
    copies = [
        words(stored(name, True, value), 1) if name in ("min", "max") else words(value, 1) for value in values
    ]
    cut = data.draw(st.integers(0, len(copies)))
    left, right = aggregation.fold(type_, copies[:cut]), aggregation.fold(type_, copies[cut:])
    assert aggregation.merge(type_, left, right) == aggregation.fold(type_, copies)


@pytest.mark.parametrize(
    ("dividend", "shown"), [(7, 3), (-7, -3), (0, 0), (1, 0), (-1, 0)],
)  # fmt: skip
def test_division_for_print_goes_toward_zero(dividend: int, shown: int) -> None:
    """print(@m, top, 2)."""
    assert AGGREGATIONS["sum"].shown(Aggregate("sum"), dividend, 2) == shown
