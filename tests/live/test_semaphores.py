"""The counters that turn static probes on are counted up while one is attached, and down again whatever ends that."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT, Done

pytestmark = pytest.mark.live
Run = Callable[..., Done]


class Guarded:
    """A process with a guarded probe."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.pid = self._process.pid

    def count(self) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(b".")
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def path(build: Callable[..., Path]) -> Path:
    return build("semaphore")


@pytest.fixture
def two(path: Path) -> Iterator[tuple[Guarded, Guarded]]:
    pair = Guarded(path), Guarded(path)
    yield pair
    for each in pair:
        each.close()


@contextmanager
def tracing(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A run of pytrace that has attached its probes."""
    tracer = subprocess.Popen(
        [sys.executable, "-m", "pytrace", *words], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert tracer.stderr is not None
        assert "Attached" in tracer.stderr.readline()
        yield tracer
    finally:
        tracer.kill()
        tracer.communicate()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_counted_down_when_the_tracer_ends(path: Path, two: tuple[Guarded, Guarded], how: signal.Signals):
    first, second = two
    assert (first.count(), second.count()) == (0, 0)
    with tracing("-e", f"usdt:{path}:app:guarded {{ @ = count(); }}") as tracer:
        assert (first.count(), second.count()) == (1, 1)
        with tracing("-e", f"usdt:{path}:app:guarded {{ @ = count(); }}"):
            assert first.count() == 1  # the kernel counts the places that are probed, not the tracers
        assert first.count() == 1
        tracer.send_signal(how)
        output, _ = tracer.communicate()
        if how != signal.SIGKILL:
            assert "@: 4\n" in output
    # What a killed process held the kernel lets go of soon after.
    deadline = time.monotonic() + 20
    while (first.count(), second.count()) != (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (first.count(), second.count()) == (0, 0)


def test_only_in_the_process_that_is_traced(path: Path, two: tuple[Guarded, Guarded]):
    first, second = two
    with tracing("-p", str(first.pid), "-e", f"usdt:{path}:app:guarded {{ @ = count(); }}") as tracer:
        assert (first.count(), second.count(), first.count()) == (1, 0, 1)
        tracer.send_signal(signal.SIGINT)
        assert "@: 2\n" in tracer.communicate()[0]
    assert first.count() == 0


def test_counted_down_when_another_probe_fails(pytrace: Run, path: Path, two: tuple[Guarded, Guarded]):
    first, _ = two
    program = f"uprobe:{path}:main+100000 {{ }} usdt:{path}:app:guarded {{ @ = count(); }}"
    done = pytrace("-v", "-e", program, status=255)
    assert "Trying to attach probe: usdt:" in done.stderr and "Unable to attach probe: uprobe:" in done.stderr
    assert first.count() == 0
