"""Whole maps: which entries, in which order, in which form (OUTPUT 4 and 6)."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from pytrace.output.contents import Contents
from pytrace.output.json import JsonValues
from pytrace.output.json_maps import JsonMaps
from pytrace.output.text_maps import TextMaps
from pytrace.semantics.types import (
    BOOL,
    I8,
    I64,
    U64,
    VOID,
    Aggregate,
    Array,
    Pointer,
    Stack,
    Str,
    Tuple,
    Type,
    size_of,
)
from tests.output.common import COLOUR, text_values

HIST, LHIST = Aggregate("hist", params=(0,)), Aggregate("lhist", params=(0, 10, 5))


def text(contents: Contents, top: int = 0, div: int = 1) -> str:
    return TextMaps(text_values(), 0).render(contents, top, div).decode("latin-1")


def json(contents: Contents, top: int = 0, div: int = 1) -> str:
    return JsonMaps(JsonValues(text_values()), 0).render(contents, top, div).decode()


def keyed(value: Type, items: dict[Any, Any], key: Type = I64) -> Contents:
    def pack(item: Any) -> bytes:
        if isinstance(item, bytes):
            return item.ljust(size_of(key), b"\0")
        return (item & (1 << 8 * size_of(key)) - 1).to_bytes(size_of(key), "little")

    return Contents("@m", key, value, [(pack(k), v) for k, v in items.items()])


def order(contents: Contents) -> list[str]:
    """The keys of the lines, in order."""
    return [line.split("]")[0].removeprefix("@m[") for line in text(contents).splitlines()]


def buckets(**counts: int) -> list[int]:
    return [counts.get(f"b{n}", 0) for n in range(65)]


@pytest.mark.parametrize(
    ("value", "items", "expected"),
    [
        (I64, {1: 5, 2: -5, 3: 0}, ["2", "3", "1"]),
        (U64, {1: (1 << 64) - 1, 2: 1}, ["2", "1"]),
        (I8, {1: 3, 2: 1, 3: 2}, ["2", "3", "1"]),
        (COLOUR, {1: 7, 2: 1, 3: 3}, ["2", "3", "1"]),
        (Aggregate("count"), {1: 3, 2: 1}, ["2", "1"]),
        (Aggregate("sum"), {1: 3, 2: -1}, ["2", "1"]),
        (Aggregate("avg"), {1: (10, 1), 2: (30, 10)}, ["2", "1"]),
        (Aggregate("stats"), {1: (10, 1), 2: (30, 10)}, ["2", "1"]),
        (Aggregate("min"), {1: 4, 2: -5}, ["1", "2"]),
        (Aggregate("max"), {1: 4, 2: -5, 3: 2}, ["3", "1", "2"]),
        (BOOL, {3: True, -1: False, 2: True}, ["-1", "2", "3"]),
        (Str(4), {3: b"a", -1: b"b", 2: b"c"}, ["-1", "2", "3"]),
        (Pointer(VOID), {3: 1, -1: 2, 2: 3}, ["-1", "2", "3"]),
    ],
)
def test_entries_are_sorted_by_value_or_by_key(value: Type, items: dict[int, Any], expected: list[str]):
    assert order(keyed(value, items)) == expected


def test_histograms_are_sorted_by_their_totals():
    contents = keyed(HIST, {1: buckets(b1=5), 2: buckets(b3=2, b4=2)})
    assert [line for line in text(contents).splitlines() if line.startswith("@")] == ["@m[2]:", "@m[1]:"]


def test_keys_are_sorted_as_signed_numbers_and_bytes():
    assert order(keyed(BOOL, {(1 << 64) - 1: True, 1: True}, U64)) == ["18446744073709551615", "1"]
    assert order(keyed(BOOL, {b"b": True, b"a\xff": True, b"a": True}, Str(4))) == ["a", "a\xff", "b"]
    pair = Tuple((I8, Str(3)))
    assert order(keyed(BOOL, {b"\2a": True, b"\1b": True, b"\1a": True, b"\xffz": True}, pair)) == [
        "-1, z", "1, a", "1, b", "2, a",
    ]


def test_top_takes_the_greatest():
    contents = keyed(I64, {1: 5, 2: 7, 3: 6})
    assert text(contents, top=2) == "@m[3]: 6\n@m[2]: 7\n"
    assert text(contents, top=1 << 64) == text(contents)


def test_div_divides_numbers_only():
    assert text(keyed(Aggregate("avg"), {1: (-7, 2)}), div=2) == "@m[1]: -1\n"
    assert text(keyed(Aggregate("stats"), {1: (33, 2)}), div=3) == "@m[1]: { .count = 2, .average = 5, .total = 33 }\n"
    assert text(keyed(Tuple((I8, Str(2))), {1: (9, b"a")}), div=2) == "@m[1]: (4, a)\n"
    assert text(keyed(Aggregate("min"), {1: -5}), div=2) == "@m[1]: -2\n"
    assert text(keyed(BOOL, {1: True}), div=5) == "@m[1]: true\n"


def test_a_histogram_keeps_its_rows_when_it_is_divided():
    shown = text(Contents("@h", None, HIST, [(b"", buckets(b3=1, b4=2))]), div=2)
    assert [line.split("|")[0].split() for line in shown.splitlines()] == [
        ["@h:"], ["[2,", "4)", "0"], ["[4,", "8)", "1"], [],
    ]
    linear = text(Contents("@l", None, LHIST, [(b"", [0, 4, 0, 0])]), div=2)
    assert linear.splitlines()[1].split()[:3] == ["[0,", "5)", "4"]


def test_scalar_maps():
    assert text(Contents("@x", None, I64, [(b"", 1)])) == "@x: 1\n"
    assert text(Contents("@x", None, I64, [])) == ""
    assert text(Contents("@x", None, HIST, [(b"", buckets())])) == "@x:\n\n"
    assert text(Contents("@", None, HIST, [(b"", buckets(b0=1, b2=2))])) == (
        "@:\n"
        "(..., 0)               1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |\n"
        "[0]                    0 |                                                    |\n"
        "[1]                    2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n"
        "\n"
    )


def test_array_keys_keep_their_brackets():
    contents = Contents("@m", Array(I8, 2), I64, [(b"\1\2", 1)])
    assert text(contents) == "@m[[1,2]]: 1\n"


@pytest.mark.parametrize(
    ("contents", "line"),
    [
        (keyed(I64, {b"key": 2}, Str(8)), '{"type": "map", "data": {"@m": {"key": 2}}}'),
        (keyed(I64, {1: 3, 2: 1}), '{"type": "map", "data": {"@m": {"2": 1, "1": 3}}}'),
        (Contents("@a", None, Aggregate("avg"), [(b"", (7, 2))]), '{"type": "stats", "data": {"@a": 3}}'),
        (
            keyed(Aggregate("stats"), {b"k": (4, 1)}, Str(4)),
            '{"type": "stats", "data": {"@m": {"k": {"count": 1, "average": 4, "total": 4}}}}',
        ),
        (
            Contents("@h", None, HIST, [(b"", buckets(b0=1, b1=0, b2=0, b3=0, b4=1))]),
            '{"type": "hist", "data": {"@h": [{"max": -1, "count": 1},{"min": 0, "max": 0, "count": 0},'
            '{"min": 1, "max": 1, "count": 0},{"min": 2, "max": 3, "count": 0},{"min": 4, "max": 7, "count": 1}]}}',
        ),
        (
            Contents("@lh", None, LHIST, [(b"", [0, 0, 0, 1])]),
            '{"type": "hist", "data": {"@lh": [{"min": 10, "count": 1}]}}',
        ),
        (Contents("@h", None, HIST, [(b"", buckets())]), '{"type": "hist", "data": {"@h": []}}'),
        (
            Contents("@t", None, Aggregate("tseries", True, (100_000_000, 3)), [(b"", {5: (9, 1), 7: (-5, 1)})]),
            '{"type": "tseries", "data": {"@t": [{"interval_start":"1970-01-01 00:00:00.500000000","value":9},'
            '{"interval_start":"1970-01-01 00:00:00.700000000","value":-5}]}}',
        ),
    ],
)
def test_json(contents: Contents, line: str):
    assert json(contents) == line + "\n"


def test_maps_without_entries_have_no_line():
    assert json(keyed(I64, {})) == ""


def test_series_share_the_window_of_the_newest():
    """Rows end with the newest interval of any key; they start with the first value of their own."""
    series = Aggregate("tseries", True, (1_000_000_000, 3))
    contents = keyed(series, {1: {10: (1, 1), 11: (2, 1)}, 2: {12: (3, 1)}})
    rows = [line for line in text(contents).splitlines() if line.endswith(("1", "2", "3", "-")) and ":" in line]
    assert [line.rsplit(" ", 1)[1] for line in rows] == ["1", "2", "-", "3"]


def test_stacks_as_keys_have_no_order():
    """Entries with equal values are shown whatever their keys are: two stacks cannot be compared."""
    key = Stack("kstack", "raw", 2)
    items = [(struct.pack("<QQQ", 1, address, 0), 7) for address in (0x20, 0x10)]
    assert text(Contents("@m", key, Aggregate("count"), items)).count("]: 7\n") == 2
    both = Tuple((key, I64))
    paired = [(stack + struct.pack("<q", 5), count) for stack, count in items]
    assert text(Contents("@m", both, Aggregate("count"), paired)).count("5]: 7\n") == 2
