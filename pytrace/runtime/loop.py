"""Waiting for something to happen: records, signals, the end of a process, or just time."""

from __future__ import annotations

import select
import time
from collections.abc import Iterable

__all__ = ["Loop", "readable"]

_GATHER = 0.001
"""Seconds from a wake-up to the draining of the rings. The kernel wakes a reader only when it has read everything,
so a reader that lets records gather costs the traced programs a fifth of one that is always at their heels."""
_RARE = 0.02
"""Seconds without records after which the next one is handled at once: it may say `exit()`."""


class Loop:
    """An epoll set. Data of the descriptors `rings` is gathered for a moment; `others` call for attention at once."""

    def __init__(self, rings: Iterable[int], others: Iterable[int]) -> None:
        self._epoll = select.epoll()
        self._woken = 0.0
        self._rings = frozenset(rings)
        for fd in (*self._rings, *others):
            self._epoll.register(fd, select.EPOLLIN)

    def wait(self, seconds: float | None) -> set[int]:
        """The descriptors that are ready, at the latest after that time (None: however long it takes)."""
        ready = {fd for fd, _ in self._epoll.poll(seconds)}
        if ready and ready <= self._rings:
            before, self._woken = self._woken, time.monotonic()
            if self._woken - before < _RARE:
                time.sleep(_GATHER)
        return ready

    def forget(self, fd: int) -> None:
        """Takes a descriptor out of the set."""
        self._epoll.unregister(fd)

    def close(self) -> None:
        self._epoll.close()


def readable(fd: int, seconds: float = 0) -> bool:
    """Whether a descriptor is ready now, or gets so within that time."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(1000 * seconds))
