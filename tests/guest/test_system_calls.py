"""Programs that share the events of system calls see what programs at each event see: every call by its own name, and
none of a 32-bit program."""

from __future__ import annotations

import platform

import pytest

pytestmark = [pytest.mark.guest, pytest.mark.skipif(platform.machine() != "x86_64", reason="calls of x86-64")]

NAMED = (
    "newstat", "newfstat", "newlstat", "newuname", "sendfile64", "umount", "writev", "getpid", "getppid", "read",
    "openat", "close", "mmap", "futex", "ioctl", "bpf",
)
"""Some that are called otherwise than their calls, and some others: too few to be shared."""


@pytest.mark.parametrize("direction", ["enter", "exit"])
def test_the_same_calls_are_seen(start, build, direction):
    """By number, as the raw tracepoint sees them, where the old entry's call of 20 is one more; by name, as at each
    event."""
    program = build("calls")

    def counts(specs: str, body: str) -> dict[str, int]:
        script = f'{specs} /comm == "calls"/ {{ {body} }}'
        done = start("-q", "--no-warnings", "-e", script, "-c", str(program)).wait()
        return {line.split("]")[0][2:]: int(line.split(": ")[1]) for line in done.lines}

    spec = f"tracepoint:syscalls:sys_{direction}_"
    together = counts(f"{spec}*", "@[probe, args.__syscall_nr] = count();")
    by_name = {name.split(", ")[0]: count for name, count in together.items()}
    by_number = {name.split(", ")[1]: count for name, count in together.items()}
    assert len(together) == len(by_name) == len(by_number) > 250
    single = counts(",".join(f"{spec}{name}" for name in NAMED), "@[probe] = count();")
    assert len(single) == len(NAMED)
    assert {name: by_name[name] for name in single} == single
    raw = counts("tracepoint:raw_syscalls:sys_" + direction, "@[args.id] = count();")
    assert raw["20"] == by_number["20"] + 1
    del raw["20"], by_number["20"]
    assert {number: raw.get(number) for number in by_number} == by_number
