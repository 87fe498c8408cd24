"""Waiting for something to happen: records, signals, the end of a process, or just time."""

from __future__ import annotations

import select
import time

from pytrace.hints import Callable, Iterable

__all__ = ["Loop", "readable"]

_SHORTEST, _LONGEST, _BUSY_LONGEST = 0.0002, 0.01, 0.04
"""Seconds from a wake-up to the draining of the ring. The kernel wakes a reader only when it has read everything, so a
reader that lets records gather costs the traced programs a fifth of one that is always at their heels, and itself
next to nothing: to sleep and wake up takes a processor as long as writing a thousand records. Nobody at a screen
notices the delay, of pages of text that rush by least of all: they may gather for the third of these."""
_PAGES = 1 << 14
"""Bytes of records that are more than a screen shows."""
_MUCH, _LITTLE = 0.2, 0.02
"""How much of the ring may fill up in that time, and how little is a reason to wait longer."""
_RARE = 0.02
"""Seconds without records after which the next one is handled at once."""


class Loop:
    """An epoll set. Data of the descriptor `ring` is gathered for a moment, of which `pending` tells how many bytes are
    in the ring, out of `size`; `others` call for attention at once, also in that moment."""

    def __init__(
        self, ring: int | None, others: Iterable[int], pending: Callable[[], int] = lambda: 0, size: int = 1
    ) -> None:
        self._epoll = select.epoll()
        self._others = select.poll()
        self._woken = 0.0
        self._pause = 0.001
        self._ring = ring
        self._pending = pending
        self._size = size
        if ring is not None:
            self._epoll.register(ring, select.EPOLLIN)
        for fd in others:
            self._epoll.register(fd, select.EPOLLIN)
            self._others.register(fd, select.POLLIN)

    def wait(self, seconds: float | None) -> set[int]:
        """The descriptors that are ready, at the latest after that time (None: however long it takes), or after the
        moment in which records gather."""
        if self._ring is None:
            return {fd for fd, _ in self._epoll.poll(seconds)}
        ready: set[int] = set()
        if not self._pending():
            ready = {fd for fd, _ in self._epoll.poll(seconds)}
        if not ready - {self._ring} and self._pending():
            ready.add(self._ring)
            if time.monotonic() - self._woken < _RARE:
                ready |= self._gather()
            self._woken = time.monotonic()
        return ready

    def _gather(self) -> set[int]:
        others = {fd for fd, _ in self._others.poll(1000 * self._pause)}
        pending = self._pending()
        if pending > _MUCH * self._size:
            self._pause = max(self._pause / 2, _SHORTEST)
        elif pending < _LITTLE * self._size:
            self._pause = min(self._pause * 2, _BUSY_LONGEST if pending > _PAGES else _LONGEST)
        return others

    def forget(self, fd: int) -> None:
        """Takes a descriptor out of the set."""
        self._epoll.unregister(fd)
        if fd != self._ring:
            self._others.unregister(fd)

    def close(self) -> None:
        self._epoll.close()


def readable(fd: int, seconds: float = 0) -> bool:
    """Whether a descriptor is ready now, or gets so within that time."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(1000 * seconds))
