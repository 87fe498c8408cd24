"""`interval`: at its rate, on one processor."""

from __future__ import annotations

import time

import pytest

from tests.probes.support import hits

pytestmark = pytest.mark.live


def test_an_interval_fires_at_its_rate() -> None:
    started = time.monotonic()
    places, count = hits("i:ms:5", lambda: time.sleep(0.5))
    assert places == 1
    assert 50 <= count <= (time.monotonic() - started) * 200 + 2
