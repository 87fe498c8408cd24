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

from collections import deque
from collections.abc import Callable

from pytrace.kernel.ring import RingReader

__all__ = ["BATCH", "Stream"]

BATCH = 4096
"""Records that are handled at once. Between batches the loop looks at signals."""

Consume = Callable[[list[bytes]], bool]
"""Handles records; False if one of them said `exit()`."""


class Stream:
    """`ring` and `control` are None where a script sends nothing of the kind."""

    def __init__(self, ring: RingReader | None, control: RingReader | None) -> None:
        self.ring = ring
        self.control = control
        self._urgent: deque[tuple[int, bytes]] = deque()
        """Records of the control ring that wait for their turn, with their places."""

    def handle(self, consume: Consume) -> bool | None:
        """Handles a batch of records. True: there may be more; False: there are none; None: one said `exit()`."""
        ring = self.ring
        if ring is None:
            return self._only_urgent(consume)
        # What is in the ring now; what is urgent and belongs before any of that is in the control ring by now.
        end = ring.reserved
        if not self._look():
            return False
        left, urgent = BATCH, self._urgent
        while True:
            stop = min(end, urgent[0][0]) if urgent else end
            records = ring.take(left, stop)
            left -= len(records)
            if records and not consume(records):
                return None
            if not urgent or ring.position < urgent[0][0]:
                # A place beyond the end can be reached at once; one before it waits for a record in the making.
                return left <= 0 or (bool(urgent) and urgent[0][0] > end)
            if not consume([urgent.popleft()[1]]):
                return None

    def _look(self) -> bool:
        """Takes what is in the control ring. False if one of its records is still being written: its place is not known
        yet, so nothing can be handled."""
        if (control := self.control) is None:
            return True
        end = control.reserved
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
