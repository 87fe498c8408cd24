"""Where results and messages go.

Results are gathered and written in large pieces. What the buffering mode promises (CLI 5) is kept at the end of each
batch of records, before anything is said on stderr, and before the program waits: a terminal or a pipe cannot tell
this from writing each line by itself.
"""

from __future__ import annotations

import os

__all__ = ["Messages", "Output", "OutputError"]

_ENOUGH = 1 << 16


def _write_all(fd: int, data: bytes | memoryview) -> None:
    """Writes everything, also where the descriptor is one that does not wait."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            import select

            ready = select.poll()
            ready.register(fd, select.POLLOUT)
            ready.poll()


class OutputError(OSError):
    """Results could not be written. Raised once: what is written afterwards is dropped."""


class Output:
    """The stream of results: standard output or the file of `-o`.

    `buffering` is "line", "full" or "none". A reader that has gone raises `BrokenPipeError`, any other failure
    `OutputError`; both only once.
    """

    def __init__(self, fd: int = 1, buffering: str = "line") -> None:
        self.fd = fd
        self.failed = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._line = buffering == "line"
        self._full = buffering == "full"

    @classmethod
    def to_file(cls, path: str, buffering: str = "line") -> Output:
        """Creates or empties a file. Raises `OSError`."""
        return cls(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666), buffering)

    def write(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= _ENOUGH:
            self.flush()

    def put(self, text: memoryview) -> None:
        """`write` for bytes whose memory is used again."""
        if self.fd < 0 or len(text) < _ENOUGH:
            self.write(bytes(text))
        else:
            self.flush()
            self._send(text)

    def settle(self) -> None:
        """The end of a batch: writes what the buffering mode does not hold back."""
        if self._pieces and not self._full and (not self._line or any(b"\n" in piece for piece in self._pieces)):
            self.flush()

    def flush(self) -> None:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._send(data)

    def _send(self, data: bytes | memoryview) -> None:
        if self.failed:
            return
        try:
            _write_all(self.fd, data)
        except BrokenPipeError:
            self.failed = True
            raise
        except OSError as error:
            self.failed = True
            raise OutputError(error.errno, error.strerror) from error

    def close(self) -> None:
        """Writes the rest, and closes a file of our own. A file system may report only now that it is full."""
        self.flush()
        if self.fd > 2:
            fd, self.fd = self.fd, -1
            try:
                os.close(fd)
            except OSError as error:
                raise OutputError(error.errno, error.strerror) from error


class Messages:
    """Standard error. It comes after the results that were there before, so it makes those be written first."""

    def __init__(self, output: Output, fd: int = 2) -> None:
        self.output = output
        self.fd = fd

    def write(self, text: bytes) -> None:
        self.output.settle()
        try:
            _write_all(self.fd, text)
        except OSError:
            return  # there is nobody left to tell

    def attached(self, count: int) -> None:
        """The first thing that is said about a run."""
        self.write(b"Attached %d probe%s\n" % (count, b"" if count == 1 else b"s"))
