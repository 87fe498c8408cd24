"""Buckets: their numbers, bounds and labels (LIBRARY 8.3, 8.4; OUTPUT 4.1)."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.aggregations import AGGREGATIONS, Histogram
from pytrace.semantics.types import Aggregate

hist = AGGREGATIONS["hist"]
lhist = AGGREGATIONS["lhist"]
assert isinstance(hist, Histogram) and isinstance(lhist, Histogram)


def number(n: int, k: int) -> int:
    """The number of a bucket as LIBRARY 8.3 words it."""
    if n < 0:
        return 0
    if n < 1 << k:
        return n + 1
    highest = n.bit_length() - 1 - k
    return ((highest + 1) << k) + ((n >> highest) & ((1 << k) - 1)) + 1


@given(st.integers(0, (1 << 63) - 1), st.integers(0, 5))
def test_a_value_lies_in_its_bucket(n: int, k: int) -> None:
    """The bounds of the bucket with a value's number enclose it, and the number exists."""
    type_ = Aggregate("hist", True, (k,))
    index = number(n, k)
    assert index < hist.bucket_count(type_)
    bucket = hist.bucket(type_, index)
    assert bucket.lower is not None and bucket.upper is not None
    assert bucket.lower <= n < bucket.upper


@pytest.mark.parametrize("k", range(6))
def test_buckets_follow_each_other(k: int) -> None:
    """Each bucket starts where the one before ends; the last one ends at 2^63."""
    type_ = Aggregate("hist", True, (k,))
    buckets = [hist.bucket(type_, index) for index in range(hist.bucket_count(type_))]
    assert all(a.upper == b.lower for a, b in pairwise(buckets))
    assert buckets[0].lower is None and buckets[0].upper == 0
    assert buckets[-1].upper == 1 << 63


@pytest.mark.parametrize(
    ("n", "k", "label"),
    [
        (-1, 0, "(..., 0)"), (0, 0, "[0]"), (1, 0, "[1]"), (3, 0, "[2, 4)"), (600, 0, "[512, 1K)"),
        (1024, 0, "[1K, 2K)"), (1 << 19, 0, "[512K, 1M)"), (1 << 29, 0, "[512M, 1G)"), (1 << 39, 0, "[512G, 1T)"),
        (1 << 49, 0, "[512T, 1P)"), (1 << 59, 0, "[512P, 1E)"), (1 << 62, 0, "[4E, 8E)"),
        (800, 1, "[768, 1024)"), (1024, 1, "[1024, 1536)"), (1600, 1, "[1536, 2K)"), (2048, 1, "[2K, 3K)"),
        (1000, 2, "[896, 1024)"), (1100, 2, "[1024, 1280)"), (3, 1, "[3]"), (63, 5, "[63]"), (64, 5, "[64, 66)"),
    ],
)  # fmt: skip
def test_labels_of_hist(n: int, k: int, label: str) -> None:
    """The suffix depends on the shift alone."""
    assert hist.bucket(Aggregate("hist", True, (k,)), number(n, k)).label == label


@pytest.mark.parametrize(
    ("bounds", "labels"),
    [
        ((0, 10, 2), ["(..., 0)", "[0, 2)", "[2, 4)", "[4, 6)", "[6, 8)", "[8, 10)", "[10, ...)"]),
        ((3, 5, 1), ["(..., 3)", "[3]", "[4]", "[5, ...)"]),
        ((0, 10240, 1024), ["(..., 0)", "[0, 1K)", *(f"[{n}K, {n + 1}K)" for n in range(1, 10)), "[10K, ...)"]),
        ((0, 2097152, 1048576), ["(..., 0)", "[0, 1M)", "[1M, 2M)", "[2M, ...)"]),
        ((512, 2560, 1024), ["(..., 512)", "[512, 1536)", "[1536, 2560)", "[2560, ...)"]),
        ((5, 100, 10), ["(..., 5)", *(f"[{n}, {n + 10})" for n in range(5, 95, 10)), "[95, ...)"]),
    ],
)  # fmt: skip
def test_labels_of_lhist(bounds: tuple[int, int, int], labels: list[str]) -> None:
    """Steps in multiples of 1024 are written with suffixes; what does not fill a step belongs to the last bucket."""
    type_ = Aggregate("lhist", True, bounds)
    assert [lhist.bucket(type_, index).label for index in range(lhist.bucket_count(type_))] == labels


def test_rows_run_from_the_first_to_the_last_used_bucket() -> None:
    """Empty buckets in between are kept, those around are not."""
    type_ = Aggregate("hist", True, (0,))
    counts = [0] * hist.bucket_count(type_)
    counts[number(5, 0)], counts[number(17, 0)] = 3, 1
    rows = hist.rows(type_, counts)
    assert [(bucket.label, count) for bucket, count in rows] == [("[4, 8)", 3), ("[8, 16)", 0), ("[16, 32)", 1)]
    assert hist.rows(type_, [0] * len(counts)) == []


@given(st.lists(st.lists(st.integers(0, 1 << 62), min_size=4, max_size=4), min_size=1, max_size=5))
def test_copies_add_up_bucket_by_bucket(copies: list[list[int]]) -> None:
    """The fold is the sum of the columns; merging two hosts is the same."""
    type_ = Aggregate("lhist", True, (0, 2, 1))
    data = [struct.pack("=4Q", *copy) for copy in copies]
    expected = [sum(column) % (1 << 64) for column in zip(*copies, strict=True)]
    assert lhist.fold(type_, data) == expected
    assert lhist.merge(type_, lhist.fold(type_, data[:1]), lhist.fold(type_, data[1:])) == expected


def test_only_hist_is_divided() -> None:
    """print(@m, top, div) divides the counts of hist, not those of lhist."""
    assert hist.shown(Aggregate("hist", True, (0,)), [9, 4], 2) == [4, 2]
    assert lhist.shown(Aggregate("lhist", True, (0, 2, 1)), [9, 4], 2) == [9, 4]


def test_histograms_sort_by_their_total() -> None:
    """The key that counted most comes last."""
    assert hist.sort_key(Aggregate("hist", True, (0,)), [1, 0, 5]) == 6
