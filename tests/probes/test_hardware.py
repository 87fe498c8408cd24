"""`hardware`: events that the processor counts, if it does."""

from __future__ import annotations

import os

import pytest

from pytrace.kernel import perf
from pytrace.probes.provider import AttachError
from tests.probes.support import getppid, hits

pytestmark = pytest.mark.live


def test_a_machine_without_counters_says_so() -> None:
    try:
        os.close(perf.hardware_event("cpu-cycles", period=1000000, cpu=0))
    except OSError:
        with pytest.raises(AttachError):
            hits("h:cycles", lambda: None)
    else:
        assert hits("h:cycles:100000", getppid)[0] == 1
