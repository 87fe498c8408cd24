"""`software`: events that the kernel counts."""

from __future__ import annotations

import mmap
import os

import pytest

from tests.probes.support import hits

pytestmark = pytest.mark.live


def test_a_software_event_counts_the_faults_of_a_process() -> None:
    pages = 1000

    def touch() -> None:
        with mmap.mmap(-1, pages * mmap.PAGESIZE) as memory:
            memory.madvise(mmap.MADV_NOHUGEPAGE)
            for page in range(pages):
                memory[page * mmap.PAGESIZE] = 1

    assert pages <= hits("s:faults:1", touch, pid=os.getpid())[1] < pages + 100
    assert pages // 10 <= hits("s:page-faults:10", touch, pid=os.getpid())[1] < pages // 10 + 10
