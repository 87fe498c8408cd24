"""What programs cost per event: `python -m tests.bench.event_cost [--against COMMAND] [--rounds N] [--only NAME]`.

All tracers hang on the same events at the same time, next to an empty program; the kernel counts what each program
takes (BPF_ENABLE_STATS). So all see the same machine in the same mood, and their ratio hardly depends on it. Each
row: nanoseconds above the empty program, the median of the rounds; with `--against` those of the other tracer, which
must take `-e PROGRAM`, and the median of the rounds' ratios. An entry and return pair counts as one event.
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
from pathlib import Path

from pytrace.kernel import bpf

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

    def spent(self) -> dict[int, tuple[int, int]]:
        """Runs and nanoseconds of each program so far."""
        result = {}
        for number in self.programs:
            fd = bpf.fd_by_id("prog", number)
            try:
                info = bpf.prog_info(fd)
            finally:
                bpf.close(fd)
            result[number] = info.run_count, info.run_time
        return result

    def end(self) -> None:
        self.process.send_signal(2)
        try:
            self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()


def per_event(before: dict[int, tuple[int, int]], after: dict[int, tuple[int, int]], least: int) -> list[float]:
    """Nanoseconds per run of each program that ran for the load's events."""
    costs = []
    for number, (runs, spent) in after.items():
        ran = runs - before[number][0]
        if ran >= least:
            costs.append((spent - before[number][1]) / ran)
    return costs


def measure(commands: list[list[str]], program: str, load: list[str], rounds: int) -> list[list[float]]:
    """For each of the commands the costs of the rounds: nanoseconds per event above an empty program."""
    probe = program.partition("{")[0].partition("/")[0].strip()
    empty = Tracer(commands[0], f"{probe} {{ }}")
    tracers = [Tracer(command, program) for command in commands]
    rows: list[list[float]] = [[] for _ in commands]
    try:
        for _ in range(rounds):
            every = [empty, *tracers]
            before = [tracer.spent() for tracer in every]
            subprocess.run(load, check=True, stderr=subprocess.DEVNULL)
            costs = [per_event(old, tracer.spent(), EVENTS // 2) for tracer, old in zip(every, before, strict=True)]
            for row, cost in zip(rows, costs[1:], strict=True):
                row.append(sum(cost) - len(cost) * costs[0][0])
    finally:
        for tracer in [*tracers, empty]:
            tracer.end()
    return rows


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
                rows = measure(commands, program, run, options.rounds)
                cells = [f"{statistics.median(row):.1f}" for row in rows]
                if len(rows) > 1:
                    ratios = [ours / max(theirs, 1) for ours, theirs in zip(*rows, strict=True)]
                    cells.append(f"{statistics.median(ratios):.2f}")
                print(f"| {' | '.join((name, *cells))} |", flush=True)
        finally:
            bpf.close(stats)


if __name__ == "__main__":
    main()
