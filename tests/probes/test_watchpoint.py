"""`watchpoint`: every access is counted."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

import pytest

from pytrace.probes import PROVIDERS
from pytrace.probes.provider import AttachError, Attachment
from tests.probes.support import CALLS, counting_program, hits, targets_of

pytestmark = pytest.mark.live


def _watch(header: str, pid: int | None) -> int:
    cell = ctypes.create_string_buffer(16)

    def write() -> None:
        for _ in range(CALLS):
            cell[0] = b"x"

    try:
        return hits(header.format(ctypes.addressof(cell)), write, pid=pid)[1]
    except AttachError as error:
        pytest.skip(f"no hardware breakpoints: {error.reason}")


def test_a_watchpoint_counts_every_write_of_a_process() -> None:
    assert _watch("w:{}:1:w", os.getpid()) == CALLS


def test_a_watchpoint_sees_all_processes() -> None:
    assert _watch("w:{}:4:rw", None) >= CALLS


def test_breakpoint_registers_run_out() -> None:
    targets = targets_of(*(f"w:{0x1000 * n}:8:w" for n in range(1, 12)))
    _, program = counting_program(targets[:1])
    attachments: list[Attachment] = []
    reasons: list[str] = []
    for target in targets:
        provider = PROVIDERS[target.provider]
        attachments += provider.attach(program, [(target, 0)], pid=None, failed=lambda e: reasons.append(e.reason))
    for attachment in attachments:
        for fd in attachment.fds:
            os.close(fd)
    os.close(program)
    if not attachments:
        pytest.skip("no hardware breakpoints")
    assert set(reasons) == {"No more HW registers left"}


def test_a_watchpoint_fires_in_a_process(pytrace: Callable[..., Any], probed: str) -> None:
    done = pytrace("-e", "w:0x1000:8:w { @ = count(); }", "-c", probed, status=None)
    attached = "Attached 1 probe\n" in done.stderr
    assert attached != ("Unable to attach probe: watchpoint:4096:8:w" in done.stderr)
    assert done.returncode == (0 if attached else 255)
