"""Counting programs for the live tests, and the programs that are traced."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytrace.kernel import bpf
from pytrace.kernel.assemble import call, exit_, insn, map_fd, mov, mov_register

PROGRAMS = Path(__file__).resolve().parent / "programs"

GET_CURRENT_PID_TGID, GET_ATTACH_COOKIE = 14, 174


class Counter:
    """An array of u64 that programs count in."""

    def __init__(self, entries: int = 64) -> None:
        self.fd = bpf.map_create("array", 4, 8, entries, name="counter")
        self._progs: list[int] = []

    def __getitem__(self, index: int) -> int:
        value = bpf.map_lookup(self.fd, struct.pack("<I", index), 8)
        assert value is not None
        return int.from_bytes(value, "little")

    def program(self, type: str, *, only_me: bool = True, cookie: bool = False, head: bytes = b"", **options) -> int:
        """A program that adds one to entry 0, or to the one its attach cookie names; of this process alone if wanted.

        `head` stands in front and may jump over the rest with offset `Counter.REST`.
        """
        skip = insn(0x77, 0, imm=32) + insn(0x15, 0, offset=2, imm=os.getpid()) + exit_(0) if only_me else b""
        me = call(GET_CURRENT_PID_TGID) + skip if only_me else b""
        index = mov_register(1, 6) + call(GET_ATTACH_COOKIE) if cookie else mov(0, 0)
        count = (
            insn(0x63, 10, 0, -4) + map_fd(1, self.fd) + mov_register(2, 10, -4) + call(1)
            + insn(0x15, 0, offset=2) + mov(1, 1) + insn(0xDB, 0, 1) + exit_(0)
        )
        code = mov_register(6, 1) + head + me + index + count
        self._progs.append(bpf.prog_load(type, code, name="counting", **options))
        return self._progs[-1]

    def close(self) -> None:
        for fd in (*self._progs, self.fd):
            os.close(fd)


@pytest.fixture
def counter() -> Iterator[Counter]:
    made = Counter()
    yield made
    made.close()


@pytest.fixture(scope="session")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compiles `programs/NAME.c` once and gives the executable."""
    folder = tmp_path_factory.mktemp("traced")

    def compile_program(name: str, *flags: str) -> Path:
        target = folder / "-".join([name, *(flag.strip("-") for flag in flags)])
        if not target.exists():
            subprocess.run(["gcc", "-O1", *flags, "-o", str(target), str(PROGRAMS / f"{name}.c")], check=True)
        return target

    return compile_program
