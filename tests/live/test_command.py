"""The command as a user meets it: where programs come from, where output goes, how a run ends."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace import __version__
from tests.conftest import ROOT, Done

pytestmark = pytest.mark.live

Run = Callable[..., Done]


def test_version_and_help(pytrace: Run):
    assert pytrace("--version").stdout == f"pytrace v{__version__}\n"
    assert pytrace("-h").stdout.startswith("USAGE:")


def test_no_arguments_show_the_help(pytrace: Run):
    done = pytrace(status=1)
    assert done.stdout == ""
    assert done.stderr.startswith("USAGE:")


def test_an_empty_program_counts_as_none(pytrace: Run):
    assert pytrace("-e", "", status=1).stderr == "ERROR: USAGE: filename or -e 'program' required.\n"


def test_shape_of_a_run(pytrace: Run):
    done = pytrace("-e", 'begin { printf("hi\\n"); @x = 1; @y[2] = 3; }')
    assert done.stderr == "Attached 1 probe\n"
    assert done.stdout == "hi\n\n\n@x: 1\n@y[2]: 3\n"


def test_a_script_file_with_a_shebang_runs_by_itself(tmp_path: Path):
    link = tmp_path / "pytrace"
    link.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m pytrace "$@"\n')
    link.chmod(0o755)
    script = tmp_path / "script.bt"
    script.write_text("#!/usr/bin/env pytrace\nbegin { print($1); }\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([str(script), "42"], capture_output=True, text=True, env=environment)
    assert done.stdout == "42\n\n\n", done.stderr


def test_a_script_from_standard_input(pytrace: Run, tmp_path: Path):
    script = tmp_path / "script"
    script.write_text("begin { nosuch(); }")
    with script.open() as stdin:
        assert pytrace("-", status=1, stdin=stdin).stderr.startswith("stdin:1:9-17: ERROR: Unknown function")


def test_results_in_a_file(pytrace: Run, tmp_path: Path):
    target = tmp_path / "results"
    done = pytrace("-q", "-o", str(target), "-e", "begin { print(7); }")
    assert (done.stdout, done.stderr) == ("", "")
    assert target.read_text() == "7\n\n\n"


def test_json(pytrace: Run):
    done = pytrace("-f", "json", "-e", 'begin { printf("a\\n"); print((1, "x")); @m["k"] = 2; @h = hist(3); }')
    assert done.stderr == ""
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"type": "attached_probes", "count": 1, "data": {"probes": 1}},
        {"type": "printf", "data": "a\n"},
        {"type": "value", "data": [1, "x"]},
        {"type": "hist", "data": {"@h": [{"min": 2, "max": 3, "count": 1}]}},
        {"type": "map", "data": {"@m": {"k": 2}}},
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_its_results(number: signal.Signals):
    script = 'interval:ms:10 { @ticks = count(); } end { printf("end\\n"); }'
    command = [sys.executable, "-m", "pytrace", "-e", script]
    tracer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert tracer.stderr is not None
    assert tracer.stderr.readline() == "Attached 2 probes\n"
    time.sleep(0.3)
    tracer.send_signal(number)
    output, errors = tracer.communicate(timeout=20)
    assert (tracer.returncode, errors) == (0, "")
    assert re.fullmatch(r"end\n\n\n@ticks: \d+\n", output)


def test_the_exit_status_is_that_of_exit(pytrace: Run):
    assert pytrace("-e", "begin { exit(3); }", status=3).stdout == "\n\n"


def test_a_child_ends_the_run(pytrace: Run, load: Path):
    script = "tracepoint:syscalls:sys_enter_getppid /pid == cpid/ { @ = count(); }"
    assert pytrace("-q", "-e", script, "-c", f"{load} getppid 7").stdout == "\n\n@: 7\n"


def test_a_process_is_traced_by_its_number(pytrace: Run, load: Path):
    busy = subprocess.Popen([str(load), "getppid", "1000000000"])
    try:
        script = "tracepoint:syscalls:sys_enter_getppid { @[pid] = count(); } interval:ms:200 { exit(); }"
        lines = pytrace("-q", "-p", str(busy.pid), "-e", script).stdout.strip().splitlines()
        assert [line.split(":")[0] for line in lines] == [f"@[{busy.pid}]"]
    finally:
        busy.kill()
        busy.wait()


def test_dry_run_leaves_no_results(pytrace: Run):
    assert pytrace("--dry-run", "-e", "begin { print(1); } interval:s:1 { }").stdout == ""


def test_listing(pytrace: Run):
    names = pytrace("-l", "tracepoint:syscalls:sys_enter_open*").stdout.splitlines()
    assert "tracepoint:syscalls:sys_enter_openat" in names
    fields = pytrace("-lv", "tracepoint:syscalls:sys_enter_openat").stdout.splitlines()
    assert "    const char * filename" in fields
    assert pytrace("-l", "-e", "interval:s:1 { } software:faults:10 { }").stdout == "interval:s:\nsoftware:faults:\n"


def test_stages(pytrace: Run, tmp_path: Path):
    shown = pytrace("--mode", "codegen", "-d", "ast,types,codegen,dis", "-e", "begin { @x = count(); }")
    assert "AST after config.read:" in shown.stderr and "MapIndex" not in shown.stderr
    assert "Update(" in shown.stderr
    assert 'target triple = "bpf"' in shown.stdout
    assert "exit" in shown.stdout
    elf, llvm = tmp_path / "object", tmp_path / "code"
    pytrace("--mode", "codegen", "--emit-elf", str(elf), "--emit-llvm", str(llvm), "-e", "begin { }")
    assert elf.read_bytes().startswith(b"\x7fELF")
    assert "define" in Path(f"{llvm}.optimized.ll").read_text()


def test_info(pytrace: Run):
    report = pytrace("--info").stdout
    assert re.search(r"^  OS: Linux ", report, re.MULTILINE)
    assert re.search(r"btf: (yes|no)", report)


def test_formatting(pytrace: Run):
    once = pytrace("--fmt", "-e", "begin{print(1)} end{}").stdout
    assert once == "begin\n{\n  print(1);\n}\nend\n{}\n"


def test_no_probes(pytrace: Run):
    assert pytrace("-e", "macro m() { 1 }", status=1).stdout == "No probes to attach\n"


def test_a_second_run_says_the_same(pytrace: Run, tmp_path: Path):
    """A script that comes from the cache prints the same warnings and results as when it was compiled."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    script = "begin { @m[1] = 1; delete(@m, 1); print(2); }"
    first = pytrace("-e", script, env=environment)
    (image,) = (entry for entry in (tmp_path / "pytrace").iterdir() if b"pytrace.runtime" not in entry.read_bytes())
    made = image.stat()
    second = pytrace("-e", script, env=environment)
    assert "Return value discarded." in first.stdout
    assert (first.stdout, first.stderr) == (second.stdout, second.stderr)
    assert (image.stat().st_ino, image.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


def test_two_at_once(load: Path):
    script = 'tracepoint:syscalls:sys_enter_getppid /comm == "load"/ { @ = count(); }'
    command = [sys.executable, "-m", "pytrace", "-q", "-e", script, "-c", f"{load} getppid 50000"]
    tracers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    counts = [int(tracer.communicate(timeout=50)[0].split()[-1]) for tracer in tracers]
    assert all(50_000 <= count <= 100_000 for count in counts)
