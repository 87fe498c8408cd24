"""What an event costs in the kernel, above what an empty program costs there."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

from tests.bench.peer.rows import Figures, compare, heading
from tests.bench.peer.tools import Tool, statistics

ENTER = "tracepoint:raw_syscalls:sys_enter"
EXIT = "tracepoint:raw_syscalls:sys_exit"
OPEN = "tracepoint:syscalls:sys_enter_openat"
PAIR = (
    ENTER
    + " { @start[tid] = nsecs; } "
    + EXIT
    + " /@start[tid]/ { @ns = hist(nsecs - @start[tid]); delete(@start, tid); }"
)
CASES = {
    "@ = count()": (ENTER + " { @ = count(); }", "getppid", 1),
    "@ = sum(args.id)": (ENTER + " { @ = sum(args.id); }", "getppid", 1),
    "@ = avg(args.id)": (ENTER + " { @ = avg(args.id); }", "getppid", 1),
    "@ = max(args.id)": (ENTER + " { @ = max(args.id); }", "getppid", 1),
    "@ = stats(args.id)": (ENTER + " { @ = stats(args.id); }", "getppid", 1),
    "@ = hist(args.id)": (ENTER + " { @ = hist(args.id); }", "getppid", 1),
    "@ = lhist(args.id, 0, 500, 10)": (ENTER + " { @ = lhist(args.id, 0, 500, 10); }", "getppid", 1),
    "@++": (ENTER + " { @++; }", "getppid", 1),
    "@[pid] = count()": (ENTER + " { @[pid] = count(); }", "getppid", 1),
    "@[args.id] = count()": (ENTER + " { @[args.id] = count(); }", "getppid", 1),
    "@[comm] = count()": (ENTER + " { @[comm] = count(); }", "getppid", 1),
    '/comm == "load"/': (ENTER + ' /comm == "load"/ { @ = count(); }', "getppid", 1),
    "@[str(args.filename)], one name": (OPEN + " { @[str(args.filename)] = count(); }", "fail", 4),
    "@[str(args.filename)], 1,000 names": (OPEN + " { @[str(args.filename)] = count(); }", "names", 4),
    "@start[tid], hist, delete": (PAIR, "getppid", 1),
    "@[kstack] = count()": (ENTER + " { @[kstack] = count(); }", "getppid", 4),
    "@[ustack] = count()": (ENTER + " { @[ustack] = count(); }", "getppid", 4),
    "printf of three fields": (ENTER + ' { printf("%d %s %d\\n", pid, comm, args.id); }', "getppid", 10),
}


def cost(tool: Tool, script: str, mode: str, load: Path, count: int, folder: Path) -> float:
    """Nanoseconds of all the script's programs for each event of the load."""
    tracer = tool.start("-e", script, "-o", str(folder / "out"))
    tracer.attached()
    before = tracer.programs()
    subprocess.run([load, mode, str(count), "1", "1000"], check=True)
    after = tracer.programs()
    tracer.interrupt()
    tracer.end()
    total = 0.0
    for number, (runs, spent) in after.items():
        runs, spent = runs - before[number][0], spent - before[number][1]
        if runs >= count:
            total += spent / runs
    return total


def above(tool: Tool, script: str, empty: str, mode: str, load: Path, count: int, folder: Path) -> Figures:
    """The same above what empty programs at the same places cost."""
    whole = cost(tool, script, mode, load, count, folder)
    return {"ns": max(whole - cost(tool, empty, mode, load, count, folder), 0.1)}


def events(tools: tuple[Tool, Tool], rounds: int, folder: Path, load: Path, count: int, wanted: str = "") -> None:
    heading(f"Nanoseconds of an event above an empty program ({count:,} system calls)")
    with statistics():
        for name, (script, mode, divisor) in CASES.items():
            if wanted not in name:
                continue
            events = count // divisor
            places = [place for place in (ENTER, EXIT, OPEN) if place in script]
            empty = " ".join(f"{place} {{ }}" for place in places)

            measure = partial(above, script=script, empty=empty, mode=mode, load=load, count=events, folder=folder)
            compare(f"`{name}`", rounds, tools, measure)
