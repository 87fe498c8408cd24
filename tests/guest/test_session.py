"""Blocks of a session share maps, also between probes of kinds that other machines lack."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytrace.repl.compiling import Compiler
from pytrace.repl.engine import Engine
from pytrace.semantics.unit import Options
from tests.guest.conftest import READS, SIZE

pytestmark = pytest.mark.guest


@pytest.fixture
def engine() -> Iterator[Engine]:
    one = Engine(Compiler(Options()), lambda lines: None, limited=False)
    yield one
    one.close()


def test_entry_and_return_of_a_call_in_two_blocks(engine: Engine, load: Path):
    """The return comes first, and guesses what the entry will store."""
    engine.add("kretprobe:vfs_read /@start[tid]/ { @[retval, nsecs > @start[tid]] = count(); @start[tid] = 0 }")
    engine.add(f"kprobe:vfs_read {READS} {{ @start[tid] = nsecs }}")
    subprocess.run([str(load), "read", str(SIZE), "1"], check=True)
    assert engine.text_of("@") == f"@[512, true]: {SIZE}\n".encode()


def test_a_stopped_block_counts_no_more(engine: Engine, load: Path):
    engine.add('fentry:vfs_read /comm == "load" && args.count == 512/ { @a = count() }')
    engine.add(f"kprobe:vfs_read {READS} {{ @b = count() }}")
    engine.stop(1)
    subprocess.run([str(load), "read", str(SIZE), "1"], check=True)
    engine.stop(2)
    engine.start(1)
    subprocess.run([str(load), "read", str(SIZE), "1"], check=True)
    assert engine.text_of("@a") == f"@a: {SIZE}\n".encode()
    assert engine.text_of("@b") == f"@b: {SIZE}\n".encode()
