"""Reading ring buffers: one laid out by hand in memory, and a real one."""

from __future__ import annotations

import mmap
import os
import select
import struct
from collections.abc import Iterator

import pytest

from pytrace.kernel import bpf
from pytrace.kernel.assemble import call, insn, map_fd, mov, mov_register
from pytrace.kernel.ring import RingReader

BUSY, DISCARDED = 1 << 31, 1 << 30
SIZE = mmap.PAGESIZE


class FakeRing:
    """The kernel's side, in an ordinary file: positions, and the data twice."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("ring")
        os.truncate(self.fd, 2 * mmap.PAGESIZE + 2 * SIZE)
        self.memory = mmap.mmap(self.fd, 2 * mmap.PAGESIZE + 2 * SIZE)
        self.produced = 0

    def put(self, data: bytes, flags: int = 0) -> int:
        """Reserve and write a record; gives its place."""
        place = self.produced % SIZE
        record = struct.pack("<II", len(data) | flags, 0) + data
        for at, byte in enumerate(record):
            for copy in (0, SIZE):
                self.memory[2 * mmap.PAGESIZE + (place + at) % SIZE + copy] = byte
        self.produced += (len(data) + 15) & ~7
        self.memory[mmap.PAGESIZE : mmap.PAGESIZE + 8] = struct.pack("<Q", self.produced)
        return place

    def flag(self, place: int, length: int, flags: int) -> None:
        for copy in (0, SIZE):
            at = 2 * mmap.PAGESIZE + place + copy
            self.memory[at : at + 4] = struct.pack("<I", length | flags)

    @property
    def consumed(self) -> int:
        return int.from_bytes(self.memory[:8], "little")


@pytest.fixture
def ring() -> Iterator[tuple[FakeRing, RingReader]]:
    fake = FakeRing()
    reader = RingReader(fake.fd, SIZE)
    yield fake, reader
    reader.close()
    os.close(fake.fd)


READS = [lambda r: [bytes(v) for v in r.drain()], lambda r: r.take()]


@pytest.mark.parametrize("read", READS, ids=["drain", "take"])
def test_records_come_in_order_and_their_room_is_given_back(ring, read):
    fake, reader = ring
    expected = [bytes([n]) * n for n in range(20)]
    for data in expected:
        fake.put(data)
    assert reader.pending == fake.produced
    assert read(reader) == expected
    assert fake.consumed == fake.produced == reader.position
    assert read(reader) == []


@pytest.mark.parametrize("read", READS, ids=["drain", "take"])
def test_discarded_records_are_passed_over(ring, read):
    fake, reader = ring
    fake.put(b"dropped", DISCARDED)
    fake.put(b"kept")
    fake.put(b"dropped too", DISCARDED)
    assert read(reader) == [b"kept"]
    assert fake.consumed == fake.produced


@pytest.mark.parametrize("read", READS, ids=["drain", "take"])
def test_reading_stops_at_a_record_that_is_being_written(ring, read):
    fake, reader = ring
    fake.put(b"first")
    place = fake.put(b"second", BUSY)
    fake.put(b"third")
    assert read(reader) == [b"first"]
    fake.flag(place, len(b"second"), 0)
    assert read(reader) == [b"second", b"third"]


@pytest.mark.parametrize("read", READS, ids=["drain", "take"])
def test_records_across_the_end_are_whole(ring, read):
    fake, reader = ring
    for round in range(50):
        data = os.urandom(200 + round)
        fake.put(data)
        assert read(reader) == [data]
    assert fake.produced > 2 * SIZE


def test_limits(ring):
    fake, reader = ring
    for n in range(4):
        fake.put(bytes([n]))
    assert [bytes(v) for v in reader.drain(limit=1)] == [b"\0"]
    assert reader.take(limit=2) == [b"\1", b"\2"]
    assert reader.take() == [b"\3"]


def test_a_record_counts_as_read_when_reading_is_abandoned(ring):
    fake, reader = ring
    fake.put(b"first")
    fake.put(b"second")
    records = reader.drain()
    assert bytes(next(records)) == b"first"
    records.close()
    assert reader.take() == [b"second"]


@pytest.mark.live
def test_a_real_ring_filled_by_a_program():
    size = 1 << 20
    fd = bpf.map_create("ringbuf", 0, 0, size, name="ring")
    # The first argument, as a record of 5 bytes.
    code = (
        insn(0x79, 6, 1, 0) + insn(0x7B, 10, 6, -8) + map_fd(1, fd) + mov_register(2, 10, -8) + mov(3, 5) + mov(4, 0)
        + call(130) + insn(0x95)
    )
    prog = bpf.prog_load("raw_tracepoint", code)
    poll = select.epoll()
    poll.register(fd, select.EPOLLIN)
    try:
        with RingReader(fd, size) as reader:
            assert poll.poll(0) == []
            # More than fits into the ring at once: it goes round three times.
            for start in range(0, 200000, 50000):
                for n in range(start, start + 50000):
                    assert bpf.prog_test_run(prog, ctx_in=struct.pack("<Q", n)).retval == 0
                assert poll.poll(0) == [(fd, select.EPOLLIN)]
                records = reader.take() if start % 100000 else [bytes(v) for v in reader.drain()]
                assert records == [struct.pack("<Q", n)[:5] for n in range(start, start + 50000)]
                assert poll.poll(0) == []
            assert reader.position == 200000 * 16
    finally:
        poll.close()
        os.close(prog)
        os.close(fd)
