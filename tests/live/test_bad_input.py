"""Bad input gets a diagnostic with its place and status 1, and leaves no program, map or link in the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytrace.kernel import bpf
from tests.conftest import ROOT, Done

pytestmark = pytest.mark.live


def kernel_objects() -> dict[str, set[int]]:
    """Ids of all BPF programs, maps and links that exist."""
    return {kind: set(bpf.ids(kind)) for kind in ("prog", "map", "link")}


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    before = kernel_objects()
    yield
    deadline = time.monotonic() + 15  # the kernel frees what a closed event held some time after it was closed
    while left := {kind: ids - before[kind] for kind, ids in kernel_objects().items() if ids - before[kind]}:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("nosuch:a:b { }", "stdin:1:1-11: ERROR: Invalid probe type: nosuch\nnosuch:a:b { }\n~~~~~~~~~~\n"),
        ("tracepoint:syscalls:nosuch { }", "ERROR: No matches for tracepoint syscalls:nosuch."),
        ("tracepoint:syscalls:sys_enter_openat { print(args.filenam); }", "does not contain a field named 'filenam'"),
        (
            "begin { nowhere(); }",
            "stdin:1:9-18: ERROR: Unknown function: 'nowhere'\nbegin { nowhere(); }\n        ~~~~~~~~~\n",
        ),
        ("begin { print(nowhere); }", "ERROR: Unknown identifier: 'nowhere'"),
        ('begin { @x = 1; @x = "s"; }', "stdin:1:17-25: ERROR: Type mismatch for @x"),
        ("begin { $a = 1", "stdin:1:15-15: ERROR: "),
        ("interval:s:0 { }", "ERROR: "),
        ("software:nosuch { }", "nosuch is not a software probe"),
        ("rawtracepoint:nosuch { }", "stdin:1:1-21: ERROR: Probe has no valid attach points."),
        ('begin { printf("%d\\n", "x"); }', "unsupported format specifier for type 'string[2]': d"),
    ],
)
def test_a_bad_script(pytrace: Callable[..., Done], script: str, message: str):
    done = pytrace("-e", script, status=1)
    assert message in done.stderr
    assert done.stdout == ""


def test_a_binary_file_is_no_script(pytrace: Callable[..., Done]):
    done = pytrace(sys.executable, status=1)
    assert "ERROR: " in done.stderr


def test_random_bytes_are_no_script(pytrace: Callable[..., Done], tmp_path: Path):
    path = tmp_path / "junk.bt"
    for _ in range(5):
        path.write_bytes(b"\xff" + os.urandom(400))  # a `#` would make it C, or a comment
        done = pytrace(str(path), status=1)
        assert "ERROR: " in done.stderr


def test_a_script_that_is_not_there(pytrace: Callable[..., Done]):
    done = pytrace("/no/such/file.bt", status=1)
    assert done.stderr == "ERROR: failed to open file '/no/such/file.bt': No such file or directory\n"


def test_a_folder_is_no_script(pytrace: Callable[..., Done], tmp_path: Path):
    done = pytrace(str(tmp_path), status=1)
    assert done.stderr == f"ERROR: failed to open file '{tmp_path}': Is a directory\n"


def test_without_privileges(tmp_path: Path):
    done = subprocess.run(
        [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            sys.executable,
            "-m",
            "pytrace",
            "-e",
            "begin { }",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
    )
    if "Permission denied" in done.stderr and "pytrace" not in done.stderr:
        pytest.fail(f"the interpreter itself is out of reach for other users: {done.stderr}")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "root" in done.stderr


def test_a_killed_tracer_leaves_nothing(load: Path):
    script = "tracepoint:syscalls:sys_enter_getppid { @[tid] = count(); } profile:hz:10 { @k[kstack] = count(); }"
    tracer = subprocess.Popen(
        [sys.executable, "-m", "pytrace", "-e", script], stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert tracer.stderr is not None
    assert tracer.stderr.readline() == "Attached 2 probes\n"
    tracer.kill()
    tracer.wait()


def test_a_full_disk_is_one_line(pytrace: Callable[..., Done]):
    done = pytrace("-q", "-o", "/dev/full", "-e", 'begin { printf("text\\n"); }', status=1)
    assert len(done.stderr.splitlines()) == 1
    assert "No space left on device" in done.stderr


def test_an_output_file_that_cannot_be_made(pytrace: Callable[..., Done]):
    done = pytrace("-o", "/no/such/folder/file", "-e", "begin { }", status=1)
    assert done.stderr == 'ERROR: Failed to open output file: "/no/such/folder/file": No such file or directory\n'


def test_a_closed_pipe_ends_the_run_quietly():
    script = 'interval:ms:1 { printf("a line\\n"); }'
    tracer = subprocess.Popen(
        [sys.executable, "-m", "pytrace", "-q", "-e", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert tracer.stdout is not None and tracer.stderr is not None
    assert tracer.stdout.readline() == "a line\n"
    tracer.stdout.close()
    tracer.wait(timeout=10)
    assert tracer.stderr.read() == ""


def test_an_incomplete_installation(tmp_path: Path):
    """A package that is not there is named."""
    site = tmp_path / "llvmlite"
    site.mkdir()
    (site / "__init__.py").write_text("raise ModuleNotFoundError('none', name='llvmlite.binding')")
    done = subprocess.run(
        [sys.executable, "-m", "pytrace", "--no-cache", "-e", "begin { }"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "ERROR: the Python package llvmlite is missing; pytrace was not installed completely\n"
