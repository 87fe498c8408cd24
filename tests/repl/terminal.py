"""A terminal in memory: a session runs in it, and tests look at its screen."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pexpect
import pyte

from tests.conftest import ROOT

__all__ = ["Terminal"]

_PATIENCE = 40.0
_QUESTION = b"\x1b[6n"
"""Asks a terminal where its cursor is."""


class Terminal:
    """`state` is the folder for what sessions leave to the next one."""

    def __init__(self, state: Path, *options: str, rows: int = 30, columns: int = 100, **environment: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "PAGER", "EDITOR")}
        self.child = pexpect.spawn(
            sys.executable, ["-m", "pytrace", *options], cwd=str(ROOT), dimensions=(rows, columns), timeout=_PATIENCE,
            env={**inherited, "TERM": "xterm", "XDG_STATE_HOME": str(state), "PYTHONPATH": str(ROOT), **environment},
        )
        self.screen = pyte.HistoryScreen(columns, rows, history=5000)
        self._stream = pyte.ByteStream(self.screen)

    def feed(self, seconds: float = 0.02) -> bool:
        """Takes in what has been written; False when the session has ended."""
        try:
            data = self.child.read_nonblocking(1 << 16, seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self._stream.feed(data)
        if _QUESTION in data:
            cursor = self.screen.cursor
            self.child.send(f"\x1b[{cursor.y + 1};{cursor.x + 1}R")
        return True

    @property
    def lines(self) -> list[str]:
        """What is on the screen now."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """The screen, and what was scrolled out of it."""
        above = ["".join(row[n].data for n in range(self.screen.columns)) for row in self.screen.history.top]
        return "\n".join([*(line.rstrip() for line in above), *self.lines])

    def until(self, text: str, *, gone: bool = False) -> None:
        """Waits for a text to appear anywhere (`gone`: to leave the screen)."""
        end = time.monotonic() + _PATIENCE
        while (text in "\n".join(self.lines)) if gone else (text not in self.text):
            alive = self.feed()
            assert alive or text in self.text, f"the session ended before {text!r} in:\n{self.text}"
            assert time.monotonic() < end, f"{text!r} {'stays' if gone else 'is missing'} in:\n{self.text}"

    def settle(self, seconds: float = 0.5) -> None:
        """Lets time pass."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.feed():
            pass

    def type(self, keys: str) -> None:
        self.child.send(keys)

    def enter(self, text: str, answer: str) -> None:
        """Types an entry, runs it, and waits for its answer."""
        self.type(f"{text}\r")
        self.until(answer)

    def end(self) -> int:
        """Waits for the end of the session; gives its exit status."""
        end = time.monotonic() + _PATIENCE
        while self.feed():
            assert time.monotonic() < end, f"the session does not end:\n{self.text}"
        self.child.close()
        return int(self.child.exitstatus if self.child.exitstatus is not None else -self.child.signalstatus)

    def kill(self) -> None:
        self.child.kill(signal.SIGKILL)
        self.child.close(force=True)
