"""Waiting for something to happen: records, signals, the end of a process, or just time."""

from __future__ import annotations

import select
import time

from pytrace.hints import Callable, Iterable

__all__ = ["Loop", "readable"]

_SHORTEST, _LONGEST = 0.0002, 0.01
"""Seconds from a wake-up to the draining of the ring. The kernel wakes a reader only when it has read everything, so a
reader that lets records gather costs the traced programs a fifth of one that is always at their heels, and itself
next to nothing. Nobody at a screen notices the delay."""
_MUCH, _LITTLE = 0.2, 0.02
"""How much of the ring may fill up in that time, and how little is a reason to wait longer."""
_RARE = 0.02
"""Seconds without records after which the next one is handled at once."""


class Loop:
    """An epoll set. Data of the descriptor `ring` is gathered for a moment, of which `filled` tells how full the ring
    is (0 … 1); `others` call for attention at once, also in that moment."""

    def __init__(
        self, ring: int | None, others: Iterable[int], filled: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._epoll = select.epoll()
        self._others = select.poll()
        self._woken = 0.0
        self._pause = 0.001
        self._ring = ring
        self._filled = filled
        if ring is not None:
            self._epoll.register(ring, select.EPOLLIN)
        for fd in others:
            self._epoll.register(fd, select.EPOLLIN)
            self._others.register(fd, select.POLLIN)

    def wait(self, seconds: float | None) -> set[int]:
        """The descriptors that are ready, at the latest after that time (None: however long it takes)."""
        ready = {fd for fd, _ in self._epoll.poll(seconds)}
        if ready == {self._ring}:
            before, self._woken = self._woken, time.monotonic()
            if self._woken - before < _RARE:
                ready |= self._gather()
        return ready

    def _gather(self) -> set[int]:
        others = {fd for fd, _ in self._others.poll(1000 * self._pause)}
        if (filled := self._filled()) > _MUCH:
            self._pause = max(self._pause / 2, _SHORTEST)
        elif filled < _LITTLE:
            self._pause = min(self._pause * 2, _LONGEST)
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
