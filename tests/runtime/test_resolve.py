"""Names for addresses, users, moments and control groups, on this machine."""

from __future__ import annotations

import os
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytrace.codegen.image import Action, Image, RecordLayout, ScriptMap
from pytrace.kernel import kallsyms
from pytrace.kernel.elf import Elf
from pytrace.output.values import CapturedStack
from pytrace.runtime.cgroups import cgroup_paths
from pytrace.runtime.resolve import MachineResolver, uses_user_symbols
from pytrace.semantics.configuration import Config
from pytrace.semantics.types import I64, U64, USYM, Aggregate, Stack, Tuple
from tests.runtime.assemble import PLACE

EMPTY = Image((), (), (), (), Config(), strings=("%Y-%m-%d %H:%M:%S.%f", "", "unif*", "no-such-*"))
BILLION = 1_000_000_000


@pytest.fixture
def errors() -> list[str]:
    return []


@pytest.fixture
def resolver(errors: list[str]) -> MachineResolver:
    return MachineResolver(EMPTY, boot_offset=0, tai_offset=37 * BILLION, error=errors.append)


def kernel_stack(*frames: int) -> CapturedStack:
    return CapturedStack(0, 0, frames)


@pytest.mark.live
def test_kernel_symbols(resolver: MachineResolver):
    address = kallsyms.lookup("schedule")[0].address
    assert resolver.ksym(address + 3) == b"schedule"
    assert resolver.ksym(0) == b"0"
    assert resolver.ksym(1) == b"0x1"
    frames = kernel_stack(address + 3, 1)
    assert resolver.stack(Stack("kstack", "bpftrace", 2), frames) == b"\n        schedule+3\n        0x1\n"
    assert resolver.stack(Stack("kstack", "perf", 2), frames) == b"\n\t%x schedule+3\n\t1 0x1\n" % (address + 3)
    assert resolver.stack(Stack("kstack", "raw", 2), frames) == b"\n%x\n1\n" % (address + 3)
    assert resolver.stack(Stack("kstack", "bpftrace", 0), kernel_stack()) == b"\n"


@pytest.fixture
def traced(load: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A running process, and the address of its function load_call."""
    process = subprocess.Popen([load, "call", "1000000000000"])
    time.sleep(0.1)
    function = Elf(str(load)).function("load_call")
    assert function is not None
    mapped = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
    base = next(int(line.split("-")[0], 16) for line in mapped if line.endswith(str(load)))
    yield process, base + function.address
    process.kill()
    process.wait()


@pytest.mark.live
def test_user_symbols(resolver: MachineResolver, traced: tuple[subprocess.Popen[bytes], int], load: Path):
    process, address = traced
    assert resolver.usym(address, process.pid, 0) == b"load_call"
    assert resolver.usym(0, process.pid, 0) == b"0"
    assert resolver.usym(0x10, process.pid, 0) == b"0x10"
    stack = CapturedStack(process.pid, process.pid, (address + 4, 0x10))
    assert resolver.stack(Stack("ustack", "bpftrace", 2), stack) == b"\n        load_call+4\n        0x10\n"
    assert resolver.stack(Stack("ustack", "perf", 2), stack) == (
        b"\n\t%x load_call+4 (%s)\n\t10 0x10 ([unknown])\n" % (address + 4, os.fsencode(load))
    )


@pytest.mark.live
def test_symbols_outlive_a_process_that_was_remembered(
    resolver: MachineResolver, traced: tuple[subprocess.Popen[bytes], int]
):
    process, address = traced
    resolver.remember(process.pid)
    process.kill()
    process.wait()
    time.sleep(0.2)
    assert resolver.usym(0x10, process.pid, 0) == b"0x10"
    assert resolver.usym(address, process.pid, 0) == b"load_call"


def test_frames_by_build_id(resolver: MachineResolver):
    build_id = bytes(range(20))
    frames = (struct.pack("<i20sQ", 1, build_id, 0x11A1), struct.pack("<i20sQ", 1, build_id, 5),
              struct.pack("<i20sQ", 2, bytes(20), 0x7FBA))  # fmt: skip
    shown = resolver.stack(Stack("ustack", "build_id", 3), CapturedStack(1, 1, frames))
    name = build_id.hex().encode()
    assert shown == b"\n%s 0x11a1\n%s 0x05\n7fba\n" % (name, name)


def test_names_of_users(resolver: MachineResolver):
    assert resolver.username(0) == b"root"
    assert resolver.username(4_000_000_123) == b""
    assert resolver.username(1 << 40) == b""


def test_moments(resolver: MachineResolver, errors: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        assert resolver.timestamp(BILLION + 123_456_789, 0, 0) == b"1970-01-01 00:00:01.123456"
        assert resolver.timestamp(40 * BILLION, 0, 1) == b"1970-01-01 00:00:03.000000"
        assert resolver.timestamp(0, 1, 0) == b"(?)"
        assert errors == ["strftime returned 0"]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_moments_keep_within_max_strlen():
    image = replace(EMPTY, config=Config(max_strlen=8))
    resolver = MachineResolver(image, boot_offset=0, tai_offset=0, error=lambda text: None)
    assert resolver.timestamp(0, 0, 0) == b"(?)"


@pytest.mark.live
def test_control_groups(resolver: MachineResolver):
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    root = next((line.split()[4] for line in mounts if " - cgroup2 " in line), None)
    if root is None:
        pytest.skip("no cgroup2 is mounted")
    inner = Path(root) / "pytrace-test"
    inner.mkdir()
    try:
        number = inner.stat().st_ino
        assert ("unified", "/pytrace-test") in list(cgroup_paths(number, ""))
        assert resolver.cgroup_path(number, 2) == b"unified:/pytrace-test"
        assert resolver.cgroup_path(number, 3) == b""
        assert resolver.cgroup_path(os.stat(root).st_ino, 2) == b"unified:/"
    finally:
        inner.rmdir()


def test_what_needs_user_symbols():
    def image(*types: object, key: object = None) -> Image:
        layout = RecordLayout(8, tuple((8, type_) for type_ in types))  # type: ignore[misc]  # any types
        maps = (ScriptMap("@", "m", key, Aggregate("count"), True, 1),)  # type: ignore[arg-type]
        return Image((), (), maps, (Action("print", (), layout, PLACE, 1),), Config())

    assert not uses_user_symbols(image(I64, Stack("kstack", "bpftrace", 1)))
    assert uses_user_symbols(image(USYM))
    assert uses_user_symbols(image(key=Tuple((U64, Stack("ustack", "perf", 1)))))
