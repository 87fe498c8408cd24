"""What is printed and what is said to be lost make up what happened, whatever befalls the output."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.conftest import ROOT, Done

pytestmark = pytest.mark.live

Run = Callable[..., Done]

MARK = str(os.getpid())
"""Tells our loads from those of tests that run at the same time."""
EVENT = f"tracepoint:raw_syscalls:sys_enter /args.args[2] == {MARK}/"
LINES = 'printf("%d %ld\\n", args.args[1], args.args[0]);'
"""The thread of the load, and the number of its call."""


Tracer = subprocess.Popen[bytes]


@contextlib.contextmanager
def tracing(program: str, stdout: int | IO[bytes], *options: str, **environment: str) -> Iterator[Tracer]:
    """A tracer in the background; nothing of it is left behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytrace", *options, "-e", program],
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, cwd=ROOT, env={**os.environ, **environment},
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def attached(process: subprocess.Popen[bytes]) -> None:
    """Waits until the tracer says that it is."""
    assert process.stderr is not None
    line = process.stderr.readline()
    while line.startswith(b"Trying"):
        line = process.stderr.readline()
    assert line.startswith(b"Attached"), line + process.stderr.read()


def rest(process: subprocess.Popen[bytes]) -> str:
    """What it said since, when it has ended."""
    assert process.stderr is not None
    text = process.stderr.read().decode()
    assert "Traceback" not in text
    return text


def lost(messages: str) -> int:
    """The number of events that were reported lost; the reports along the way add up to the total."""
    total = sum(map(int, re.findall(r"^WARNING: Total lost event count: (\d+)$", messages, re.M)))
    assert total == sum(map(int, re.findall(r"^Lost (\d+) events$", messages, re.M)))
    return total


def calls(output: bytes) -> dict[int, list[int]]:
    """The numbers of the calls by thread, in the order in which they were printed."""
    found: dict[int, list[int]] = {}
    for line in output.splitlines():
        if line:
            thread, number = line.split()
            found.setdefault(int(thread), []).append(int(number))
    return found


def check_order(found: dict[int, list[int]]) -> None:
    """Nothing twice, and everything in order."""
    for numbers in found.values():
        assert all(a < b for a, b in itertools.pairwise(numbers))


@pytest.mark.parametrize("native", ["0", "1"])
def test_a_reader_that_stalls(load: Path, native: str):
    """The ring runs full meanwhile: what is missing in the output was counted, and nothing else is missing."""
    events = 200_000
    with tracing(EVENT + "{" + LINES + "}", subprocess.PIPE, BPFTRACE_PERF_RB_PAGES="64", PYTRACE_NATIVE=native) as p:
        attached(p)
        assert p.stdout is not None
        subprocess.run([load, "getppid", str(events), "2", MARK], check=True)
        time.sleep(0.3)
        p.send_signal(signal.SIGINT)
        output = p.stdout.read()
        assert p.wait(timeout=30) == 0
        messages = rest(p)
    found = calls(output)
    check_order(found)
    assert lost(messages) > 0
    assert sum(map(len, found.values())) + lost(messages) == 2 * events
    assert f"tracepoint:raw_syscalls:sys_enter: {lost(messages)} records were lost" in messages


def test_everything_that_waits_at_the_end_is_printed(load: Path, tmp_path: Path):
    """More than a batch: the tracer sleeps while its ring fills, and wakes up to a request to stop."""
    events = 50_000
    with open(tmp_path / "out", "wb") as file, tracing(EVENT + "{" + LINES + "}", file) as process:
        attached(process)
        process.send_signal(signal.SIGSTOP)
        subprocess.run([load, "getppid", str(events), "1", MARK], check=True)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        assert process.wait(timeout=30) == 0
        assert rest(process) == ""
    assert calls((tmp_path / "out").read_bytes()) == {0: list(range(events))}


def test_a_second_request_cuts_the_rest_short_and_counts_it(load: Path):
    """The pipe is full, so the tracer waits in the middle of its output when the signals come."""
    events = 60_000
    with tracing(EVENT + "{" + LINES + "} END { print(1111111); }", subprocess.PIPE, PYTRACE_NATIVE="0") as process:
        attached(process)
        assert process.stdout is not None
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
        process.send_signal(signal.SIGSTOP)
        subprocess.run([load, "getppid", str(events), "1", MARK], check=True)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        *lines, end = process.stdout.read().split()
        assert process.wait(timeout=30) == 0
        messages = rest(process)
    assert end == b"1111111"
    assert 0 < lost(messages) < events
    assert len(lines) // 2 + lost(messages) == events


def test_a_third_request_ends_a_tracer_that_nobody_reads(load: Path):
    with tracing(EVENT + "{" + LINES + "}", subprocess.PIPE) as process:
        attached(process)
        subprocess.run([load, "getppid", "50000", "1", MARK], check=True)
        time.sleep(0.5)
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        assert process.wait(timeout=10) == 130


def test_a_reader_that_goes(load: Path):
    with tracing(EVENT + "{" + LINES + "}", subprocess.PIPE) as process:
        attached(process)
        assert process.stdout is not None
        process.stdout.close()
        subprocess.run([load, "getppid", "20000", "1", MARK], check=True)
        assert process.wait(timeout=10) == 141
        assert rest(process) == ""


@pytest.mark.parametrize("program", [EVENT + "{" + LINES + "}", EVENT + "{ @[args.args[0] % 4000] = 1; }"])
def test_a_full_disk(load: Path, program: str):
    with open("/dev/full", "wb") as file, tracing(program, file) as process:
        attached(process)
        subprocess.run([load, "getppid", "20000", "1", MARK], check=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 1
        assert rest(process).endswith("ERROR: Failed to write output: No space left on device\n")


def test_two_tracers_at_once(load: Path, tmp_path: Path):
    """Each sees every event, once."""
    events = 100_000
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(tmp_path / name, "wb")) for name in ("a", "b")]
        tracers = [stack.enter_context(tracing(EVENT + "{" + LINES + "}", file)) for file in files]
        for tracer in tracers:
            attached(tracer)
        subprocess.run([load, "getppid", str(events), "2", MARK], check=True)
        for tracer in tracers:
            tracer.send_signal(signal.SIGINT)
        for tracer in tracers:
            assert tracer.wait(timeout=30) == 0
            assert rest(tracer) == ""
    for name in ("a", "b"):
        found = calls((tmp_path / name).read_bytes())
        assert found == {0: list(range(events)), 1: list(range(events))}


@pytest.mark.parametrize("native", ["0", "1"])
def test_what_acts_on_maps_keeps_its_place(pytrace: Run, load: Path, native: str):
    """On each processor the order is that of the script, although two rings carry it: each number is printed, then
    the map, then the number again."""
    body = """$n = args.args[0]; $t = args.args[1];
        if ($n % 50 == 0) {
            printf("a %d %ld\\n", $t, $n); time("t\\n");
            printf("b %d %ld\\n", $t, $n); clear(@x);
            printf("c %d %ld\\n", $t, $n);
        } else { printf("n %d %ld\\n", $t, $n); }"""
    done = pytrace(
        "-q", "-e", EVENT + "{ @x[args.args[0] % 8] = 1; " + body + "}", "-c", f"{load} getppid 50000 2 {MARK}",
        env={**os.environ, "PYTRACE_NATIVE": native},
    )  # fmt: skip
    assert done.stderr == ""
    expected = {"0": 0, "1": 0}
    state: dict[str, str] = {}
    times = 0
    for line in done.stdout.splitlines():
        if line == "t":
            times += 1
            # Some thread has said a, and not yet b.
            waiting = [thread for thread, last in state.items() if last == "a"]
            assert waiting
            state[waiting[0]] = "t" if len(waiting) == 1 else state[waiting[0]]
        elif line and line[0] in "abcn":
            kind, thread, number = line.split()
            assert int(number) == expected[thread]
            expected[thread] += kind in "cn"
            state[thread] = kind
    assert expected == {"0": 50000, "1": 50000}
    assert times == 2000


def test_one_processor_keeps_the_order_of_the_script_exactly(pytrace: Run, load: Path):
    body = '$n = args.args[0]; if ($n % 10 == 0) { printf("a%d\\n", $n); time("t\\n"); printf("b%d\\n", $n); }'
    done = pytrace("-q", "-e", EVENT + "{" + body + "}", "-c", f"{load} getppid 30000 1 {MARK}")
    lines = done.stdout.split()
    assert lines == [word for n in range(0, 30000, 10) for word in (f"a{n}", "t", f"b{n}")]


def test_a_flood_does_not_carry_away_the_end(pytrace: Run, load: Path):
    """`exit()` and the printing of a map come through where most records are lost."""
    body = f'printf("{200 * "x"} %d\\n", pid); @n = count(); if (args.args[0] == 90000) {{ print(@n); exit(3); }}'
    program = f"config = {{ perf_rb_pages = 1 }} {EVENT} {{ {body} }}"
    done = pytrace("-e", program, "-c", f"{load} getppid 100000 1 {MARK}", status=3)
    assert lost(done.stderr) > 0
    assert "@n: " in done.stdout


def test_the_ring_for_urgent_records_may_be_full_too(pytrace: Run):
    """Then they go through the other one: ten thousand at once are all handled."""
    program = "begin { for ($i : 0..10000) { @x = $i; clear(@y); } print(@x); @y[1] = 1; exit(); }"
    done = pytrace("-q", "-e", program)
    assert (done.stdout, done.stderr) == ("@x: 9999\n\n\n@x: 9999\n", "")


def test_refused_updates_cut_strings_and_what_to_do(pytrace: Run):
    program = """config = { max_map_keys = 3; max_strlen = 8 }
    tracepoint:syscalls:sys_enter_openat /strncmp(str(args.filename), "/dev/fu", 7) == 0/ {
        for ($i : 0..10) { @c[$i] = count(); @v[$i] = $i; } @s = str(args.filename); }"""
    done = pytrace("-e", program, "-c", "/bin/head -c1 /dev/full")
    assert "WARNING: @c: 7 updates were lost. The map was full: raise max_map_keys" in done.stderr
    assert "`let @v = hash(12);`" in done.stderr
    assert "WARNING: @v: 7 updates were lost." in done.stderr
    assert re.search(r"WARNING: stdin:3:\d+: 1 string was cut at 8 bytes, which is max_strlen.", done.stderr)
    quiet = pytrace("--no-warnings", "-q", "-e", program, "-c", "/bin/head -c1 /dev/full")
    assert quiet.stderr == ""


def test_a_string_that_just_fits_is_not_cut(pytrace: Run, tmp_path: Path):
    for length, cut in ((1023, False), (1024, True)):
        name = str(tmp_path) + "/"
        name += "".join("y" * 200 + "/" for _ in range(4))
        name += "z" * (length - len(name))
        program = "tracepoint:syscalls:sys_enter_openat /pid == cpid/ { @[str(args.filename)] = 1; }"
        done = pytrace("-q", "-e", program, "-c", f"/bin/cat {name}")
        assert (" cut at 1024 bytes" in done.stderr) == cut, done.stderr


def test_stacks_deeper_than_the_kernel_gives(pytrace: Run, build: Callable[..., Path]):
    path = build("deep", "-O0", "-fno-omit-frame-pointer")
    program = f"uprobe:{path}:bottom {{ @[ustack] = count(); }}"
    done = pytrace("-q", "-e", program, "-c", f"{path} 300")
    assert re.search(r"stdin:1:\d+: 1 ustack was perhaps cut, having as many frames as the kernel gives", done.stderr)
    assert "cut" not in pytrace("-q", "-e", program, "-c", f"{path} 20").stderr


def test_the_summary_in_json(pytrace: Run):
    program = "config = { max_map_keys = 1 } begin { @a[1] = 1; @a[2] = 1; @a[3] = 1; exit(); }"
    done = pytrace("-v", "-f", "json", "-e", program)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    (summary,) = [line["data"] for line in found if line["type"] == "losses"]
    assert summary == {
        "events": 0, "records": {}, "map_full": {"@a": 2}, "map_memory": {}, "strings_cut": {}, "stacks_cut": {},
        "packets": {}, "runs_skipped": {}, "symbols_given_up": 0, "counted_percent": {},
    }  # fmt: skip
    assert '"losses"' not in pytrace("-f", "json", "-e", program).stdout


def test_a_later_run_needs_no_compiler(load: Path, tmp_path: Path):
    """What was compiled for the records of a script is kept with it; nothing is written that others could change."""
    rounds, events = 4, 30_000
    broken = tmp_path / "broken" / "llvmlite"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('it is not here')")
    without = {"PYTHONPATH": f"{broken.parent}:{ROOT}"}

    def run(*options: str, **environment: str) -> str:
        output = tmp_path / "out"
        script = EVENT + "{" + LINES + "}"
        environment["XDG_CACHE_HOME"] = str(tmp_path)
        with open(output, "wb") as file, tracing(script, file, *options, **environment) as p:
            attached(p)
            for n in range(1, rounds + 1):  # with time between them for the threads
                subprocess.run([load, "getppid", str(events), "1", MARK], check=True)
                limit = time.monotonic() + 60
                while output.read_bytes().count(b"\n") < n * events and p.poll() is None:
                    assert time.monotonic() < limit
                    time.sleep(0.05)
            p.send_signal(signal.SIGINT)
            assert p.wait(timeout=30) == 0
            assert calls(output.read_bytes()) == {0: list(range(events)) * rounds}
            return rest(p)

    run()
    entries = sorted((tmp_path / "pytrace").iterdir(), key=lambda entry: entry.stat().st_size)
    assert len(entries) == 3  # the image, the machine code, and the modules of the compiler
    assert all(entry.stat().st_mode & 0o077 == 0 for entry in entries)
    assert "formatted in Python" not in run("-v", **without)
    (machine_code,) = [
        entry for entry in entries if not re.search(b"raw_syscalls|pytrace.runtime", entry.read_bytes())
    ]
    machine_code.unlink()
    assert "Records are formatted in Python: it is not here" in run("-v", **without)
    machine_code.write_bytes(b"anything")
    assert "Records are formatted in Python: it is not here" in run("-v", **without)


def test_losses_of_many_programs(pytrace: Run, load: Path):
    """Each is told apart, and the total is that of all of them."""
    probes = " ".join(f'{EVENT} {{ printf("%d {n} {"x" * 100}\\n", args.args[1]); }}' for n in range(12))
    done = pytrace("-e", f"config = {{ perf_rb_pages = 2 }} {probes}", "-c", f"{load} getppid 20000 1 {MARK}")
    parts = re.findall(r"tracepoint:raw_syscalls:sys_enter: (\d+) records were lost", done.stderr)
    printed = len([line for line in done.stdout.splitlines() if line.endswith("x")])
    assert sum(map(int, parts)) == lost(done.stderr) > 0
    assert printed + lost(done.stderr) == 12 * 20000
