"""Speed as ratios: what is measured side by side, in the same run, on the same events, does not depend on the machine.

The programs of one script hang on the same tracepoint, so each sees the same events at the same time; the kernel counts
what each costs. The bounds are far from what is usual: they catch a change that doubles a cost, and no more.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytrace.kernel import bpf
from tests.conftest import ROOT

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

EVENTS = 200_000


def costs(load: Path, mode: str, probes: list[str], count: int = EVENTS) -> list[float]:
    """Nanoseconds that each of the probes takes per event, above those of an empty one."""
    script = "\n".join((probes[0].partition("{")[0] + "{ }", *probes))
    tracer = subprocess.Popen(
        [sys.executable, "-m", "pytrace", "-e", script],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    stats = bpf.enable_stats()
    try:
        assert tracer.stderr is not None
        line = tracer.stderr.readline()
        assert line.startswith("Attached"), line
        before = programs(tracer.pid)
        subprocess.run([load, mode, str(count), "1"], check=True)
        after = programs(tracer.pid)
    finally:
        bpf.close(stats)
        tracer.terminate()
        tracer.communicate()
    spent = []
    for number, (runs, time_) in sorted(after.items()):
        runs, time_ = runs - before[number][0], time_ - before[number][1]
        assert runs >= count
        spent.append(time_ / runs)
    assert len(spent) == len(probes) + 1
    return [max(each - spent[0], 1) for each in spent[1:]]


def programs(pid: int) -> dict[int, tuple[int, int]]:
    """How often each program of a tracer ran and how long that took, by its id: in the order of the script."""
    found = {}
    for entry in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{entry}", encoding="ascii") as file:
            about = dict(line.split(None, 1) for line in file if line.startswith(("prog_type:", "prog_id:")))
        if len(about) == 2:
            fd = bpf.fd_by_id("prog", int(about["prog_id:"]))
            try:
                info = bpf.prog_info(fd)
            finally:
                bpf.close(fd)
            found[info.id] = (info.run_count, info.run_time)
    return found


def test_aggregations_cost_a_fraction_of_a_look_up(load: Path):
    """They are updated in place; `@[pid]++` has to find its place first."""
    probe = "tracepoint:syscalls:sys_enter_getppid"
    bodies = ("@[pid]++;", "@c = count();", "@s = sum(pid);", "@m = max(pid);", "@h = hist(pid);", "@p++;")
    keyed, *others = costs(load, "getppid", [f"{probe} {{ {body} }}" for body in bodies])
    assert max(others) < 0.8 * keyed, (keyed, others)


def test_short_keys_are_cheaper_than_the_hash(load: Path):
    """The table of a CPU, against the look-up and the list of another map with the same keys."""
    probe = "tracepoint:syscalls:sys_enter_getppid"
    table, hash_ = costs(load, "getppid", [f"{probe} {{ @a[pid, tid] = count(); }}", f"{probe} {{ @b[pid, tid]++; }}"])
    assert table < 0.9 * hash_, (table, hash_)


def test_a_latency_costs_less_than_two_updates_of_a_hash(load: Path):
    """Keys that come and go have slots, if they have no more than 32 bits."""
    probe = "tracepoint:syscalls:sys_enter_getppid"
    keys = {"a": "tid", "b": "(uint64)tid"}
    bodies = [f"@{name}[{key}] = 1; if (delete(@{name}, {key})) {{ @c = count(); }}" for name, key in keys.items()]
    slots, hash_ = costs(load, "getppid", [f"{probe} {{ {body} }}" for body in bodies])
    assert slots < 0.6 * hash_, (slots, hash_)


def test_short_strings_are_cheap_keys(load: Path):
    """In a tuple a string has all its 1024 bytes."""
    probe = "tracepoint:syscalls:sys_enter_openat"
    keys = {"a": "str(args.filename)", "b": "str(args.filename), 1"}
    probes = [f"{probe} {{ @{name}[{key}] = count(); }}" for name, key in keys.items()]
    short, whole = costs(load, "open", probes, EVENTS // 4)
    assert short < 0.85 * whole, (short, whole)


def spent(*args: str, **environment: str) -> float:
    """Seconds of processor time that a run takes, its child's not counted."""
    with subprocess.Popen(
        [sys.executable, "-m", "pytrace", "-q", *args], cwd=ROOT, env={**os.environ, **environment},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as tracer:  # fmt: skip
        _, status, usage = os.wait4(tracer.pid, 0)
        tracer.returncode = status
    assert status == 0
    return usage.ru_utime + usage.ru_stime


def test_a_second_run_costs_less_than_the_first(tmp_path: Path):
    probe = "tracepoint:syscalls:sys_enter_openat"
    program = f"{probe} {{ @[comm, str(args.filename)] = hist(args.flags); }} begin {{ exit(); }}"
    cold = min(spent("--no-cache", "-e", program) for _ in range(3))
    home = {"XDG_CACHE_HOME": str(tmp_path)}
    warm = min(spent("-e", program, **home) for _ in range(4))
    assert warm < 0.6 * cold, (warm, cold)


def test_records_are_cheap_in_machine_code(load: Path, tmp_path: Path):
    """Against the same output made by Python, in a run that is long enough to be worth it."""
    program = 'tracepoint:syscalls:sys_enter_getppid /pid == cpid/ { printf("%d %s %d\\n", pid, comm, tid); }'
    run = ("-e", program, "-c", f"{load} getppid {3 * EVENTS} 1")
    home = {"XDG_CACHE_HOME": str(tmp_path)}
    spent(*run, **home)  # the machine code is made, and kept
    native = min(spent(*run, **home) for _ in range(4))
    plain = min(spent(*run, **home, PYTRACE_NATIVE="0") for _ in range(2))
    assert native < 0.75 * plain, (native, plain)
