"""The session without a terminal: entries from a pipe or a file, line by line, and plain text on standard output."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

from pytrace.output.streams import Output
from pytrace.repl.compiling import Compiler
from pytrace.repl.engine import Engine
from pytrace.repl.keys import is_unfinished
from pytrace.repl.shell import Leave, Shell
from pytrace.repl.views import View

__all__ = ["Plain"]


class _Lines:
    """Lines from a descriptor, as long as nobody interrupts."""

    def __init__(self, fd: int, wakeup: int) -> None:
        self.fd = fd
        self._rest = b""
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._poll.register(wakeup, select.POLLIN)

    def next(self) -> str | None:
        """The next line without its newline, one character per byte; None at the end, or when a signal came first."""
        while b"\n" not in self._rest:
            ready = dict(self._poll.poll())
            if self.fd not in ready:
                return None
            piece = os.read(self.fd, 1 << 16)
            if not piece:
                if not self._rest:
                    return None
                self._rest += b"\n"
                break
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line.rstrip(b"\r").decode("latin-1")


class Plain:
    """`first` is what was read of standard input to see whether there is anything."""

    def __init__(self, first: bytes = b"") -> None:
        self.output = Output()
        self._lock = threading.Lock()
        self._stopped = False
        self._interrupted = False
        self._wake, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._lines = _Lines(0, self._wake)
        self._lines._rest = first
        self.engine: Engine | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, self._arrived)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGUSR1:
            if self.engine is not None:
                self.engine.signal()
            return
        self._interrupted = True
        self._stopped = self._stopped or number != signal.SIGINT
        os.write(self._waker, b"\0")

    def interrupted(self) -> bool:
        """Whether what is being done is to be given up."""
        return self._interrupted

    def write(self, data: bytes) -> None:
        """Writes at once. A reader that has gone ends the session."""
        with self._lock:
            try:
                self.output.write(data)
                self.output.flush()
            except OSError:
                self._stopped = self._interrupted = True
                os.write(self._waker, b"\0")

    def run(self, compiler: Compiler, *, pid: int | None, warnings: bool) -> int:
        """Everything up to the end of the input; gives the exit status."""
        self.engine = Engine(compiler, self.write, pid=pid, warnings=warnings, limited=False)
        shell = Shell(self.engine, self, self.write, person=False)
        try:
            for entry in self._entries():
                shell.enter(entry)
                if self._stopped:
                    break
                self._interrupted = False
        except Leave:
            pass
        finally:
            self._interrupted = False
            self.engine.close()
        return 1 if shell.failed else 0

    def _entries(self) -> Iterator[str]:
        lines: list[str] = []
        while not self._stopped and (line := self._lines.next()) is not None:
            if not lines and line.lstrip().startswith(("#!", "//")):
                continue
            lines.append(line)
            text = "\n".join(lines)
            if line.strip() and is_unfinished(text.encode("latin-1").decode("utf-8", "surrogateescape")):
                continue
            lines.clear()
            if text.strip():
                yield text
        if lines and not self._interrupted:
            yield "\n".join(lines)

    # the front

    def page(self, number: int | None) -> None:
        assert self.engine is not None
        for piece in self.engine.log.lines(number):
            self.write(piece)

    def edit(self, number: int, text: str) -> None:
        self.write(f"the next block replaces [{number}]\n".encode())

    def view(self, view: View | None) -> None:
        if view is not None:
            self.wait(view.seconds)
            view.sample()
            self.write("".join(f"{line}\n" for line in view.lines).encode("utf-8", "replace"))

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        while not self._interrupted and (left := end - time.monotonic()) > 0:
            poll.poll(1000 * left)
        self._drain()

    def _drain(self) -> None:
        try:
            while os.read(self._wake, 512):
                pass
        except BlockingIOError:
            pass

    def keys(self, mode: str) -> None:
        self.write(b"keys are for a terminal\n")
