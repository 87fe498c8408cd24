"""How the time to compile grows with the script: `python -m tests.bench.compile_time [PROBES …]`.

Each size is compiled in a process of its own, from text to image, with nothing cached. Printed are the processor time
of each pass and of the whole, the time by the clock, the peak memory, and the ratio of the last size to the first. A
script has so many probes of twenty statements each, those of everyday scripts; no two probes are alike.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

STATEMENTS = (
    "@a{n}[pid, comm] = count();",
    "@bytes{n} = sum({i} + (uint64)pid);",
    "$x{i} = nsecs - (uint64){i} * {n};",
    "if ($x{p} > {i}000) {{ @slow{n}[tid] = $x{p}; }}",
    'printf("%d %s %llu\\n", pid, comm, $x{p});',
    "@h{n} = hist($x{p} / 1000);",
    "@last[{i}, str({i})] = $x{p};",
    "$t{i} = (tid, comm, $x{q});",
    'if (comm == "name{i}") {{ @n{n}++; }} else {{ @other = max({i}); }}',
    "@seen[$t{p}.1, $t{p}.0] = $t{p}.2 & 0xff;",
)


def script(probes: int, statements: int = 20) -> str:
    """A script of so many probes on timers, each of so many statements."""
    lines = []
    for n in range(probes):
        body = []
        for i in range(statements):
            tens = i - i % len(STATEMENTS)
            index = i % len(STATEMENTS)
            previous = tens + (7 if index == 9 else 2)
            body.append("  " + STATEMENTS[index].format(n=n % 40, i=i, p=previous, q=tens + 2))
        lines.append(f"interval:ms:{n + 1} {{\n" + "\n".join(body) + "\n}")
    return "\n".join(lines) + "\n"


def measure(probes: int) -> None:
    """Compiles once, and prints the figures as `pass seconds` lines."""
    from pytrace import compiler
    from pytrace.codegen import driver
    from pytrace.diagnostics import Diagnostics, Source
    from pytrace.semantics import typing
    from pytrace.semantics.unit import Options

    spent: dict[str, float] = {}

    def timed(name, function):  # type: ignore[no-untyped-def]
        def run(*args, **kwargs):  # type: ignore[no-untyped-def]
            clock = time.process_time if name == "llvm" else time.thread_time
            start = clock()
            try:
                return function(*args, **kwargs)
            finally:
                spent[name] = spent.get(name, 0.0) + clock() - start

        return run

    compiler.PASSES = tuple(
        timed(f"{run.__module__.rpartition('.')[2]}.{run.__name__}", run) for run in compiler.PASSES
    )
    compiler.parse = timed("parse", compiler.parse)
    typing.check = timed("typing", typing.check)
    driver.compile_modules = timed("llvm", driver.compile_modules)  # with codegen, which goes on beside it
    driver.make_functions = timed("codegen", driver.make_functions)
    driver.link = timed("link", driver.link)
    text = script(probes)
    start, clock = time.process_time(), time.perf_counter()
    compiled = compiler.compile_source(Source("bench", text), Options(), Diagnostics())
    whole, clock = time.process_time() - start, time.perf_counter() - clock
    assert len(compiled.image.programs) == probes
    for name, seconds in spent.items():
        print(name, seconds)
    print("whole", whole)
    print("clock", clock)
    print("MiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main(sizes: list[int]) -> None:
    columns = []
    for size in sizes:
        command = [sys.executable, "-m", "tests.bench.compile_time", "--one", str(size)]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        columns.append({name: float(value) for name, value in map(str.split, lines)})
    print(f"{'probes':24}" + "".join(f"{size:>12}" for size in sizes) + "       ratio")
    for name in columns[0]:
        values = [column[name] for column in columns]
        ratio = values[-1] / max(values[0], 1e-9)
        print(f"{name:24}" + "".join(f"{value:12.4f}" for value in values) + f"{ratio:12.1f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(int(sys.argv[2]))
    else:
        main([int(size) for size in sys.argv[1:]] or [30, 1000])
