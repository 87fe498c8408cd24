"""The kernel's side of the aggregations, compared with the same done in Python."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest

pytestmark = pytest.mark.live

SIGN = 1 << 63


def maps(pytrace: Any, program: str) -> dict[str, Any]:
    """The maps that a program leaves, by name."""
    found: dict[str, Any] = {}
    for line in pytrace("-q", "--no-warnings", "-f", "json", "-e", program).stdout.splitlines():
        event = json.loads(line)
        if event["type"] in ("map", "hist", "stats", "tseries"):
            found |= event["data"]
    return found


def test_simple_aggregations(pytrace):
    """Negative and unsigned values, averages toward zero, extremes whichever comes first."""
    program = (
        "begin { for ($i : 0..20) { $v = ($i * 37) % 23 - 9; @count = count(); @sum = sum($v); @min = min($v); "
        "@max = max($v); @avg = avg($v); @stats = stats($v); @k[$i & 1] = sum($v); } "
        "@umax = max((uint64)18446744073709551615); @umax = max((uint64)5); @umin = min((uint64)18446744073709551615); "
        "@zero = sum(0); @wrap = sum((uint64)18446744073709551615); @wrap = sum((uint64)2); }"
    )
    values = [i * 37 % 23 - 9 for i in range(20)]
    total = sum(values)
    average = int(total / 20)
    assert maps(pytrace, program) == {
        "@count": 20, "@sum": total, "@min": min(values), "@max": max(values), "@avg": average,
        "@stats": {"count": 20, "average": average, "total": total},
        "@k": {"0": sum(values[::2]), "1": sum(values[1::2])},
        "@umax": "18446744073709551615", "@umin": "18446744073709551615", "@zero": 0, "@wrap": 1,
    }  # fmt: skip


@pytest.mark.parametrize("bits", range(6))
def test_every_power_of_two_finds_its_bucket(pytrace, bits):
    """Just below, at, and just above each power, and the negative numbers, all in one histogram."""
    program = (
        f"begin {{ for ($i : 0..63) {{ $v = (int64)1 << $i; @ = hist($v - 1, {bits}); @ = hist($v, {bits}); "
        f"@ = hist($v + 1, {bits}); @ = hist(0 - $v, {bits}); }} }}"
    )
    values = [(1 << i) + change for i in range(63) for change in (-1, 0, 1)]
    negative, *rows = maps(pytrace, program)["@"]
    assert negative == {"max": -1, "count": 63}
    left = list(values)
    for row in rows:
        low, high = int(row["min"]), int(row["max"])
        # As wide as the division of its power of two says.
        assert high - low + 1 == max(1, 1 << max(low.bit_length() - 1 - bits, 0))
        inside = [value for value in left if low <= value <= high]
        assert row["count"] == len(inside), row
        left = [value for value in left if value not in inside]
    assert not left


def test_linear_buckets(pytrace):
    """All values around a range, with a step that is a power of two and one that is not."""
    program = (
        "begin { for ($i : 0..70) { $v = (int64)$i - 10; @a = lhist($v, 3, 50, 7); @b = lhist($v, 0, 32, 8); } "
        "$big = (int64)1 << 62; @a = lhist($big, 3, 50, 7); @a = lhist(0 - $big, 3, 50, 7); }"
    )
    found = maps(pytrace, program)
    values = [*range(-10, 60), 1 << 62, -(1 << 62)]
    assert found["@a"] == [
        {"max": 2, "count": sum(v < 3 for v in values)},
        *({"min": low, "max": low + 6, "count": 7} for low in range(3, 45, 7)),
        {"min": 45, "count": sum(v >= 45 for v in values)},
    ]
    assert found["@b"] == [
        {"max": -1, "count": 10}, *({"min": low, "max": low + 7, "count": 8} for low in range(0, 32, 8)),
        {"min": 32, "count": 28},
    ]  # fmt: skip


def test_time_series(pytrace):
    """All five forms, in an interval that is too long to end meanwhile."""
    program = (
        "config = { unstable_tseries = enable } begin { for ($i : 0..5) { $v = ($i * 7) % 5 - 2; "
        '@last = tseries($v, 24h, 3); @sum = tseries($v, 24h, 3, "sum"); @min = tseries($v, 24h, 3, "min"); '
        '@max = tseries($v, 24h, 3, "max"); @avg = tseries($v - 5, 24h, 3, "avg"); } }'
    )
    values = [i * 7 % 5 - 2 for i in range(5)]
    found = maps(pytrace, program)
    assert {name: [row["value"] for row in rows] for name, rows in found.items()} == {
        "@last": [values[-1]], "@sum": [sum(values)], "@min": [min(values)], "@max": [max(values)], "@avg": [-5],
    }  # fmt: skip


def test_a_slot_is_used_again_after_a_round(pytrace):
    """Values of earlier rounds do not count; intervals follow each other without gaps in this program."""
    program = (
        "config = { unstable_tseries = enable } "
        'interval:ms:20 { @ = tseries(1, 100ms, 2, "sum"); @n++; if (@n == 30) { clear(@n); exit(); } }'
    )
    rows = maps(pytrace, program)["@"]
    assert len(rows) == 2
    assert all(1 <= row["value"] <= 6 for row in rows)


@pytest.mark.parametrize("intervals", [224, 226, 1_000_000])
def test_long_series(pytrace, monkeypatch, intervals):
    """Whole, also where a row has several parts; scalar and keyed, found and deleted by key."""
    monkeypatch.setenv("BPFTRACE_DUMMY_TS_MAP", "now")
    rounds = 6000
    program = (
        f"config = {{ unstable_tseries = enable }} begin {{ for ($i : 0..{rounds}) {{ @now = (uint64)($i + 1) * 1000; "
        f"@ = tseries($i, 1us, {intervals}); "
        f'@k[$i % 2 == 0 ? "even" : "odd", 1] = tseries($i - 9, 1us, {intervals}, "sum"); '
        f'@gone[$i % 2] = tseries($i, 1us, {intervals}, "avg"); }} clear(@now); '
        "print((len(@k), has_key(@gone, 0), has_key(@gone, 2), delete(@gone, 0), delete(@gone, 0))); "
        "print(len(@gone)); delete(@gone, 1); print(len(@gone)); }"
    )
    kept = range(max(rounds - intervals, 0), rounds)
    found = maps(pytrace, program)
    assert [row["value"] for row in found["@"]] == list(kept)
    assert [row["value"] for row in found["@k"]["even,1"]] == [i - 9 for i in kept if i % 2 == 0]
    assert [row["value"] for row in found["@k"]["odd,1"]] == [i - 9 for i in kept if i % 2]
    assert "@gone" not in found
    printed = pytrace("-q", "--no-warnings", "-e", program.replace("@ =", "@unprinted =")).stdout.split("\n")
    assert printed[:3] == [f"({len(kept)}, true, false, true, false)", str(len(kept) // 2), "0"]


def test_a_deleted_long_series_starts_anew(pytrace):
    """Without keys too; and zero() keeps the keys with nothing to show."""
    program = (
        "config = { unstable_tseries = enable } begin { $was = false; for ($i : 0..2) { @a = tseries(1, 24h, 5000, "
        '"sum"); if ($i == 0) { $was = delete(@a); } } @b["x"] = tseries(7, 24h, 5000); zero(@b); '
        'print(($was, has_key(@b, "x"))); }'
    )
    done = pytrace("-q", "--no-warnings", "-f", "json", "-e", program)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["data"] == [True, True]
    assert [[row["value"] for row in event["data"]["@a"]] for event in events if "@a" in event["data"]] == [[1]]
    assert [event["data"]["@b"] for event in events if "@b" in event["data"]] == [{"x": []}]


@pytest.mark.parametrize("value", ["(uint64)$i", '(str("x"), $i)', "count()", "stats($i)"])
def test_many_new_keys_while_interrupts_are_off(pytrace, value):
    """None is refused: the kernel cannot allocate many elements at once in an interval's program."""
    program = (
        f"interval:ms:10 {{ for ($i : 0..500) {{ @[$i] = {value}; }} @n = len(@); exit(); }}"
        'end { printf("%d", @n); clear(@); clear(@n); }'
    )
    done = pytrace("-q", "-e", program)
    assert (done.stdout.split(), done.stderr) == (["500"], "")


@pytest.mark.parametrize("probe", ["begin", "interval:ms:10"])
def test_histograms_of_many_keys(pytrace, probe):
    """Where memory for all keys on all CPUs would be too much, each CPU takes what it needs, and nothing is refused."""
    program = (
        "config = { max_map_keys = 40000 } " + probe + " { for ($i : 0..3000) { @[$i % 1000] = hist($i % 7, 5); } "
        "print((len(@), has_key(@, 3), has_key(@, 1000), delete(@, 3), delete(@, 3), has_key(@, 3))); exit(); }"
    )
    done = pytrace("-q", "-f", "json", "-e", program)
    value, histograms = (json.loads(line)["data"] for line in done.stdout.splitlines())
    assert (value, done.stderr) == ([3000, True, False, True, False, False], "")
    assert {key: sum(bucket["count"] for bucket in buckets) for key, buckets in histograms["@"].items()} == {
        str(key): 3 for key in range(1000) if key != 3
    }


def test_reading_while_counting(pytrace):
    """Castable aggregations as integers: of this CPU's and the other CPUs' values."""
    program = (
        "begin { for ($i : 0..4) { @c = count(); @s = sum(-3); @lo = min($i); @hi = max($i); @a = avg($i * 3); "
        "@k[1] = count(); } print((@c, @s, @lo, @hi, @a, @k[1], @k[2], @c > 3, (int8)@s)); @m = min((uint64)7); "
        "print((@m, @m > 6)); clear(@c); clear(@s); clear(@lo); clear(@hi); clear(@a); clear(@k); clear(@m); }"
    )
    assert pytrace("-q", "--no-warnings", "-e", program).stdout.split("\n")[:2] == [
        "(4, -12, 0, 3, 4, 4, 0, true, -12)", "(7, true)",
    ]  # fmt: skip


def test_updates_of_preempted_programs_are_not_lost(pytrace, load):
    """Programs of uprobes interrupt each other on one CPU: four threads on the CPUs there are."""
    calls, threads = 40_000, 4
    body = (
        '@c = count(); @k["x"] = count(); @s = sum(3); @h = hist(5); '
        "@hi = max(arg0); @lo = min(arg0); @a = avg(arg0);"
    )
    done = pytrace("-q", "-e", f"uprobe:{load}:load_call {{ {body} }}", "-c", f"{load} call {calls} {threads}")
    total = calls * threads
    text = done.stdout
    for line in (f"@c: {total}", f"@k[x]: {total}", f"@s: {3 * total}", f"@hi: {calls - 1}", "@lo: 0"):
        assert line in text.splitlines()
    assert f"@a: {(calls - 1) // 2}" in text.splitlines()
    assert re.search(rf"\[4, 8\)\s+{total} \|", text)


@pytest.mark.parametrize("form", ["", ', "sum"', ', "max"', ', "avg"'])
def test_series_from_the_first_interval_of_time(pytrace, form: str):
    """A clock given by the script may stand at 0: bpftrace shows 0 for that interval."""
    script = (
        f"begin {{ @ts = (uint64)0; let $i = 0; while ($i < 3) {{ @ = tseries(5, 1s, 4{form}); @ts += 1000000000; "
        "$i++; } clear(@ts); exit(); }"
    )
    environment = {**os.environ, "BPFTRACE_DUMMY_TS_MAP": "@ts"}
    done = pytrace("-q", "--no-warnings", "-f", "json", "-e", script, env=environment)
    points = json.loads(done.stdout)["data"]["@"]
    assert [(point["interval_start"][17:19], point["value"]) for point in points] == [("00", 0), ("01", 5), ("02", 5)]
