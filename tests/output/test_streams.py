"""Results reach their reader when the buffering mode says, and failures are told once."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from pytrace.output.streams import Messages, Output, OutputError


def read(fd: int) -> bytes:
    os.set_blocking(fd, False)
    try:
        return os.read(fd, 1 << 20)
    except BlockingIOError:
        return b""


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(fd)


@pytest.mark.parametrize(
    ("buffering", "written"),
    [("line", [b"", b"ab\n", b"", b"c"]), ("none", [b"a", b"b\n", b"c", b""]), ("full", [b"", b"", b"", b"ab\nc"])],
)
def test_buffering(pipe, buffering: str, written: list[bytes]):
    reader, writer = pipe
    output = Output(writer, buffering)
    seen = []
    for piece in (b"a", b"b\n", b"c"):
        output.write(piece)
        output.settle()
        seen.append(read(reader))
    output.flush()
    seen.append(read(reader))
    assert seen == written


def test_messages_come_behind_results(pipe):
    reader, writer = pipe
    output = Output(writer)
    output.write(b"result\n")
    Messages(output, writer).write(b"message\n")
    assert read(reader) == b"result\nmessage\n"


def test_much_output_does_not_wait(pipe):
    reader, writer = pipe
    os.set_blocking(writer, False)
    output = Output(writer, "full")
    for _ in range(17):
        output.write(b"x" * 4096)
    assert len(read(reader)) == 16 * 4096


def test_a_reader_that_has_gone(pipe):
    reader, writer = pipe
    os.close(reader)
    output = Output(writer)
    output.write(b"text\n")
    with pytest.raises(BrokenPipeError):
        output.flush()
    output.write(b"more\n")
    output.flush()


def test_a_full_disk_is_told_once():
    output = Output.to_file("/dev/full")
    output.write(b"text\n")
    with pytest.raises(OutputError, match="No space left on device"):
        output.settle()
    output.write(b"more\n")
    output.close()


def test_a_file_is_created_and_emptied(tmp_path: Path):
    path = tmp_path / "out"
    path.write_text("old and longer")
    output = Output.to_file(str(path))
    output.write(b"new")
    output.close()
    assert path.read_bytes() == b"new"
