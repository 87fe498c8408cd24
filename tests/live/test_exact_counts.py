"""Counts are exact: no event is lost or counted twice, with the load on two processors at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Done

pytestmark = pytest.mark.live

CALLS = 500_000
THREADS = 2
TOTAL = CALLS * THREADS
PROBE = "tracepoint:syscalls:sys_enter_getppid /pid == cpid/"


def run(pytrace: Callable[..., Done], load: Path, body: str) -> str:
    done = pytrace("-q", "-e", f"{PROBE} {{ {body} }}", "-c", f"{load} getppid {CALLS} {THREADS}")
    assert "Lost" not in done.stderr
    return done.stdout.strip()


def test_count_of_a_scalar_map(pytrace, load):
    assert run(pytrace, load, "@ = count();") == f"@: {TOTAL}"


def test_count_by_thread(pytrace, load):
    lines = run(pytrace, load, "@[tid] = count();").splitlines()
    assert [line.split(": ")[1] for line in lines] == [str(CALLS)] * THREADS


def test_sum(pytrace, load):
    assert run(pytrace, load, "@ = sum(3);") == f"@: {3 * TOTAL}"


def test_hist(pytrace, load):
    lines = run(pytrace, load, "@ = hist(5);").splitlines()
    assert lines[0] == "@:"
    assert lines[1].split()[:3] == ["[4,", "8)", str(TOTAL)]
    assert len(lines) == 2


def test_stats_and_avg_by_command(pytrace, load):
    output = run(pytrace, load, "@s[comm] = stats(7); @a[comm] = avg(7);")
    assert output.splitlines() == [
        "@a[load]: 7",
        f"@s[load]: {{ .count = {TOTAL}, .average = 7, .total = {7 * TOTAL} }}",
    ]


def test_extremes_and_linear_histogram(pytrace, load):
    output = run(pytrace, load, "@low = min(cpu); @high = max(cpu + 5); @l = lhist(12, 0, 100, 10);")
    lines = [line for line in output.splitlines() if line]
    assert lines[0] == f"@high: {4 + THREADS}"
    assert lines[1:3] == ["@l:", lines[2]]
    assert lines[2].split()[:3] == ["[10,", "20)", str(TOTAL)]
    assert lines[3] == "@low: 0"


def test_an_atomic_increment(pytrace, load):
    assert run(pytrace, load, "@++;") == f"@: {TOTAL}"
