"""All that the blocks of a session print, kept in a file without a name.

The file is gone with the process, however that ends, and nobody else can open it. Each line begins with the number of
its block. When the log has grown to its limit its oldest part is given back to the file system.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Iterator

__all__ = ["Log", "tagged"]

LIMIT = 1 << 30
"""Bytes that are kept at most."""
_STEP = 16 << 20
"""Bytes that are given up at once: whole blocks of every file system."""
_CHUNK = 1 << 20
_KEEP_SIZE, _PUNCH_HOLE = 1, 2
"""FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE (include/uapi/linux/falloc.h)"""


def tagged(number: int, lines: bytes) -> bytes:
    """Whole lines with the number of their block in front of each."""
    tag = b"[%d] " % number
    return tag + lines[:-1].replace(b"\n", b"\n" + tag) + b"\n"


def _unnamed(folder: str) -> int:
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # a file system without files that have no name
        fd, path = tempfile.mkstemp(dir=folder)
        os.unlink(path)
        return fd


class Log:
    """`start` and `end` are offsets in the file: what is between them is kept. `limit` is in bytes."""

    def __init__(self, folder: str | None = None, limit: int = LIMIT) -> None:
        self.fd = _unnamed(folder or tempfile.gettempdir())
        self.limit = limit
        self.start = self.end = 0
        self.lost = 0
        """Lines that could not be written: the disk is full."""

    def write(self, lines: bytes) -> None:
        """Adds whole lines."""
        rest = memoryview(lines)
        while rest:
            try:
                written = os.pwrite(self.fd, rest, self.end)
            except OSError:
                self.lost += bytes(rest).count(b"\n")
                break
            self.end += written
            rest = rest[written:]
        if self.end - self.start > self.limit:
            self._give_up(_STEP)

    def _give_up(self, size: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        offset = ctypes.c_int64
        libc.fallocate(self.fd, _PUNCH_HOLE | _KEEP_SIZE, offset(self.start), offset(size))
        self.start += size

    def reopened(self) -> int:
        """A descriptor of its own for a reader, at the first line that is kept."""
        fd = os.open(f"/proc/self/fd/{self.fd}", os.O_RDONLY | os.O_CLOEXEC)
        at = self.start
        if at:
            at += os.pread(fd, _CHUNK, at).find(b"\n") + 1
        os.lseek(fd, at, os.SEEK_SET)
        return fd

    def lines(self, number: int | None = None) -> Iterator[bytes]:
        """What is kept now, in pieces of whole lines; of one block if a number is given, and then without it."""
        fd = self.reopened()
        try:
            left = self.end - os.lseek(fd, 0, os.SEEK_CUR)
            rest = b""
            while left > 0 and (piece := os.read(fd, min(_CHUNK, left))):
                left -= len(piece)
                whole, newline, rest = (rest + piece).rpartition(b"\n")
                if newline:
                    yield whole + newline if number is None else _of_block(number, whole)
        finally:
            os.close(fd)

    def close(self) -> None:
        os.close(self.fd)


def _of_block(number: int, lines: bytes) -> bytes:
    tag = b"[%d] " % number
    size = len(tag)
    return b"".join([line[size:] + b"\n" for line in lines.split(b"\n") if line.startswith(tag)])
