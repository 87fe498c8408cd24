"""Counters that take turns: what is said of those that did not count all the time."""

from __future__ import annotations

import fcntl
import os
import struct
import time

import pytest

from pytrace.codegen.image import Image
from pytrace.kernel import perf
from pytrace.probes.provider import Attachment
from pytrace.runtime.loading import Loaded
from pytrace.runtime.losses import Losses
from pytrace.semantics.configuration import Config


def losses() -> Losses:
    return Losses(Loaded(Image((), (), (), (), Config())))


def pipe(*words: int) -> int:
    """A descriptor that reads like an event's."""
    read, write = os.pipe()
    os.write(write, struct.pack(f"<{len(words)}Q", *words))
    os.close(write)
    return read


def test_shares_of_time_are_summed_over_processors():
    fds = (pipe(5, 1000, 1000), pipe(9, 1000, 200), pipe(5, 4000, 4000))
    found = losses()
    found.look_at([
        Attachment(1, fds[:2], counter="hardware:cache-misses:1000"),
        Attachment(1, fds[2:], counter="hardware:instructions:1000"),
    ])
    for fd in fds:
        os.close(fd)
    assert found.summary(0)["counted_percent"] == {"hardware:cache-misses:1000": 60}
    assert found.texts() == [
        "hardware:cache-misses:1000: counted for 60 % of the time only. The processor has fewer counters than are in "
        "use."
    ]


def test_what_is_not_an_event_has_no_times():
    fds = os.pipe()
    os.close(fds[1])
    assert perf.counting_times(fds[0]) == (0, 0)
    os.close(fds[0])
    assert perf.counting_times(fds[0]) == (0, 0)


@pytest.mark.live
def test_events_of_the_kernel_count_all_the_time():
    """The kernel's answer: both times are the same, and go on."""
    fd = perf.software_event("cpu-clock", period=1_000_000_000, pid=0)
    try:
        fcntl.ioctl(fd, 0x2400, 0)  # PERF_EVENT_IOC_ENABLE
        deadline = time.monotonic() + 5
        while (times := perf.counting_times(fd))[0] == 0 and time.monotonic() < deadline:
            pass
        assert times[0] == times[1] > 0
    finally:
        os.close(fd)
