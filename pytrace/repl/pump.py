"""The thread that reads the rings: everything goes to the log, a few lines of each block to the screen."""

from __future__ import annotations

import select
import threading
import time

from pytrace.hints import TYPE_CHECKING
from pytrace.repl.log import tagged
from pytrace.runtime.errors import RunError

if TYPE_CHECKING:
    from pytrace.repl.block import LiveBlock
    from pytrace.repl.lifecycle import Lifecycle

__all__ = ["Pump"]

_GATHER = 0.001
"""Seconds from a wake-up to reading the rings: records that gather cost the traced programs less (`runtime/loop.py`).
"""
_TICK = 0.1
"""Seconds between looks at lines that wait for their end, and at what was not shown."""
_SAMPLE = 1.0
"""Seconds between looks at what blocks cost."""


class Pump(threading.Thread):
    def __init__(self, engine: Lifecycle) -> None:
        super().__init__(name="pump", daemon=True)
        self.engine = engine
        self.lives: list[LiveBlock] = []
        self._epoll = select.epoll()
        self._closing = False
        self._sampled = time.monotonic()

    # from the thread that changes the session

    def add(self, live: LiveBlock) -> None:
        assert live.block is not None
        with self.engine.showing():
            for fd in live.block.fds:
                self._epoll.register(fd, select.EPOLLIN)
            self.lives.append(live)

    def remove(self, live: LiveBlock) -> None:
        """Reads a block no more; what it printed last is shown."""
        with self.engine.showing():
            if live not in self.lives or live.block is None:
                return
            self.lives.remove(live)
            for fd in live.block.fds:
                self._epoll.unregister(fd)
            self._pass_on(live, all=True)
            shown = live.trickle.remark()
        if shown:
            self.engine.show(shown)

    def finish(self, live: LiveBlock) -> None:
        """Handles all that a block has sent, whose programs run no more."""
        block = live.block
        assert block is not None
        with self.engine.showing():
            while block.drain():
                self._pass_on(live)
            block.drop()  # what is behind an `exit()`
            self._pass_on(live, all=True)

    def close(self) -> None:
        self._closing = True
        if self.is_alive():
            self.join()
        self._epoll.close()

    # the thread

    def run(self) -> None:
        ticked = time.monotonic()
        while not self._closing:
            more = False
            if self._epoll.poll(_TICK):
                time.sleep(_GATHER)
                more = True
            while more and not self._closing:
                more = self._round()
                while self.engine.waiting:  # a lock goes to whoever is awake, which is this thread
                    time.sleep(0.0005)
                ticked = self._tick(ticked)
            ticked = self._tick(ticked)

    def _round(self) -> bool:
        """Handles a batch of each block; tells whether there may be more."""
        any_more = False
        for live in list(self.lives):
            with self.engine.lock:
                if live not in self.lives or live.ending or live.block is None:
                    continue
                try:
                    more = live.block.drain()
                except (OSError, RunError) as error:  # what one block cannot do is no reason to leave the others alone
                    self.engine.show(f"[{live.number}] ERROR: {error}\n".encode("utf-8", "surrogateescape"))
                    more = None
                self._pass_on(live)
            if more is None:
                live.ending = True
            any_more = any_more or bool(more)
        return any_more

    def _pass_on(self, live: LiveBlock, *, all: bool = False) -> None:
        now = time.monotonic()
        lines = live.feed.take(now, all=all)
        if lines:
            live.lines += lines.count(b"\n")
            lines = tagged(live.number, lines)
            self.engine.log.write(lines)
            if shown := live.trickle.take(lines, now):
                self.engine.show(shown)

    def _tick(self, before: float) -> float:
        """Does what is due from time to time; gives when that was last done."""
        now = time.monotonic()
        if now - before < _TICK:
            return before
        for live in list(self.lives):
            if live.ending and live.state == "running" and not self.engine.ended(live):
                continue
            with self.engine.lock:
                if live in self.lives:
                    self._pass_on(live)
                shown = live.trickle.calm(now)
            if shown:
                self.engine.show(shown)
        if now - self._sampled >= _SAMPLE:
            seconds, self._sampled = now - self._sampled, now
            for live in list(self.lives):
                with self.engine.lock:
                    if live in self.lives:
                        live.sample(seconds)
        return now
