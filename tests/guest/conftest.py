"""Tests of what needs kprobes and trampolines, run inside a guest that has them (docs/kernels.md).

A guest is often emulated, where starting Python and compiling take twenty times as long. So the command runs in a fork
of the test process, which has imported the compiler and read the kernel's types once.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

PATIENCE = 150.0
"""Seconds that one command may take."""
SIZE = 1000
"""How many reads of 512 bytes the load makes."""
SKIPPED = re.compile(r"(\d+) runs? (?:was|were) skipped, each because the same processor was inside a BPF")
READS = '/comm == "load" && arg2 == 512/'
"""The reads of the load, without the one that the C library makes."""


def why_not() -> str:
    """What the kernel lacks for the tests of this folder, or an empty string."""
    from pytrace.kernel.host import missing
    from pytrace.kernel.perf import pmu_type

    return missing() or ("" if pmu_type("kprobe") is not None else "this kernel has no kprobes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    guest = [item for item in items if item.get_closest_marker("guest")]
    if not guest:
        return
    reason = why_not()
    if reason and os.environ.get("PYTRACE_REQUIRE_GUEST"):
        raise pytest.UsageError(f"guest tests are required and cannot run: {reason}")
    for item in guest:
        item.add_marker(pytest.mark.timeout(2 * PATIENCE))
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


def _command(arguments: tuple[str, ...], output: int, errors: int) -> NoReturn:
    """The child's side: become the command."""
    status = 99
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(errors, 2)
        # pytest has put objects of its own in their place.
        sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(int(PATIENCE))
        from pytrace import cli

        status = cli.main(arguments)
        sys.stdout.flush()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


class Running:
    """A command that has been started: `output` and `errors` are what it has printed so far."""

    def __init__(self, folder: Path, arguments: tuple[str, ...]) -> None:
        self.files = [folder / "output", folder / "errors"]
        fds = [os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND) for file in self.files]
        self.status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _command(arguments, *fds)
        for fd in fds:
            os.close(fd)

    @property
    def output(self) -> str:
        return self.files[0].read_text(encoding="utf-8", errors="surrogateescape")

    @property
    def errors(self) -> str:
        return self.files[1].read_text(encoding="utf-8", errors="surrogateescape")

    @property
    def lines(self) -> list[str]:
        """The lines printed, without the empty ones."""
        return [line for line in self.output.splitlines() if line.strip()]

    @property
    def skipped(self) -> int:
        """How often the kernel is said not to have run a program."""
        return sum(map(int, SKIPPED.findall(self.errors)))

    def counted(self, *lines: str, each: int = 1) -> None:
        """Its maps say this, in lines `@NAME: NUMBER`, exactly.

        But where the kernel can preempt a program, it does not run it again on that processor until it is finished,
        which may be after the others' share of time. So a number may be too small by as many runs, of `each`, as are
        said to have been skipped.
        """
        expected, found = (
            {name: int(number) for name, number in (line.rsplit(": ", 1) for line in some)}
            for some in (lines, self.lines)
        )
        assert found.keys() == expected.keys(), self.output + self.errors
        for name, number in expected.items():
            assert number - each * self.skipped <= found[name] <= number, f"{name}: {found[name]} of {number}"

    def until(self, text: str) -> None:
        """Wait until it has said `text`."""
        end = time.monotonic() + PATIENCE
        while text not in self.errors:
            assert os.waitpid(self.pid, os.WNOHANG)[0] == 0, self.errors
            assert time.monotonic() < end, f"never said {text!r}: {self.output}{self.errors}"
            time.sleep(0.05)

    def wait(self, status: int | None = 0) -> Running:
        """Wait for the end, which must not be a traceback, and must have this status unless that is None."""
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert "Traceback (most recent call last)" not in self.errors, self.errors
        if status is not None:
            assert self.status == status, f"status {self.status}: {self.errors}{self.output}"
        return self

    def interrupt(self) -> Running:
        """End it as a user does."""
        os.kill(self.pid, signal.SIGINT)
        return self.wait()


@pytest.fixture(scope="session")
def prepared() -> None:
    """Everything that a compilation imports and reads, once for all commands."""
    from pytrace import cli

    probe = "tracepoint:sched:sched_switch" if why_not() else "kprobe:vfs_read"
    nowhere = os.open(os.devnull, os.O_WRONLY)
    saved = os.dup(1)
    os.dup2(nowhere, 1)
    try:
        status = cli.main(["--no-cache", "--mode", "codegen", "-e", f"{probe} {{ @[comm] = count(); }}"])
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nowhere)
    assert status == 0


@pytest.fixture
def start(prepared: None, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts `pytrace ARGS…`; what still runs when the test ends is killed."""
    started: list[Running] = []

    def run(*arguments: str) -> Running:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Running(folder, arguments))
        return started[-1]

    yield run
    for running in started:
        if running.status is None:
            try:
                os.kill(running.pid, signal.SIGKILL)
                os.waitpid(running.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


@pytest.fixture
def traced(start: Callable[..., Running], load: Path) -> Callable[..., Running]:
    """Runs a script while the load reads `SIZE` times in each of `threads` threads (or does another of its modes)."""

    def run(script: str, *flags: str, mode: str = "read", threads: int = 1, status: int | None = 0) -> Running:
        command = f"{load} {mode} {SIZE} {threads}"
        return start("-q", *flags, "-e", script, "-c", command).wait(status)

    return run
