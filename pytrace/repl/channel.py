"""Messages between the REPL and its compiling process: plain data, one message after another on a socket.

Each message is a u32 length and the bytes of `marshal`, which cannot run code. Both ends are processes of one program.
"""

from __future__ import annotations

import marshal
import select
import socket
from collections.abc import Callable

from pytrace.hints import Any

__all__ = ["Channel", "Closed"]

_HEAD = 4
_LOOK = 0.02
"""Seconds between looks at whether to give up waiting."""


class Closed(Exception):
    """The other end has gone."""


class Channel:
    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def fileno(self) -> int:
        return self.end.fileno()

    def send(self, message: object) -> None:
        """Raises `Closed`."""
        self.send_packed(marshal.dumps(message))  # type: ignore[arg-type]  # plain data of any shape

    def send_packed(self, data: bytes) -> None:
        """A message that is marshalled already."""
        try:
            self.end.sendall(len(data).to_bytes(_HEAD, "little") + data)
        except OSError as error:
            raise Closed from error

    def receive(self) -> Any:
        """The next message, however long it takes. Raises `Closed`."""
        return marshal.loads(self._read(int.from_bytes(self._read(_HEAD), "little")))

    def wait(self, interrupted: Callable[[], bool]) -> bool:
        """Whether a message has begun to arrive; False when interrupted before."""
        poll = select.poll()
        poll.register(self.end, select.POLLIN)
        while not poll.poll(1000 * _LOOK):
            if interrupted():
                return False
        return True

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                piece = self.end.recv(min(size - len(data), 1 << 20))
            except OSError as error:
                raise Closed from error
            if not piece:
                raise Closed
            data += piece
        return bytes(data)

    def close(self) -> None:
        self.end.close()
