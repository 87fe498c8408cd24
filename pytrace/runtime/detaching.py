"""Letting go of attached programs while the results are being printed.

Closing a link takes the program away from its event at once, and then waits until no CPU can still be running it:
35–80 ms in which nothing happens. So each link is closed by a thread of its own. `quiet` returns when no program runs
any more, and the run goes on with its end probes and its maps; `finish` waits for the rest.

That a link has let go shows in its id: the kernel removes it just before it detaches the program (`bpf_link_free` in
kernel/bpf/syscall.c), and what follows until the program is gone from the event takes microseconds.
"""

from __future__ import annotations

import _thread
import fcntl
import os
import time

from pytrace.hints import Iterable
from pytrace.kernel import bpf

__all__ = ["Detaching"]

_THREADS = 512
_DISABLE = 0x2401
"""PERF_EVENT_IOC_DISABLE"""
_GRACE = 0.001
"""Seconds from the end of a link's id to the end of the last run of its program."""


def _is_event(fd: int) -> bool:
    return os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:[perf_event]"


def _exists(link: int) -> bool:
    try:
        fd = bpf.fd_by_id("link", link)
    except bpf.BpfError:
        return False
    os.close(fd)
    return True


class Detaching:
    """Starts to detach whatever the descriptors hold; they belong to this object from now on."""

    def __init__(self, fds: Iterable[int]) -> None:
        self._events: list[int] = []
        links: list[int] = []
        for fd in fds:
            (self._events if _is_event(fd) else links).append(fd)
        for fd in self._events:
            # Timers and counters stop at this; tracepoints and probes do not mind it.
            fcntl.ioctl(fd, _DISABLE, 0)
        self._ids = [self._id(fd) for fd in links]
        self._busy: list[_thread.LockType] = []
        """Locks that are held by the threads which still close links."""
        if links:
            for n in range(min(_THREADS, len(links))):
                self._start(links[n::_THREADS])
        elif self._events:
            # Without links (Linux before 5.15) it is the closing of the events that detaches.
            from pytrace.kernel.closing import close_all

            events, self._events = self._events, []
            close_all(events)

    @staticmethod
    def _id(fd: int) -> int:
        try:
            return bpf.link_info(fd).id
        except bpf.BpfError:
            return 0

    def _start(self, fds: list[int]) -> None:
        """Closes descriptors one after another in a thread. (`threading` would wait for each thread to begin.)"""
        busy = _thread.allocate_lock()
        busy.acquire()

        def close() -> None:
            try:
                for fd in fds:
                    os.close(fd)
            finally:
                busy.release()

        try:
            _thread.start_new_thread(close, ())
        except RuntimeError:  # there are as many threads as there may be
            close()
        self._busy.append(busy)

    def quiet(self) -> None:
        """Returns when none of the programs runs any more."""
        pause = 0.0002
        left = [link for link in self._ids if link]
        while left and any(busy.locked() for busy in self._busy):
            left = [link for link in left if _exists(link)]
            if left:
                time.sleep(pause)
                pause = min(2 * pause, 0.005)
        if self._busy:
            time.sleep(_GRACE)

    def finish(self) -> None:
        """Returns when everything is detached. What is left of events that carry no program any more is torn down
        behind this process' back."""
        for busy in self._busy:
            with busy:
                pass
        self._busy.clear()
        events, self._events = self._events, []
        if events:
            from pytrace.kernel.closing import abandon_events

            abandon_events(events)
