"""Histograms and time series, character by character: OUTPUT 4.1 and 4.2."""

from __future__ import annotations

import time

import pytest

from pytrace.output.charts import histogram, time_series

MS = 1_000_000
SECOND = 1000 * MS
MOMENT = (4 * 3600 + 53 * 60) * SECOND


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_histogram():
    rows = [(b"(..., 0)", 1), (b"[0]", 1), (b"[2, 4)", 2), (b"[8, 16)", 0), (b"[1K, 2K)", 1)]
    assert histogram(rows).decode() == (
        "(..., 0)               1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |\n"
        "[0]                    1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |\n"
        "[2, 4)                 2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n"
        "[8, 16)                0 |                                                    |\n"
        "[1K, 2K)               1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |\n"
    )


def test_bars_are_measured_in_single_precision():
    """53 / 106 is half; a third of 52 is 17.33; counts beyond 24 bits lose their last bits."""
    bars = [line.count(b"@") for line in histogram([(b"a", 1), (b"b", 2), (b"c", 3)]).splitlines()]
    assert bars == [17, 34, 52]
    lines = histogram([(b"a", (1 << 53) - 1), (b"b", 1 << 53)]).splitlines()
    assert [line.count(b"@") for line in lines] == [52, 52]


def test_counts_that_are_all_zero_have_no_bars():
    assert histogram([(b"[1]", 0)]) == b"[1]                    0 |" + b" " * 52 + b"|\n"
    assert histogram([]) == b""


def test_long_labels_and_counts_take_more_room():
    assert histogram([(b"[1152921504606846976, 2)", 123456789)]).startswith(b"[1152921504606846976, 2)123456789 |@")


def test_a_series_in_tenths_of_a_second():
    rows = [(MOMENT + 25 * SECOND + (200 + 100 * n) * MS, value) for n, value in enumerate(range(-3, 6))]
    assert time_series(rows, signed=True).decode() == (
        "             -3                                                  5\n"
        "hh:mm:ss.ms  |___________________________________________________|\n"
        "04:53:25.200 *                  .                                | -3\n"
        "04:53:25.300 |     *            .                                | -2\n"
        "04:53:25.400 |            *     .                                | -1\n"
        "04:53:25.500 |                  *                                | 0\n"
        "04:53:25.600 |                  .      *                         | 1\n"
        "04:53:25.700 |                  .            *                   | 2\n"
        "04:53:25.800 |                  .                   *            | 3\n"
        "04:53:25.900 |                  .                         *      | 4\n"
        "04:53:26.000 |                  .                                * 5\n"
        "             v___________________________________________________v\n"
        "             -3                                                  5\n"
    )


def test_a_series_in_seconds_with_a_gap():
    rows = [(MOMENT + (51 + n) * SECOND, value) for n, value in enumerate((0, 2, None, 5))]
    assert time_series(rows, signed=True).decode() == (
        "         0                                                   5\n"
        "hh:mm:ss |___________________________________________________|\n"
        "04:53:51 *                                                   | 0\n"
        "04:53:52 |                   *                               | 2\n"
        "04:53:53 |                                                   | -\n"
        "04:53:54 |                                                   * 5\n"
        "         v___________________________________________________v\n"
        "         0                                                   5\n"
    )


def test_a_single_row_is_shown_in_nanoseconds():
    assert time_series([(MOMENT + 394851100, 5)], signed=True).decode() == (
        "                   4                                                   6\n"
        "hh:mm:ss.ns        |___________________________________________________|\n"
        "04:53:00.394851100 |                         *                         | 5\n"
        "                   v___________________________________________________v\n"
        "                   4                                                   6\n"
    )


def test_the_heading_counts_the_greek_letter_as_two():
    lines = time_series([(MOMENT, 1), (MOMENT + 100_000, 2)], signed=True).decode().splitlines()
    assert lines[1] == "hh:mm:ss.μs    |" + "_" * 51 + "|"
    assert lines[2].startswith("04:53:00.000000 *")


@pytest.mark.parametrize(
    ("value", "signed", "low", "high"),
    [(0, False, "0", "1"), ((1 << 63) - 1, True, str((1 << 63) - 2), str((1 << 63) - 1))],
)
def test_a_flat_series_does_not_leave_its_type(value: int, signed: bool, low: str, high: str):
    assert time_series([(MOMENT, value)], signed=signed).decode().split("\n")[0].split() == [low, high]


def test_no_rows():
    assert time_series([], signed=True) == b"<no data>\n"
