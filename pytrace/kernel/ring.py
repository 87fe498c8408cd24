"""A BPF ring buffer from the reading side.

The buffer is mapped as kernel/bpf/ringbuf.c lays it out: a page with the consumer's position, which we write; a page
with the producers' position; the data twice in a row, so that no record is ever cut. Positions count bytes and never
wrap. Each record has a header of 8 bytes: u32 length with two flags, u32 internal; records start at multiples of 8.
"""

from __future__ import annotations

import mmap

from pytrace.hints import Iterator

__all__ = ["RingReader"]

_BUSY = 1 << 31
_DISCARDED = 1 << 30
_LENGTH = _DISCARDED - 1
_WINDOW = 1 << 16
"""Bytes of data that are mapped at first. Mapping all of a ring of 16 MiB, twice, takes 3 ms and counts as 32 MiB of
memory of this process, and most runs never write that far."""


class RingReader:
    """Maps the ring buffer `fd` (kept open by the caller) of `size` bytes of data, and reads its records.

    `fd` itself can be polled: it becomes readable when a record is committed while the ring was read to its end.
    """

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd
        self.size = size
        page = mmap.PAGESIZE
        self._consumer = mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        self._consumed = memoryview(self._consumer).cast("Q")
        self._map(min(_WINDOW, 2 * size))

    def _map(self, window: int) -> None:
        """Make the first `window` bytes of the data readable. An earlier mapping lives as long as views of it."""
        page = mmap.PAGESIZE
        self._window = window
        self._producer = mmap.mmap(self.fd, page + window, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        # Native words: each is one load or store, and x86 keeps the order of loads and that of stores. So a header read
        # as committed means that the record's bytes are there.
        self._produced = memoryview(self._producer)[:page].cast("Q")
        self._headers = memoryview(self._producer)[page:].cast("I")
        self._data = memoryview(self._producer)[page:]

    @property
    def position(self) -> int:
        """Bytes read since the ring was made."""
        return self._consumed[0]

    @property
    def reserved(self) -> int:
        """Bytes that producers have reserved since the ring was made."""
        return self._produced[0]

    @property
    def pending(self) -> int:
        """Bytes that producers have reserved and the reader has not passed, headers included."""
        return self._produced[0] - self._consumed[0]

    @property
    def consumed(self) -> memoryview:
        """The memory of the consumer's position."""
        return self._consumed

    def reach(self, end: int) -> memoryview:
        """The mapped data, in which everything from the consumer's position to `end`, and a page beyond, is. It may
        become another view when the position moves on."""
        at = self._consumed[0]
        if (at & (self.size - 1)) + end - at > self._window - mmap.PAGESIZE and self._window < 2 * self.size:
            self._map(2 * self.size)
        return self._data

    def drain(self, limit: int | None = None) -> Iterator[memoryview]:
        """The records that are committed now, in order, at most `limit`; stops at one that is still being written.

        A record's memory is given back to the kernel when the next one is taken (at the latest when the iterator is
        closed): copy what is kept. Empty records come as empty views.
        """
        consumed, mask = self._consumed, self.size - 1
        at = consumed[0]
        while at < (end := self._produced[0]):
            place = at & mask
            if place + end - at > self._window:
                self._map(2 * self.size)
            header = self._headers[place >> 2]
            if header & _BUSY:
                return
            length = header & _LENGTH
            at += (length + 15) & ~7
            if header & _DISCARDED:
                consumed[0] = at
                continue
            try:
                yield self._data[place + 8 : place + 8 + length]
            finally:
                consumed[0] = at
            if limit is not None:
                limit -= 1
                if limit <= 0:
                    return

    def take(self, limit: int = 1 << 30, end: int | None = None) -> list[bytes]:
        """Copies of the committed records, at most `limit`, and their room given back at once: the fastest way in
        Python to get many. `end` is a position between two records, to go no further than."""
        mask = self.size - 1
        at = self._consumed[0]
        if end is None:
            end = self._produced[0]
        if (at & mask) + end - at > self._window:
            self._map(2 * self.size)
        headers, data = self._headers, self._producer
        base = mmap.PAGESIZE + 8
        records: list[bytes] = []
        append = records.append
        while at < end and limit:
            place = at & mask
            length = headers[place >> 2]
            if length >= _DISCARDED:
                if length & _BUSY:
                    break
                at += ((length & _LENGTH) + 15) & ~7
                continue
            append(data[base + place : base + place + length])
            at += (length + 15) & ~7
            limit -= 1
        self._consumed[0] = at
        return records

    def close(self) -> None:
        """Unmap. Views of records must be gone."""
        for view in (self._consumed, self._produced, self._headers, self._data):
            view.release()
        self._consumer.close()
        self._producer.close()

    def __enter__(self) -> RingReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
