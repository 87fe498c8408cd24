"""How records are waited for: one by itself at once, many together."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pytrace.runtime import loop as module
from pytrace.runtime.loop import Loop

SIZE = 1 << 20


class Ring:
    """What the loop sees of a ring: a descriptor that is readable while there are records, and how many bytes."""

    def __init__(self) -> None:
        self.fd, self._write = os.pipe()
        self.bytes = 0

    def put(self, size: int) -> None:
        if not self.bytes:
            os.write(self._write, b"x")
        self.bytes += size

    def empty(self) -> None:
        if self.bytes:
            os.read(self.fd, 1)
        self.bytes = 0


@pytest.fixture
def ring() -> Iterator[Ring]:
    ring = Ring()
    yield ring
    os.close(ring.fd)
    os.close(ring._write)


@pytest.fixture
def other() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


class Clock:
    """Time as the loop has it, and how long it let records gather."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, loop: Loop) -> None:
        self.now, self.pauses = 100.0, list[float]()
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
        self._poll, loop._others = loop._others, self  # type: ignore[assignment]  # poll objects cannot be changed

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        self.pauses.append(milliseconds / 1000)
        self.now += milliseconds / 1000
        return self._poll.poll(0)


def pauses(monkeypatch: pytest.MonkeyPatch, ring: Ring, idle: float) -> list[float]:
    """How long each of twenty records had to wait for others, with so many seconds between them."""
    loop = Loop(ring.fd, (), lambda: ring.bytes, SIZE)
    clock = Clock(monkeypatch, loop)
    for _ in range(20):
        ring.put(48)
        assert loop.wait(0) == {ring.fd}
        ring.empty()
        clock.now += idle
    loop.close()
    return clock.pauses


def test_a_record_by_itself_is_handled_at_once(monkeypatch: pytest.MonkeyPatch, ring: Ring) -> None:
    assert pauses(monkeypatch, ring, 0.1) == []


def test_records_that_follow_each_other_gather(monkeypatch: pytest.MonkeyPatch, ring: Ring) -> None:
    found = pauses(monkeypatch, ring, 0.001)
    assert len(found) == 19 and max(found) == found[-1] == module._LONGEST


def test_a_stream_gathers_for_longer(monkeypatch: pytest.MonkeyPatch, ring: Ring) -> None:
    loop = Loop(ring.fd, (), lambda: ring.bytes, 1 << 24)
    clock = Clock(monkeypatch, loop)
    for _ in range(20):
        ring.put(module._PAGES + 1)
        loop.wait(0)
        ring.empty()
    assert clock.pauses[-1] == module._BUSY_LONGEST
    ring.put(48)
    loop.wait(0)
    loop.wait(0)
    assert clock.pauses[-1] == module._LONGEST  # the stream has become thin
    loop.close()


def test_a_ring_that_fills_up_is_emptied_sooner(monkeypatch: pytest.MonkeyPatch, ring: Ring) -> None:
    loop = Loop(ring.fd, (), lambda: ring.bytes, SIZE)
    clock = Clock(monkeypatch, loop)
    ring.put(SIZE // 2)
    for _ in range(20):
        assert loop.wait(0) == {ring.fd}
    assert clock.pauses[-1] == module._SHORTEST
    loop.close()


def test_others_call_at_once(ring: Ring, other: tuple[int, int]) -> None:
    loop = Loop(ring.fd, (other[0],), lambda: ring.bytes, SIZE)
    assert loop.wait(0) == set()
    os.write(other[1], b"x")
    assert loop.wait(None) == {other[0]}
    ring.put(48)
    assert loop.wait(None) >= {ring.fd}
    assert loop.wait(None) == {ring.fd, other[0]}  # also while records gather
    ring.empty()
    loop.forget(other[0])
    assert loop.wait(0) == set()
    loop.close()


def test_without_a_ring(other: tuple[int, int]) -> None:
    loop = Loop(None, (other[0],))
    assert loop.wait(0) == set()
    os.write(other[1], b"x")
    assert loop.wait(None) == {other[0]}
    loop.close()
