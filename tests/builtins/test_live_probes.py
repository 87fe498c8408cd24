"""Builtins that depend on what is traced."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from tests.builtins.conftest import lines

pytestmark = pytest.mark.live

TRUE = shutil.which("true") or "/bin/true"


def test_a_probed_function(pytrace, load):
    """Arguments, result, name, symbol, stack and variables of a program."""
    probe, ret = f"uprobe:{load}:load_call", f"uretprobe:{load}:load_call"
    program = (
        f"{probe} /arg0 == 2/ {{ print((arg0, arg1, func, probe)); print(usym(reg(\"ip\"))); "
        f'print((*uaddr("count"), usermode, len(ustack(1)))); print(ustack(raw, 1)); }} '
        f"{ret} /retval < 13/ {{ @[retval, func] = count(); }}"
    )
    # Long enough that the process is still there when its symbols are asked for.
    calls = 200_000
    found = lines(pytrace("-q", "-e", program, "-c", f"{load} call {calls}"))
    assert found[0] == f"(2, 10, load_call, {probe})"
    assert found[1] == "load_call"
    assert found[2] == f"({calls}, 1, 1)"
    assert re.fullmatch("[0-9a-f]+", found[4])
    assert [line for line in found[5:] if line] == [f"@[{n}, load_call]: 1" for n in (10, 11, 12)]


def test_strings_of_a_process(pytrace):
    """`str` with and without a limit, and `join`."""
    program = (
        "tracepoint:syscalls:sys_enter_execve /pid == cpid/ { "
        "print((str(args.filename), str(args.filename, 5))); join(args.argv, \"+\"); join(args.argv); exit(); }"
    )
    found = lines(pytrace("-q", "-e", program, "-c", f"{TRUE} a b"))
    assert found[:3] == [f"({TRUE}, {TRUE[:4]})", f"{TRUE}+a+b", f"{TRUE} a b"]


@pytest.mark.parametrize(("limit", "shown"), [(8, "/usr/bin.."), (13, "/usr/bin/true"), (1024, "/usr/bin/true")])
def test_strings_that_are_too_long(pytrace, limit, shown):
    """A value that fills its type is marked (LIBRARY 6)."""
    path = "/usr/bin/true"
    if not os.path.exists(path):
        pytest.skip(f"needs {path}")
    marked = shown if limit != len(path) else f"{shown}.."
    program = (
        f"config = {{ max_strlen = {limit} }} "
        "tracepoint:syscalls:sys_enter_execve /pid == cpid/ { print(str(args.filename)); exit(); }"
    )
    assert lines(pytrace("-q", "-e", program, "-c", path))[0] == marked


def test_signals(pytrace, tmp_path):
    """A signal ends the child; a number that is none is reported."""
    program = (
        "tracepoint:syscalls:sys_enter_getppid /pid == cpid/ { $n = 70; signal($n); @ = count(); signal(\"KILL\"); }"
    )
    sleeper = tmp_path / "loop.c"
    sleeper.write_text("#include <unistd.h>\nint main(void) { for (;;) { getppid(); usleep(1000); } }\n")
    subprocess.run(["gcc", "-o", str(tmp_path / "loop"), str(sleeper)], check=True)
    done = pytrace("-q", "--unsafe", "-e", program, "-c", str(tmp_path / "loop"))
    assert "@: 1" in lines(done)
    assert "70" in done.stderr


def test_stacks(begin):
    """How many frames; a limit; one line for each frame; equal stacks are equal keys."""
    assert begin("len(kstack(2))", "len(kstack) > 2", "len(kstack(0))") == ["2", "true", "0"]
    frames = begin("kstack(raw, 2)")
    assert len(frames) == 3 and frames[0] == ""
    assert all(re.fullmatch("[0-9a-f]{16}", frame) for frame in frames[1:])
    named = begin("kstack(bpftrace, 1)", "kstack(perf, 1)")
    assert re.fullmatch(r" {8}\S+\+\d+", named[1])
    assert re.fullmatch(r"\t[0-9a-f]{16} \S+\+\d+", named[4])


def test_registers_of_a_timer(pytrace):
    program = 'profile:hz:50 { print((reg("sp") > 0, usermode < 2, probetype, probe)); exit(); }'
    assert lines(pytrace("-q", "-e", program))[0] == "(true, true, profile, profile:hz:50)"


def test_tracing_programs(pytrace):
    """Names of processes by their ids, typed arguments as a whole, and arguments by number."""
    program = (
        "rawtracepoint:sys_enter /pid == cpid/ { print((comm((int32)pid) == comm, (int64)arg1 == args.id)); "
        "print(comm(99999999)); print(args.id >= 0); print(args); exit(); }"
    )
    done = pytrace("-q", "-e", program, "-c", TRUE)
    found = lines(done)
    assert found[:3] == ["(true, true)", "N/A", "true"]
    assert re.fullmatch(r"\{ \.regs = 0x[0-9a-f]+, \.id = \d+ \}", found[3])
    assert "99999999" in done.stderr


def test_iterators_print_by_themselves(pytrace):
    """printf in an iterator is the kernel's."""
    found = lines(pytrace("-q", "-e", 'iter:task { printf("%s|%d|%4x|%c\\n", "t", ctx.task.pid, 255, 65); }'))
    assert any(re.fullmatch(rf"t\|{os.getpid()}\|  ff\|A", line) for line in found)
