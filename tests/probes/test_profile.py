"""`profile`: on every processor, or while a process runs."""

from __future__ import annotations

import os
import time

import pytest

from pytrace.kernel.maps import online_cpus
from tests.probes.support import hits

pytestmark = pytest.mark.live


def test_a_profile_fires_on_every_cpu() -> None:
    places, count = hits("p:ms:5", lambda: time.sleep(0.5))
    assert places == 1
    assert 50 * len(online_cpus()) <= count <= 140 * len(online_cpus())


def test_a_profile_of_a_process_fires_while_it_runs() -> None:
    def idle() -> None:
        time.sleep(0.3)

    def work() -> None:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass

    assert hits("p:ms:1", idle, pid=os.getpid())[1] < 40
    assert hits("p:ms:1", work, pid=os.getpid())[1] > 60
