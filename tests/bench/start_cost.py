"""What a start takes before and beside pytrace's own work: `python -m tests.bench.start_cost [--rounds N]`.

Milliseconds, medians: the interpreter; the foreign function interface; and what the kernel takes to make maps and to
attach a program that does nothing. Nothing that is written in Python, and attaches the same, can be faster. Each round
does all of it in turn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pytrace.kernel import bpf, perf, tracefs
from pytrace.kernel.elf import Elf
from pytrace.kernel.links import link_uprobe_multi

NOTHING = bytes.fromhex("b700000000000000" "9500000000000000")
BASH = "/bin/bash"
Step = Callable[[], list[int]]
"""Does something in the kernel; gives the descriptors that hold it."""


def python(*code: str) -> Step:
    def run() -> list[int]:
        subprocess.run([sys.executable, *code], check=True)
        return []

    return run


@contextmanager
def program(kind: str, **options: str) -> Iterator[int]:
    fd = bpf.prog_load(kind, NOTHING, name="bench", **options)  # type: ignore[arg-type]
    try:
        yield fd
    finally:
        os.close(fd)


def tracepoint(category: str, event: str) -> Step:
    number = tracefs.find().event_id(category, event)
    assert number is not None

    def attach() -> list[int]:
        with program("tracepoint") as fd:
            return list(perf.attach(fd, perf.tracepoint_event(number)))

    return attach


def timer() -> list[int]:
    with program("perf_event") as fd:
        return list(perf.attach(fd, perf.software_event("cpu-clock", period=1_000_000, cpu=0)))


def main_of(path: str) -> int:
    """Where in a file the function `main` is."""
    elf = Elf(path)
    function = elf.function("main")
    place = elf.file_offset(function.address) if function is not None else None
    assert place is not None
    return place


def uprobe(place: int) -> Step:
    def attach() -> list[int]:
        with program("kprobe", expected_attach_type="trace_uprobe_multi") as fd:
            return [link_uprobe_multi(fd, BASH, [place])]

    return attach


def hash_map(key: int, value: int) -> Step:
    return lambda: [bpf.map_create("percpu_hash", key, value, 4096)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    steps = {
        "python -S -c pass": python("-S", "-c", "pass"),
        "python -c pass": python("-c", "pass"),
        "python -c 'import _ctypes'": python("-c", "import _ctypes"),
        "a timer": timer,
        "tracepoint raw_syscalls:sys_enter": tracepoint("raw_syscalls", "sys_enter"),
        "tracepoint syscalls:sys_enter_openat": tracepoint("syscalls", "sys_enter_openat"),
        "tracepoint sched:sched_switch": tracepoint("sched", "sched_switch"),
        f"uprobe {BASH}:main": uprobe(main_of(BASH)),
        "hash of 4096 counts by 8 bytes": hash_map(8, 8),
        "hash of 4096 counts by stack": hash_map(1024, 8),
        "hash of 4096 histograms": hash_map(16, 528),
    }
    took: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.rounds):
        for name, step in steps.items():
            started = time.perf_counter()
            held = step()
            took[name].append(1e3 * (time.perf_counter() - started))
            for fd in held:
                os.close(fd)
    for name, times in took.items():
        print(f"{name:<40}{statistics.median(times):8.1f}")


if __name__ == "__main__":
    main()
