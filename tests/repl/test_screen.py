"""The session on a terminal, as its user sees it."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.repl.terminal import Terminal

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

CALLS = 100_000


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Opens a session in a terminal and waits for its prompt."""
    opened: list[Terminal] = []

    def start(*options: str, **more: object) -> Terminal:
        one = Terminal(tmp_path / "state", *options, **more)  # type: ignore[arg-type]
        opened.append(one)
        one.until("pt[1]>")
        return one

    yield start
    for one in opened:
        one.kill()


def test_the_first_screen(terminal):
    """The greeting, the prompt, and the line at the bottom."""
    one = terminal()
    one.until("0 of 0 blocks running")
    assert re.match(r"pytrace [\d.]+ · Linux \S+ \S+ · BTF ok", one.lines[0])
    assert one.lines[1] == "pt[1]>"
    assert one.lines[-1].startswith(" 0 of 0 blocks running")
    one.type("\x04")
    assert one.end() == 0


def test_entries_and_their_answers(terminal):
    one = terminal()
    one.enter("begin { @n = 41 }", "[1] ○ ran 1 probe")
    one.enter("= @n + 1", "42")
    one.enter("@n", "@n: 41")
    one.enter("= nosuch", "Unknown identifier: 'nosuch'")
    one.enter(":ls", "[1]  done")


def test_an_open_brace_makes_a_new_line(terminal):
    """It is indented; a closing brace stands below what it closes, and the last one runs it all."""
    one = terminal()
    for line in ("begin {", "if (1) {", 'print("inner")', "}"):
        one.type(f"{line}\r")
        one.settle(0.3)
    one.type("}")
    one.settle(0.3)
    shown = one.lines[1:6]
    assert [line.removeprefix("pt[1]> ").removeprefix("...... ") for line in shown] == [
        "begin {", "  if (1) {", '    print("inner")', "  }", "}",
    ]
    one.type("\r")
    one.until("[1] ○ ran 1 probe")
    assert "[1] inner" in one.text


def test_ctrl_c_clears_the_line_and_keeps_the_session(terminal):
    one = terminal()
    one.type("begin { nonsense")
    one.settle(0.3)
    one.type("\x03")
    one.settle(0.3)
    assert "nonsense" not in "\n".join(one.lines)
    one.enter("= 6 * 7", "42")


def test_the_line_being_typed_is_never_torn(terminal, load):
    """Whole lines above, the prompt and what was typed below, however much is printed."""
    one = terminal()
    one.enter('tracepoint:syscalls:sys_enter_getppid /comm == "load"/ { printf("call %d\\n", tid) }', "[1] ●")
    typed = "= 1000 + 337"
    busy = subprocess.Popen([str(load), "getppid", str(CALLS), "1"])
    for at, key in enumerate(typed, 1):
        one.type(key)
        one.until(f"pt[2]> {typed[:at]}".rstrip())
        for _ in range(5):  # while something is put above it, it may be gone for a moment
            one.feed()
            prompts = [line for line in one.lines if line.startswith("pt[2]>")]
            assert len(prompts) <= 1, one.text
            assert all(f"pt[2]> {typed}".startswith(prompt) for prompt in prompts), prompts
    busy.wait()
    one.until("more lines in the log (:log 1)")
    one.type("\r")
    one.until("1337")
    for line in one.text.splitlines():
        assert not line.startswith("[1] ") or re.fullmatch(r"\[1\] (call \d+|… .* in the log \(:log 1\)|● .*)", line)
    one.settle(1)
    one.enter(":ls", f"{CALLS:,}")


def test_the_log_is_paged_and_complete(terminal, load, tmp_path):
    one = terminal(PAGER=f"cp /dev/stdin {tmp_path}/paged")
    one.enter('tracepoint:syscalls:sys_enter_getppid /comm == "load"/ { @n++; printf("%d\\n", @n) }', "[1] ●")
    subprocess.run([str(load), "getppid", str(CALLS), "1"], check=True)
    one.settle(2)
    one.enter(":ls", f" {CALLS:,} ")
    one.enter(":log 1", "pt[2]> :log 1")
    one.enter('= ("paged", 1)', "(paged, 1)")
    assert (tmp_path / "paged").read_text() == "".join(f"{n + 1}\n" for n in range(CALLS))


def test_a_view_stands_below_the_prompt_and_goes_on_ctrl_c(terminal):
    one = terminal()
    one.enter("interval:ms:10 { @us = hist(5) }", "[1] ●")
    one.enter(":watch @us 200ms", "watch @us every 0.2 s")
    one.until("[4, 8)")
    prompt = max(at for at, line in enumerate(one.lines) if line.startswith("pt[2]>"))
    assert any("[4, 8)" in line for line in one.lines[prompt:])
    one.enter(":heat @us 200ms", "heat @us every 0.2 s")
    one.until("|█")
    one.type("\x03")
    one.until("heat @us every", gone=True)
    one.enter("= 40 + 2", "42")


def test_an_edited_block_is_offered_with_its_text(terminal):
    one = terminal()
    one.enter("interval:s:9 { @a = 1 }", "[1] ●")
    one.type(":edit 1\r")
    one.until("pt[1]> interval:s:9 { @a = 1 }")
    one.type("\x7f" * len("1 }") + "nosuch }\r")
    one.until("Unknown identifier: 'nosuch'")
    one.settle(1)
    assert one.lines[one.screen.cursor.y] == "pt[1]> interval:s:9 { @a = nosuch }"  # to be put right
    one.type("\x7f" * len("nosuch }") + "2 }\r")
    one.until("pt[2]>")
    one.enter(":show 1", "[1] interval:s:9 { @a = 2 }")


def test_history_is_kept_and_private(terminal, tmp_path):
    one = terminal()
    one.enter("= 1234 + 1", "1235")
    one.type("\x04")
    assert one.end() == 0
    kept = tmp_path / "state" / "pytrace" / "history"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    two = terminal()
    two.type("\x1b[A")
    two.until("pt[1]> = 1234 + 1")
    two.type("\x03= 12")
    two.until("= 1234 + 1")  # suggested


def test_history_of_others_is_not_touched(terminal, tmp_path):
    """A link in the place of the file is not followed, nor is a folder used that others can write."""
    folder = tmp_path / "state" / "pytrace"
    folder.mkdir(parents=True, mode=0o700)
    target = tmp_path / "target"
    target.write_text("")
    (folder / "history").symlink_to(target)
    one = terminal()
    one.enter("= 40 + 2", "42")
    one.type("\x04")
    assert one.end() == 0
    assert target.read_text() == ""


def test_an_editor_of_one_s_own(terminal, tmp_path):
    script = tmp_path / "editor"
    script.write_text("#!/bin/sh\necho '= 600 + 66' > \"$1\"\n")
    script.chmod(0o700)
    one = terminal(EDITOR=str(script))
    one.type("= 1")
    one.settle(0.3)
    one.type("\x18\x05")
    one.until("= 600 + 66")
    one.type("\r")
    one.until("666")


def test_keys_of_vi(terminal):
    one = terminal()
    one.type(":keys vi\r")
    one.until(" vi")
    one.type("= 1 + 2\x1b0lx\r")  # deletes the blank behind the sign
    one.until("pt[1]> =1 + 2")
    one.until("\n3")


def test_completion_knows_tracepoints(terminal):
    one = terminal()
    one.settle(3)
    one.type("t:opnat")
    one.until("sys_enter_openat")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_session_in_order(terminal, number):
    """The terminal is given back as it was, end probes run."""
    one = terminal()
    before = subprocess.run(["stty", "-F", tty_of(one), "-a"], capture_output=True, text=True, check=True).stdout
    assert "-icanon" in before
    one.enter('interval:s:9 { @a = 1 } end { printf("the end\\n") }', "[1] ●")
    one.child.kill(number)
    one.until("[1] the end")
    assert one.end() == 0


def tty_of(one: Terminal) -> str:
    return os.readlink(f"/proc/{one.child.pid}/fd/0")


def test_traced_text_cannot_command_the_terminal(terminal):
    one = terminal()
    one.enter('begin { printf("%s\\n", "\\x1b[2Jcleared\\x1b]0;title\\x07") }', "cleared")
    assert one.lines[0].startswith("pytrace ")
    assert one.screen.title == ""


def test_a_screen_as_a_whole(terminal, snapshot):
    """What a user has before them after a few entries; numbers that differ from time to time are N."""
    one = terminal()
    one.enter("begin { @n = 3; @h[1] = lhist(5, 0, 10, 5) }", "[1] ○ ran 1 probe")
    one.enter("@h", "@h[1]:")
    one.enter("= @n * 2", "\n6")
    one.enter("begin { @n = comm }", "as block [1] made it")
    one.enter(":maps", "@n")
    one.until("pt[2]> :maps")
    one.until("gathering names", gone=True)
    one.settle(2)
    shown = re.sub(r"in \d+ ms", "in N ms", "\n".join(one.lines))
    shown = re.sub(r"^pytrace .*\n(?:.*tracepoints\n)?", "pytrace …\n", shown)
    shown = re.sub(r"^[\d,]+ kernel functions.*\n", "", shown, flags=re.MULTILINE)
    assert re.sub(r"\n{2,}", "\n", shown) == snapshot
