"""Signals as events of the loop (CLI 4.3).

SIGINT, SIGTERM and SIGUSR1 are recorded by handlers that do nothing else, and the interpreter writes their numbers
into a pipe which wakes the loop: none is lost, and none interrupts what is half done. SIGUSR1 is only taken over when
a probe wants it; without one it is ignored, as the command line's description says.
"""

from __future__ import annotations

import os

from pytrace.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import signal
    from types import FrameType
else:
    import _signal as signal  # `signal` makes enumerations of the numbers first, which takes longer than all this file

__all__ = ["Signals"]

_STOPPING = (signal.SIGINT, signal.SIGTERM)
_INSISTING = 3
"""Requests to stop after which the process ends at once: it may be waiting for a reader of its output that is stuck."""


class Signals:
    """Takes over the signals of a run until `close`. `fd` becomes readable when one arrives.

    `stops` counts the requests to stop so far, and `user` says whether SIGUSR1 arrived since it was last reset. Only
    the main thread can take signals over; in another one this does nothing, and `fd` never becomes readable.
    """

    def __init__(self) -> None:
        self.stops = 0
        self.user = False
        self.fd, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup = -1
        try:
            self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        except ValueError:
            return
        for number in (*_STOPPING, signal.SIGUSR1):
            self._before[number] = signal.signal(number, self._arrived)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGUSR1:
            self.user = True
        else:
            self.stops += 1
            if self.stops >= _INSISTING:
                self.restore()
                os.kill(os.getpid(), number)

    def read(self) -> None:
        """Empties `fd`."""
        try:
            while os.read(self.fd, 512):
                pass
        except BlockingIOError:
            pass

    def restore(self) -> None:
        """Gives the signals back to what they were: an interrupt ends the program at once again."""
        if self._before:
            signal.set_wakeup_fd(self._wakeup)
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._before.clear()

    def close(self) -> None:
        self.restore()
        if self.fd >= 0:
            os.close(self.fd)
            os.close(self._writer)
            self.fd = -1
