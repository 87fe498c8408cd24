"""Aggregations by short keys: CPUs have tables in front of the hash, and nobody can tell (`codegen/cached.py`)."""

from __future__ import annotations

import platform
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Done

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls"),
]

CALLS = 200_000
PROBE = "tracepoint:raw_syscalls:sys_enter /pid == cpid && args.id == 110/"


def entries(text: str, name: str = "m") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in re.findall(rf"^@{name}\[(.*)\]: (.*)$", text, re.MULTILINE):
        assert key not in found
        found[key] = value
    return found


def run(pytrace: Callable[..., Done], load: Path, body: str, more: str = "") -> Done:
    return pytrace("-q", "--no-warnings", "-e", f"{PROBE} {{ {body} }} {more}", "-c", f"{load} getppid {CALLS} 2")


@pytest.mark.parametrize("keys", [1, 7, 150, 1000, 4000])
def test_every_event_is_counted_once(pytrace: Callable[..., Done], load: Path, keys: int):
    """More keys than rows change hands all the time."""
    body = f"$k = args.args[0] % {keys}; @m[$k] = count(); @t[$k, args.args[1]] = sum(args.args[0]);"
    done = run(pytrace, load, body)
    assert entries(done.stdout) == {str(key): str(2 * len(range(key, CALLS, keys))) for key in range(keys)}
    sums = entries(done.stdout, "t")
    if 2 * keys <= 4096:
        expected = {key: str(sum(range(key, CALLS, keys))) for key in range(keys)}
        assert sums == {f"{key}, {thread}": expected[key] for key in range(keys) for thread in (0, 1)}


def test_many_keys(pytrace: Callable[..., Done], load: Path):
    """So many that they are printed as columns; what CPUs have in their tables is in them."""
    keys = 40_000
    body = f"@m[args.args[0] % {keys}] = count(); @a[args.args[0] % {keys}] = avg(args.args[0] % {keys});"
    program = f"config = {{ max_map_keys = {2 * keys} }} {PROBE} {{ {body} }}"
    done = pytrace("-q", "--no-warnings", "-e", program, "-c", f"{load} getppid {CALLS} 2")
    assert entries(done.stdout) == {str(key): str(2 * CALLS // keys) for key in range(keys)}
    assert entries(done.stdout, "a") == {str(key): str(key) for key in range(keys)}


def test_all_that_fits(pytrace: Callable[..., Done], load: Path):
    keys = 300
    kinds = ("min", "max", "avg", "stats")
    maps = " ".join(f"@{kind}[$k] = {kind}(args.args[0]);" for kind in kinds)
    done = run(pytrace, load, f"$k = (args.args[0] * 7919) % {keys}; {maps}")
    members: dict[int, list[int]] = {key: [] for key in range(keys)}
    for number in range(CALLS):
        members[number * 7919 % keys].append(number)
    for key, numbers in members.items():
        total, count = 2 * sum(numbers), 2 * len(numbers)
        assert entries(done.stdout, "min")[str(key)] == str(min(numbers))
        assert entries(done.stdout, "max")[str(key)] == str(max(numbers))
        assert entries(done.stdout, "avg")[str(key)] == str(total // count)
        stats = f"{{ .count = {count}, .average = {total // count}, .total = {total} }}"
        assert entries(done.stdout, "stats")[str(key)] == stats


def test_a_full_map_is_full(pytrace: Callable[..., Done], load: Path):
    done = run(pytrace, load, "@m[args.args[0] % 5000] = count();")
    found = entries(done.stdout)
    assert len(found) == 4096
    assert set(found.values()) == {str(2 * CALLS // 5000)}


@pytest.mark.parametrize("keys", [40, 400])
def test_what_is_shown_meanwhile_never_shrinks(pytrace: Callable[..., Done], load: Path, keys: int):
    """Values on their way between a table and the hash are neither missed nor counted twice."""
    body = f"@m[(args.args[0] >> 2) % {keys}] = count(); @all = count();"
    done = run(pytrace, load, body, 'interval:ms:10 { print("next"); print(@m); print(@all); }')
    last: dict[str, int] = {}
    shown = done.stdout.split("next\n")
    assert len(shown) > 2
    for part in shown[:-1]:
        now = {key: int(value) for key, value in entries(part).items()}
        assert all(now.get(key, 0) >= value for key, value in last.items())
        total = re.search(r"^@all: (\d+)", part, re.MULTILINE)
        assert sum(now.values()) <= (int(total[1]) if total else 0) or not total
        last = now
    assert sum(int(value) for value in dict(re.findall(r"^@m\[(.*)\]: (.*)$", shown[-1], re.MULTILINE)).values()) == (
        2 * CALLS
    )


def test_clear_and_zero(pytrace: Callable[..., Done], load: Path):
    """What is cleared is gone from the tables too; zero keeps the keys."""
    body = "@m[args.args[0] % 3] = count(); @z[args.args[0] % 3] = count(); @all = count();"
    done = run(pytrace, load, body, "interval:ms:20 { clear(@m); zero(@z); } end { clear(@m); zero(@z); }")
    assert "@m" not in done.stdout
    assert entries(done.stdout, "z") == {"0": "0", "1": "0", "2": "0"}
    assert f"@all: {2 * CALLS}" in done.stdout


def test_prints_between_clears_do_not_exceed_what_happened(pytrace: Callable[..., Done], load: Path):
    body = "@m[args.args[0] % 200] = count();"
    done = run(pytrace, load, body, "interval:ms:5 { print(@m); clear(@m); }")
    sums = Counter[str]()
    for key, value in re.findall(r"^@m\[(.*)\]: (.*)$", done.stdout, re.MULTILINE):
        assert int(value) > 0
        sums[key] += int(value)
    assert len(sums) == 200
    assert all(0 < value <= 2 * CALLS // 200 for value in sums.values())


@pytest.mark.parametrize("keys", [5, 60])
def test_histograms(pytrace: Callable[..., Done], load: Path, keys: int):
    done = run(pytrace, load, f"@h[args.args[0] % {keys}] = hist(5); @l[args.args[0] % {keys}] = lhist(25, 0, 50, 10);")
    for name, bucket in (("h", "[4, 8)"), ("l", "[20, 30)")):
        found = re.findall(rf"^@{name}\[(\d+)\]:\n(\S+ \S+) +(\d+)", done.stdout, re.MULTILINE)
        expected = [(str(key), bucket, str(2 * len(range(key, CALLS, keys)))) for key in range(keys)]
        assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    ("script", "cached"),
    [
        (f"{PROBE} {{ @m[tid] = count(); }} end {{ print(@m, 3); }}", True),
        (f"{PROBE} {{ @m[comm, pid] = stats(1); }} interval:s:1 {{ clear(@m); }}", True),
        ("rawtracepoint:sys_enter { @m[tid] = count(); }", True),
        ("rawtracepoint:sys_enter { @m[tid] = count(); } profile:hz:9 { @m[tid] = count(); }", False),
        ("begin { @m[tid] = count(); }", False),
        (f"{PROBE} {{ @m[tid] = hist(1); }}", True),
        (f"{PROBE} {{ @m[tid] = hist(1, 5); }}", False),  # too large
        (f"{PROBE} {{ @m[str(args.args[0])] = count(); }}", False),
        (f"{PROBE} {{ @m[tid] = count(); }} end {{ print(@m[1]); }}", False),
        (f"{PROBE} {{ @m[tid] = count(); delete(@m, tid); }}", False),
        (f"{PROBE} {{ @m[tid] = count(); if (@m[tid] > 3) {{ print(1); }} }}", False),
    ],
)
def test_which_maps_have_tables(pytrace: Callable[..., Done], script: str, cached: bool):
    done = pytrace("-d", "dis", "--dry-run", "-e", script)
    assert ("AT_m.cached" in done.stdout) == cached, done.stdout
