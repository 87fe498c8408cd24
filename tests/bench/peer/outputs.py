"""Printing: records as they come, and large maps at the end."""

from __future__ import annotations

import subprocess
import time
from functools import partial
from pathlib import Path

from tests.bench.peer.rows import Figures, compare, heading
from tests.bench.peer.tools import Tool

PRINT = 'tracepoint:raw_syscalls:sys_enter /comm == "load"/ { printf("%d %s %d\\n", pid, comm, args.id); }'
DUMPS = {
    "1,000,000 keys with count()": ("@[args.args[0]] = count();", 1_000_000),
    "1,000,000 keys with a number": ("@[args.args[0]] = nsecs;", 1_000_000),
    "10,000 keys with hist()": ("@[args.args[0] % 10000] = hist(args.args[0]);", 100_000),
}


def consume(tool: Tool, load: Path, rate: int, seconds: float, folder: Path) -> Figures:
    """One thread makes system calls at a rate, 0: as fast as it can."""
    target = folder / "out"
    count = int((rate or 700_000) * seconds)
    tracer = tool.start("-e", PRINT, "-o", str(target))
    tracer.attached()
    before = tracer.cpu()
    started = time.monotonic()
    subprocess.run([load, "getppid", str(count), "1", "0", str(rate)], check=True)
    took = time.monotonic() - started
    time.sleep(0.5)
    spent = tracer.cpu() - before
    tracer.interrupt()
    tracer.end()
    with open(target, "rb") as file:
        printed = sum(line.endswith(b" load 110\n") for line in file)
    return {
        "processor time of an event printed, ns": 1e9 * spent / max(printed, 1),
        "events lost, %": 100 * (1 - printed / count), "traced program, ns of a call": 1e9 * took / count,
    }  # fmt: skip


def streams(tools: tuple[Tool, Tool], rounds: int, folder: Path, load: Path) -> None:
    heading("Records: printf of three fields, to a file")
    for rate in (100_000, 400_000, 0):
        what = f"{rate:,} a second" if rate else "full speed"
        compare(what, rounds, tools, partial(consume, load=load, rate=rate, seconds=3, folder=folder))


def dump(tool: Tool, body: str, count: int, load: Path, folder: Path) -> Figures:
    script = f'config = {{ max_map_keys = 2000000 }} tracepoint:raw_syscalls:sys_enter /comm == "load"/ {{ {body} }}'
    tracer = tool.start("-e", script, "-o", str(folder / "out"))
    tracer.attached()
    subprocess.run([load, "getppid", str(count), "1"], check=True)
    before, started = tracer.cpu(), time.monotonic()
    tracer.interrupt()
    _, cpu, memory = tracer.end()
    took = time.monotonic() - started
    return {"from the interrupt to the end, s": took, "processor time, s": cpu - before, "peak memory, MiB": memory}


def dumps(tools: tuple[Tool, Tool], rounds: int, folder: Path, load: Path) -> None:
    heading("Large maps, printed at the end")
    for name, (body, count) in DUMPS.items():
        compare(name, rounds, tools, partial(dump, body=body, count=count, load=load, folder=folder))
