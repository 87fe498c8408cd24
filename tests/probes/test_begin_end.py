"""`begin`, `end` and `self`: run by the tracer itself, as often as they are due and in the order of the script."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.probes.support import errors_of, names_of


def test_names() -> None:
    assert names_of("BEGIN", "begin:*", "end") == ["begin", "begin", "end"]
    assert names_of("self:signal:SIGUSR1") == ["self:signal:SIGUSR1"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("begin:x", "begin probe type requires 0 arguments, found 1"),
        ("end:a:b", "end probe type requires 0 arguments, found 2"),
        ("self:signal", "self probe type requires 2 arguments, found 1"),
        ("self:timer:SIGUSR1", "timer is not a supported trigger"),
        ("self:signal:SIGUSR2", "SIGUSR2 is not a supported signal"),
    ],
)
def test_what_is_refused(header: str, message: str) -> None:
    assert errors_of(header) == [message]


@pytest.mark.live
def test_each_runs_once_in_the_tracer(pytrace: Callable[..., Any]) -> None:
    script = 'end { print("c"); } begin { print("a"); @pid = pid; } end { print("d"); } begin { print("b"); }'
    *letters, name, pid = pytrace("-q", "-e", script).stdout.split()
    assert letters == ["a", "b", "c", "d"]
    assert name == "@pid:" and int(pid) > 1


@pytest.mark.live
def test_a_signal_runs_self() -> None:
    """Each is waited for, since several at once may be one."""
    script = 'self:signal:SIGUSR1 { printf("%d\\n", ++@); } begin { printf("0\\n"); }'
    command = [sys.executable, "-m", "pytrace", "-e", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stderr.readline().startswith("Attached")
        assert process.stdout.readline() == "0\n"
        for number in (1, 2, 3):
            os.kill(process.pid, signal.SIGUSR1)
            assert process.stdout.readline() == f"{number}\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read().strip() == "@: 3"
