"""The two ring buffers of a block, read as one stream in the order of the script.

What must not be lost where an output of many records is (printing and changing maps, `exit()`) comes through a small
ring of its own, the control ring. Each of its records tells how many bytes were reserved in the other ring before it
(`codegen.image.URGENT_HEADER`); it is handled when these have been. The order on each CPU is thereby kept exactly:

- What a CPU sent before an urgent record lies below the place that this names.
- What it sends after it lies above: places are taken before the record is reserved, so they can only be too low; and
  of two urgent records, the one that was reserved later goes behind what the earlier one goes behind, since it is
  handled after it.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, Callable
from pytrace.kernel.ring import RingReader
from pytrace.once import deque

if TYPE_CHECKING:
    from pytrace.runtime.native import Acceleration, NativeText

__all__ = ["BATCH", "Stream"]

BATCH = 4096
"""Records that are handled at once. Between batches the loop looks at signals."""

NATIVE_BATCH = 1 << 16
"""The same where machine code handles them."""
HOT = 500
"""Records after which it is worth to look for machine code: what Python handles in as long as that takes."""
_FEW = 8
"""Records between two for Python for which it is worth to go back to machine code each time."""

Consume = Callable[[list[bytes]], bool]
"""Handles records; False if one of them said `exit()`."""


class Stream:
    """`ring` and `control` are None where a script sends nothing of the kind.

    With `accelerate`, records are formatted by machine code once there were many.
    """

    def __init__(self, ring: RingReader | None, control: RingReader | None) -> None:
        self.ring = ring
        self.control = control
        self.accelerate: Callable[[RingReader], Acceleration] | None = None
        self.crowded = False
        """Whether a ring was more than half full; to be reset by who looks for losses."""
        self._hot = HOT
        self._acceleration: Acceleration | None = None
        self._native: NativeText | None = None
        self._turn = 1
        """How many records Python takes in its turn: more, the more of them in a row are for Python."""
        self._urgent: deque[tuple[int, bytes]] = deque()
        """Records of the control ring that wait for their turn, with their places."""

    def handle(self, consume: Consume) -> bool | None:
        """Handles a batch of records. True: there may be more; False: there are none; None: one said `exit()`."""
        ring = self.ring
        if ring is None:
            return self._only_urgent(consume)
        # What is in the ring now; what is urgent and belongs before any of that is in the control ring by now.
        end = ring.reserved
        if 2 * (end - ring.position) > ring.size:
            self.crowded = True
        if not self._look():
            return False
        urgent, left = self._urgent, BATCH if self._native is None else NATIVE_BATCH
        while True:
            handled = self._advance(ring, min(end, urgent[0][0]) if urgent else end, left, consume)
            if handled is None:
                return None
            left -= handled
            if not urgent or ring.position < urgent[0][0]:
                # A place beyond the end can be reached at once; one before it waits for a record in the making.
                return left <= 0 or (bool(urgent) and urgent[0][0] > end)
            if not consume([urgent.popleft()[1]]):
                return None

    def _advance(self, ring: RingReader, end: int, most: int, consume: Consume) -> int | None:
        """Handles records of the ring up to a position; gives how many, or None if one said `exit()`."""
        left = most
        while self._native is None:
            room = min(left, self._hot) if self._hot > 0 and self.accelerate is not None else left
            records = ring.take(room, end)
            if records and not consume(records):
                return None
            left -= len(records)
            self._hot -= len(records)
            if self._hot <= 0 and self.accelerate is not None:
                self._speed_up(self.accelerate, ring, len(records))
            if len(records) < room or not left:
                return most - left
        while True:
            handled, python = self._native.drain(end, left)
            left -= handled
            if not python:
                return most - left
            self._turn = 1 if handled >= _FEW else min(2 * self._turn, BATCH)
            records = ring.take(min(self._turn, left), end)
            if not consume(records):
                return None
            left -= len(records)

    def _speed_up(self, accelerate: Callable[[RingReader], Acceleration], ring: RingReader, records: int) -> None:
        if self._acceleration is None:
            self._acceleration = accelerate(ring)
        self._native = self._acceleration.result(records)

    def _look(self) -> bool:
        """Takes what is in the control ring. False if one of its records is still being written: its place is not known
        yet, so nothing can be handled."""
        if (control := self.control) is None:
            return True
        end = control.reserved
        if 2 * (end - control.position) > control.size:
            self.crowded = True
        self._urgent += [(int.from_bytes(record[8:16], "little"), record) for record in control.take(end=end)]
        return control.position >= end

    def _only_urgent(self, consume: Consume) -> bool | None:
        self._look()
        records = [record for _, record in self._urgent]
        self._urgent.clear()
        return False if consume(records) else None

    def drop(self) -> int:
        """Forgets the records that wait; gives how many those were."""
        dropped = len(self._urgent)
        self._urgent.clear()
        for ring in (self.ring, self.control):
            while ring is not None and (records := ring.take(BATCH)):
                dropped += len(records)
        return dropped

    def close(self) -> None:
        self._native = None
        if self._acceleration is not None:
            self._acceleration.close()
