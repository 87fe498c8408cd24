"""What programs cost per event: `python -m tests.bench.event_cost [--against COMMAND] [--rounds N] [--only NAME]`.

All tracers hang on the same events at the same time, next to an empty program; the kernel counts what each program
takes (BPF_ENABLE_STATS). So all see the same machine in the same mood, and their ratio hardly depends on it. Whoever
runs first at an event finds the caches cold and warms them for the others: so the tracers change places, and each is
in each place for a part of the rounds.

Each row: nanoseconds above the empty program, the mean over the places of the medians of their rounds; with
`--against` those of the other tracer, which must take `-e PROGRAM`, and the ratio. Then, where a script depends on
something that only the kernel can do, the kernel's own: what a program of a few instructions takes that does just that
(`floors.py`), in its turn at all places; with `--against` how much of what the other tracer takes that is. No ratio
can be below. An entry and return pair counts as one event.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pytrace.kernel import bpf
from tests.bench.floors import FLOORS, Floor

ROOT = Path(__file__).resolve().parents[2]
ENTER, EXIT = "tracepoint:syscalls:sys_enter_getppid", "tracepoint:syscalls:sys_exit_getppid"
RAW, RAW_EXIT = "tracepoint:raw_syscalls:sys_enter", "tracepoint:raw_syscalls:sys_exit"
OPEN = "tracepoint:syscalls:sys_enter_openat"
CASES = (
    ("count", f"{ENTER} {{ @ = count(); }}", "getppid"),
    ("sum", f"{RAW} {{ @ = sum(args.id); }}", "getppid"),
    ("avg", f"{RAW} {{ @ = avg(args.id); }}", "getppid"),
    ("min", f"{RAW} {{ @ = min(args.id); }}", "getppid"),
    ("max", f"{RAW} {{ @ = max(args.id); }}", "getppid"),
    ("stats", f"{RAW} {{ @ = stats(args.id); }}", "getppid"),
    ("hist", f"{RAW} {{ @ = hist(args.id); }}", "getppid"),
    ("lhist", f"{RAW} {{ @ = lhist(args.id, 0, 500, 10); }}", "getppid"),
    ("++", f"{RAW} {{ @++; }}", "getppid"),
    ("pid", f"{ENTER} {{ @[pid] = count(); }}", "getppid"),
    ("id", f"{RAW} {{ @[args.id] = count(); }}", "getppid"),
    ("comm", f"{ENTER} {{ @[comm] = count(); }}", "getppid"),
    ("pid, comm, id", f"{RAW} {{ @[pid, comm, args.id] = count(); }}", "getppid"),
    ("/comm/", f'{ENTER} /comm == "load"/ {{ @ = count(); }}', "getppid"),
    (
        "latency",
        f"{RAW} {{ @start[tid] = nsecs; }} "
        f"{RAW_EXIT} /@start[tid]/ {{ @h = hist(nsecs - @start[tid]); delete(@start, tid); }}",
        "getppid",
    ),
    ("nsecs", f"{RAW} {{ @ = nsecs; }}", "getppid"),
    ("hist of a key", f"{RAW} {{ @[comm] = hist(args.id); }}", "getppid"),
    ("filename", f"{OPEN} {{ @[str(args.filename)] = count(); }}", "open"),
    ("comm, filename", f"{OPEN} {{ @[comm, str(args.filename)] = count(); }}", "open"),
    ("filename, only read", f'{OPEN} /str(args.filename, 64) == "x"/ {{ @ = count(); }}', "open"),
    ("kstack", f"{ENTER} {{ @[kstack] = count(); }}", "getppid"),
    ("ustack", f"{ENTER} {{ @[ustack] = count(); }}", "getppid"),
    ("printf", f'{ENTER} {{ printf("%d %s %d\\n", pid, comm, tid); }}', "getppid"),
    ("printf of nothing", f'{ENTER} {{ printf("x\\n"); }}', "getppid"),
    ("printf, 20,000/s", f'{ENTER} {{ printf("%d %s %d\\n", pid, comm, tid); }}', "getppid@20000"),
)
"""Name, script, and the mode of the load, with its rate if there is one. At full speed most records for a slow reader
find no room, which costs little: hence the row with a rate."""
EVENTS = 100_000


class Tracer:
    """A tracer with its programs. `end` ends it."""

    def __init__(self, command: list[str], program: str) -> None:
        self.process = subprocess.Popen(
            [*command, "-e", program], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        probes = 2 if program.count("tracepoint:") > 1 else 1
        deadline = time.monotonic() + 60
        self.programs: list[int] = []
        settled = 0
        while settled < 5:
            ids = self._ids()
            settled = settled + 1 if len(ids) >= probes and ids == self.programs else 0
            self.programs = ids
            if self.process.poll() is not None or time.monotonic() > deadline:
                assert self.process.stderr is not None
                raise SystemExit(f"{shlex.join(command)}: {self.process.stderr.read().decode(errors='replace')}")
            time.sleep(0.05)

    def _pids(self) -> list[int]:
        found = [self.process.pid]
        for pid in found:
            try:
                found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            except OSError:
                continue
        return found

    def _ids(self) -> list[int]:
        found = set()
        for pid in self._pids():
            try:
                for entry in os.listdir(f"/proc/{pid}/fdinfo"):
                    text = Path(f"/proc/{pid}/fdinfo/{entry}").read_text()
                    if match := re.search(r"^prog_id:\s*(\d+)", text, re.MULTILINE):
                        found.add(int(match[1]))
            except OSError:
                continue
        return sorted(found)

    def end(self) -> None:
        self.process.send_signal(2)
        try:
            self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()


def spent(programs: list[int]) -> dict[int, tuple[int, int]]:
    """Runs and nanoseconds of each program so far, by their ids."""
    result = {}
    for number in programs:
        fd = bpf.fd_by_id("prog", number)
        try:
            info = bpf.prog_info(fd)
        finally:
            bpf.close(fd)
        result[number] = info.run_count, info.run_time
    return result


def per_event(before: dict[int, tuple[int, int]], after: dict[int, tuple[int, int]], least: int) -> list[float]:
    """Nanoseconds per run of each program that ran for the load's events."""
    costs = []
    for number, (runs, time_) in after.items():
        ran = runs - before[number][0]
        if ran >= least:
            costs.append((time_ - before[number][1]) / ran)
    return costs


Start = Callable[[], Tracer | Floor]


def measure(empty: Start, starts: list[Start], load: list[str], rounds: int) -> list[float]:
    """For each of those that `starts` start: nanoseconds per event above the empty program. Each is in each place."""
    places: list[list[float]] = [[] for _ in starts]
    for first in range(len(starts)):
        order = [(first + n) % len(starts) for n in range(len(starts))]
        rows: list[list[float]] = [[] for _ in starts]
        tracers = [empty()]
        try:
            for number in order:
                tracers.append(starts[number]())
            for _ in range(-(-rounds // len(starts))):
                before = [spent(tracer.programs) for tracer in tracers]
                subprocess.run(load, check=True, stderr=subprocess.DEVNULL)
                base, *costs = (
                    per_event(old, spent(tracer.programs), EVENTS // 2)
                    for tracer, old in zip(tracers, before, strict=True)
                )
                for number, cost in zip(order, costs, strict=True):
                    rows[number].append(sum(cost) - len(cost) * base[0])
        finally:
            for tracer in reversed(tracers):
                tracer.end()
        for place, row in zip(places, rows, strict=True):
            place.append(statistics.median(row))
    return [statistics.mean(place) for place in places]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", metavar="COMMAND")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", metavar="NAME")
    options = parser.parse_args()
    commands = [[sys.executable, "-m", "pytrace"]]
    if options.against:
        commands.append(shlex.split(options.against))
    with tempfile.TemporaryDirectory() as folder:
        load = Path(folder, "load")
        subprocess.run(["gcc", "-O2", "-o", load, ROOT / "tests/programs/load.c"], check=True)
        stats = bpf.enable_stats()
        try:
            for name, program, mode in CASES:
                if options.only and not re.search(options.only, name):
                    continue
                mode, _, rate = mode.partition("@")
                run = [str(load), mode, str(EVENTS), "1", "0", rate or "0"]
                starts: list[Start] = [partial(Tracer, command, program) for command in commands]
                if name in FLOORS:
                    starts.append(partial(Floor, FLOORS[name], re.findall(r"tracepoint:\w+:\w+", program)))
                probe = program.partition("{")[0].partition("/")[0].strip()
                costs = measure(partial(Tracer, commands[0], f"{probe} {{ }}"), starts, run, options.rounds)
                cells = [f"{cost:.1f}" for cost in costs[: len(commands)]]
                if len(commands) > 1:
                    cells.append(f"{costs[0] / max(costs[1], 1):.2f}")
                if len(costs) > len(commands):
                    share = f" ({costs[-1] / max(costs[1], 1):.2f})" if len(commands) > 1 else ""
                    cells.append(f"kernel's own {costs[-1]:.1f}{share}")
                print(f"| {' | '.join((name, *cells))} |", flush=True)
        finally:
            bpf.close(stats)


if __name__ == "__main__":
    main()
