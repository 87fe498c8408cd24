"""What blocks print, kept and cut."""

from __future__ import annotations

import os
from pathlib import Path

from pytrace.repl.block import Feed
from pytrace.repl.log import Log, tagged
from pytrace.repl.trickle import BURST, Trickle, harmless


def test_tagged_marks_each_line():
    assert tagged(12, b"a\n\nb\n") == b"[12] a\n[12] \n[12] b\n"


def test_the_log_gives_back_what_it_got(tmp_path: Path):
    log = Log(str(tmp_path))
    log.write(tagged(1, b"one\n") + tagged(12, b"twelve\n"))
    log.write(tagged(1, b"[12] is what one said\n"))
    assert b"".join(log.lines()) == b"[1] one\n[12] twelve\n[1] [12] is what one said\n"
    assert b"".join(log.lines(1)) == b"one\n[12] is what one said\n"
    assert b"".join(log.lines(12)) == b"twelve\n"
    log.close()


def test_the_log_has_no_name(tmp_path: Path):
    log = Log(str(tmp_path))
    log.write(b"[1] secret\n")
    assert list(tmp_path.iterdir()) == []
    assert os.fstat(log.fd).st_nlink == 0
    assert os.fstat(log.fd).st_mode & 0o077 == 0
    log.close()


def test_a_full_log_forgets_its_beginning(tmp_path: Path):
    log = Log(str(tmp_path), limit=20 << 20)
    line = b"[1] " + b"x" * 1019 + b"\n"
    for number in range(30):
        log.write((b"[%d] " % number).ljust(1023, b"y") + b"\n" + line * 1023)
    assert log.end - log.start <= 20 << 20
    kept = b"".join(log.lines())
    assert len(kept) % 1024 == 0 and kept.endswith(line)
    assert b"[29] y" in kept and b"[0] y" not in kept
    assert os.fstat(log.fd).st_blocks * 512 <= 22 << 20
    log.close()


def test_a_feed_gives_whole_lines_only():
    feed = Feed()
    feed.write(b"one\ntw")
    assert feed.take(0.0) == b"one\n"
    assert feed.take(0.1) == b""
    feed.write(b"o\n")
    assert feed.take(0.2) == b"two\n"


def test_a_line_without_end_is_given_in_the_end():
    feed = Feed()
    feed.write(b"half")
    assert feed.take(1.0) == b""
    assert feed.take(5.0) == b"half\n"
    feed.write(b"rest")
    assert feed.take(5.1, all=True) == b"rest\n"


def test_a_flood_is_shown_in_part_and_counted_in_full():
    """Lines shown and lines reported as not shown come to all there were."""
    trickle = Trickle(3)
    shown = b"".join(trickle.take(b"line\n" * 1000, 10.0 + n / 10) for n in range(50))
    shown += trickle.calm(20.0)
    lines = shown.splitlines()
    few = [line for line in lines if line == b"line"]
    hidden = [int(line.split()[2].replace(b",", b"")) for line in lines if b"more line" in line]
    assert BURST <= len(few) <= BURST + 5 * 5 + 1
    assert len(few) + sum(hidden) == 50_000
    assert trickle.calm(21.0) == b""


def test_a_few_lines_are_all_shown():
    trickle = Trickle(1)
    assert trickle.take(b"a\nb\n", 1.0) == b"a\nb\n"
    assert trickle.calm(9.0) == b""


def test_a_quiet_block_shows_nothing():
    trickle = Trickle(1)
    trickle.quiet = True
    assert trickle.take(b"a\n" * 100, 1.0) + trickle.calm(9.0) == b""


def test_nothing_that_a_terminal_obeys_gets_through():
    nasty = "\x1b]0;title\x07 \x1b[2J \r\b\x7f \x9b31m tab\there é\n".encode() + b"\xff\n"
    clean = harmless(nasty).decode()
    assert not any(ord(char) < 32 and char not in "\t\n" for char in clean)
    assert not any(0x7F <= ord(char) < 0xA0 for char in clean)
    assert "tab\there é\n" in clean
