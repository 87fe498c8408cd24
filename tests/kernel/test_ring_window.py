"""Only the beginning of a ring is mapped at first; records beyond it are read all the same."""

from __future__ import annotations

import os

import pytest

from pytrace.kernel import ring as ring_module
from pytrace.kernel.ring import RingReader
from tests.kernel.test_ring import READS, SIZE, FakeRing


@pytest.mark.parametrize("read", READS, ids=["drain", "take"])
@pytest.mark.parametrize("length", [1, 100, 1000])
def test_records_beyond_the_window(monkeypatch: pytest.MonkeyPatch, read, length: int) -> None:
    monkeypatch.setattr(ring_module, "_WINDOW", 256)
    fake = FakeRing()
    with RingReader(fake.fd, SIZE) as reader:
        for number in range(4 * SIZE // (length + 16)):  # several times around
            data = bytes([number % 256]) * length
            fake.put(data)
            assert read(reader) == [data]
        assert fake.consumed == fake.produced > 2 * SIZE
    os.close(fake.fd)


def test_views_taken_before_the_window_grew_stay_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "_WINDOW", 64)
    fake = FakeRing()
    with RingReader(fake.fd, SIZE) as reader:
        fake.put(b"first")
        records = reader.drain()
        view = next(records)
        fake.put(b"x" * 500)
        assert bytes(next(records)) == b"x" * 500
        assert bytes(view) == b"first"
        del view, records
    os.close(fake.fd)
