"""Time series: slots of the CPUs to intervals, and the window that is drawn (LIBRARY 8.5)."""

from __future__ import annotations

import struct

import pytest

from pytrace.aggregations import AGGREGATIONS, Tseries
from pytrace.aggregations.aggregation import MASK
from pytrace.semantics.types import Aggregate

SECOND = 1_000_000_000
tseries = AGGREGATIONS["tseries"]
assert isinstance(tseries, Tseries)


def series(aggregation: str = "", number: int = 4) -> Aggregate:
    return Aggregate("tseries", True, (SECOND, number, *((aggregation,) if aggregation else ())))


def words(*values: int) -> bytes:
    return struct.pack(f"={len(values)}Q", *(value & MASK for value in values))


def test_the_last_value_is_that_of_the_latest_cpu() -> None:
    """Without an aggregation, time decides between CPUs."""
    early, late = 100 * SECOND + 5, 100 * SECOND + 9
    first = words(7, early, 0, 0, 0, 0, 0, 0)
    second = words(-3, late, 0, 0, 0, 0, 0, 0)
    assert tseries.shown(series(), tseries.fold(series(), [first, second])) == [(100, -3)]
    assert tseries.shown(series(), tseries.fold(series(), [second, first])) == [(100, -3)]


@pytest.mark.parametrize(("name", "value"), [("sum", 4), ("max", 9), ("min", -5)])
def test_cpus_combine(name: str, value: int) -> None:
    """sum, min and max of both CPUs' values for one interval."""
    flips = {"sum": 0, "max": 1 << 63, "min": (1 << 63) ^ MASK}[name]
    copies = [words((part & MASK) ^ flips, 101, *[0] * 6) for part in (9, -5)]
    assert tseries.shown(series(name), tseries.fold(series(name), copies)) == [(100, value)]


def test_averages_combine_totals_and_counts() -> None:
    """The average of all values, not of the CPUs' averages."""
    type_ = series("avg")
    copies = [words(10, 1, 101, *[0] * 9), words(-40, 5, 101, *[0] * 9)]
    assert tseries.shown(type_, tseries.fold(type_, copies)) == [(100, -5)]


def test_older_rounds_are_left_out() -> None:
    """A slot that was not used in the latest round of one CPU is too old when another CPU went on."""
    type_ = series("sum", 2)
    copies = [words(1, 101, 2, 102), words(5, 105, 0, 0)]
    assert tseries.shown(type_, tseries.fold(type_, copies)) == [(104, 5)]


def test_the_window_ends_with_the_newest_interval_of_any_key() -> None:
    """Gaps are shown as missing; what lies before the first value is not shown."""
    type_ = series("sum", 4)
    value = tseries.fold(type_, [words(1, 101, 0, 0, 3, 103, 0, 0)])
    assert tseries.rows(type_, value, 102) == [(100 * SECOND, 1), (101 * SECOND, None), (102 * SECOND, 3)]
    assert tseries.rows(type_, value, 104) == [(102 * SECOND, 3), (103 * SECOND, None), (104 * SECOND, None)]
    assert tseries.rows(type_, value, 200) == []


def test_merging_hosts_keeps_the_window() -> None:
    """Intervals of both, as many as the series has."""
    type_ = series("sum", 2)
    left = tseries.fold(type_, [words(1, 101, 2, 102)])
    right = tseries.fold(type_, [words(10, 103, 20, 102)])
    assert tseries.shown(type_, tseries.merge(type_, left, right)) == [(101, 22), (102, 10)]
