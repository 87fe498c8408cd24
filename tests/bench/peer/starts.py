"""Starting, and ending: of one-liners, and of many probes."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

from tests.bench.peer.rows import Figures, compare, heading
from tests.bench.peer.tools import Tool

EXIT = " interval:ms:1 { exit(); }"
SCRIPTS = {
    "begin": "begin { exit(); }",
    "count": "tracepoint:raw_syscalls:sys_enter { @ = count(); }" + EXIT,
    "openat": "tracepoint:syscalls:sys_enter_openat { @[comm, str(args.filename)] = count(); }" + EXIT,
    "latency": "tracepoint:raw_syscalls:sys_enter { @s[tid] = nsecs; } tracepoint:raw_syscalls:sys_exit /@s[tid]/ "
    "{ @ns[comm] = hist(nsecs - @s[tid]); delete(@s, tid); }" + EXIT,
    "stacks": "profile:hz:99 { @[kstack] = count(); }" + EXIT,
    "uprobe": "uprobe:/bin/bash:main { @ = count(); }" + EXIT,
    "task": "tracepoint:raw_syscalls:sys_enter { @[((struct task_struct *)curtask)->tgid] = count(); }" + EXIT,
}
FUNCTIONS = 500


def run(tool: Tool, script: str) -> Figures:
    tracer = tool.start("-e", script)
    attached = tracer.attached()
    whole, cpu, memory = tracer.end()
    return {
        "start to attached, ms": 1e3 * attached, "whole run, ms": 1e3 * whole,
        "processor time, ms": 1e3 * cpu, "peak memory, MiB": memory,
    }  # fmt: skip


def starts(title: str, tools: tuple[Tool, Tool], rounds: int) -> None:
    heading(title)
    for name, script in SCRIPTS.items():
        for tool in tools:
            run(tool, script)
        compare(name, rounds, tools, partial(run, script=script))


def many_functions(folder: Path) -> Path:
    """A program with functions step_0, step_1 and so on."""
    source, target = folder / "many.c", folder / "many"
    functions = [f"__attribute__((noinline)) int step_{n}(int x) {{ return x + {n}; }}" for n in range(FUNCTIONS)]
    source.write_text("\n".join([*functions, "int main(void) { return step_0(0); }"]))
    subprocess.run(["gcc", "-O1", "-o", target, source], check=True)
    return target


def bulk(tools: tuple[Tool, Tool], rounds: int, folder: Path) -> None:
    heading("Many probes")
    many = many_functions(folder)
    for tool in tools:
        run(tool, SCRIPTS["begin"])
    empty = {tool.name: run(tool, SCRIPTS["begin"])["peak memory, MiB"] for tool in tools}
    probes = {
        "all tracepoints of system calls' starts": "tracepoint:syscalls:sys_enter_* { @[probe] = count(); }",
        "tracepoints that are not system calls'": "tracepoint:sched:*,tracepoint:irq:*,tracepoint:timer:* "
        "{ @[probe] = count(); }",
        f"{FUNCTIONS} uprobes": f"uprobe:{many}:step_* {{ @[probe] = count(); }}",
        f"{FUNCTIONS} uretprobes": f"uretprobe:{many}:step_* {{ @[probe] = count(); }}",
    }

    def measure(tool: Tool, script: str) -> Figures:
        found = run(tool, "begin { exit(); } " + script)
        attached = found["start to attached, ms"]
        return {
            "start to attached, ms": attached, "detached and ended, ms": found["whole run, ms"] - attached,
            "whole run, ms": found["whole run, ms"],
            "memory above that of begin, MiB": found["peak memory, MiB"] - empty[tool.name],
        }  # fmt: skip

    for name, script in probes.items():
        measure(tools[0], script)
        compare(name, rounds, tools, partial(measure, script=script))
