"""Programs that share the events of system calls see what programs at each event see: every call by its own name, and
none of a 32-bit program."""

from __future__ import annotations

import platform
import re

import pytest

pytestmark = [pytest.mark.guest, pytest.mark.skipif(platform.machine() != "x86_64", reason="calls of x86-64")]

BODY = "@[probe, args.__syscall_nr] = count();"


@pytest.mark.parametrize("direction", ["enter", "exit"])
def test_the_same_calls_are_seen(start, build, monkeypatch, direction):
    """A kernel stack, which is never printed, keeps the second script's programs at their own events."""
    monkeypatch.setenv("BPFTRACE_MAX_PROBES", "2000")
    program = build("calls", "-Wno-deprecated")

    def counts(body: str) -> list[str]:
        script = f'tracepoint:syscalls:sys_{direction}_* /comm == "calls"/ {{ {body} }}'
        return sorted(start("-q", "--no-warnings", "-e", script, "-c", str(program)).wait().lines)

    together = counts(BODY)
    assert together == counts(f"if (pid == 0) {{ print(kstack); }} {BODY}")
    assert len(together) > 250
    assert {re.search(r", (\d+)\]", line)[1] for line in together} >= {"20", "39", "110"}
