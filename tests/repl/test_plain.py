"""The session through a pipe: what a user enters, and what comes of it."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Done

pytestmark = pytest.mark.live

Enter = Callable[..., str]
CALLS = 2000


@pytest.fixture
def enter(pytrace: Callable[..., Done]) -> Enter:
    """Enters lines, and gives what is printed, times taken out. `status` 1: some of it did not work."""

    def run(*lines: str, status: int = 0, options: tuple[str, ...] = ()) -> str:
        done = pytrace("--repl", *options, status=status, input="\n".join(lines) + "\n", stdin=None)
        assert done.stderr == ""
        return re.sub(r"in \d+ ms", "in N ms", done.stdout)

    return run


def test_blocks_share_maps(enter: Enter, load: Path):
    out = enter(
        'tracepoint:syscalls:sys_enter_getppid /comm == "load"/ { @calls[comm] = count(); @n++ }',
        'tracepoint:syscalls:sys_exit_getppid /comm == "load"/ {',
        "  @calls[comm] = count();",
        "}",
        f':load {write_script(load.parent, "x.bt", "begin { @n = 5 }")}',
        "@n",
        "= @n + 1",
        '@calls["none"]',
    )
    assert out == (
        "[1] ● attached 1 probe in N ms\n[2] ● attached 1 probe in N ms\n[3] ○ ran 1 probe in N ms\n@n: 5\n6\n0\n"
    )


def write_script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def run_load(load: Path) -> None:
    subprocess.run([str(load), "getppid", str(CALLS), "1"], check=True)


class Session:
    """A session that is talked to line by line."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytrace", "--repl", *options], cwd=ROOT, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def until(self, text: str) -> str:
        """Reads up to the line that holds the text."""
        assert self.process.stdout is not None
        lines = []
        while line := self.process.stdout.readline().decode():
            lines.append(line)
            if text in line:
                return "".join(lines)
        raise AssertionError(f"{text!r} is missing in:\n{''.join(lines)}")

    def end(self) -> str:
        return self.process.communicate(timeout=30)[0].decode()


@pytest.fixture
def session() -> Session:
    opened = Session()
    yield opened
    opened.process.kill()
    opened.process.communicate()


def test_counts_are_exact_across_blocks(session: Session, load: Path):
    session.say('tracepoint:syscalls:sys_enter_getppid /comm == "load"/ { @[comm] = count(); @r = sum(1) }')
    session.say('rawtracepoint:sys_enter /comm == "load" && args.id == 110/ { @[comm] = count(); @r = sum(1) }')
    session.until("[2] ●")
    run_load(load)
    session.say("@")
    session.say("@r")
    assert session.until("@r") == f"@[load]: {2 * CALLS}\n@r: {2 * CALLS}\n"


def test_what_blocks_print_is_all_in_the_log(session: Session, load: Path):
    session.say('tracepoint:syscalls:sys_enter_getppid /comm == "load"/ { @n++; printf("call %d\\n", @n) }')
    session.until("[1] ●")
    run_load(load)
    assert session.until(f"call {CALLS}\n").count("[1] call ") == CALLS
    session.say(":log 1")
    assert session.until(f"call {CALLS}\n") == "".join(f"call {n + 1}\n" for n in range(CALLS))


def test_stopping_and_starting(session: Session, load: Path):
    session.say('tracepoint:syscalls:sys_enter_getppid /comm == "load"/ { @ = count() } end { printf("end\\n") }')
    session.until("[1] ●")
    run_load(load)
    session.say(":stop 1")
    assert "[1] end\n" in session.until("[1] ○ stopped")
    run_load(load)
    session.say("@")
    session.until(f"@: {CALLS}")
    session.say(":start 1")
    session.until("[1] ● running")
    run_load(load)
    session.say("@")
    session.until(f"@: {2 * CALLS}")


def test_an_edited_block_keeps_its_maps_when_they_fit(enter: Enter):
    out = enter(
        'begin { @a = 1; @b["one"] = 2 }', ":edit 1", "begin { @c = 3 }", "@a", ":edit 1", 'begin { @a = "text" }',
        "@a", "@b",
    )
    assert out.splitlines() == [
        "[1] ○ ran 1 probe in N ms", "the next block replaces [1]", "[1] ○ ran 1 probe in N ms", "@a: 1",
        "the next block replaces [1]", "[1] @a starts anew: its type has changed", "[1] ○ ran 1 probe in N ms",
        "@a: text", "@b[one]: 2",
    ]


def test_a_map_that_others_use_keeps_its_type(enter: Enter):
    out = enter(
        "begin { @a[pid] = 1 }", "interval:s:100 { print(@a[1]) }", ":edit 1", 'begin { @a[pid] = "text" }', ":ls",
        status=1,
    )
    assert "Type mismatch for @a: trying to assign value of type 'string[5]'" in out
    assert "HINT: @a holds int64 by uint64, as block [1] made it; [2] uses it too" in out
    assert "[1]  done" in out and "[2]  running" in out


def test_a_writer_that_readers_cannot_follow_is_refused(enter: Enter):
    """What a block takes values for that nobody stores yet is a guess; the first writer has to fit to what is done with
    them."""
    out = enter("interval:s:9 { print(@a[1] + 1) }", 'begin { @a[1] = "text" }', ":maps", status=1)
    assert "ERROR: Block [1] would not fit any more." in out
    assert re.search(r"^@a +\[int64\] +int(8|64) ", out, re.MULTILINE)


def test_a_reader_gets_the_writer_s_type(session: Session, load: Path):
    session.say('tracepoint:syscalls:sys_exit_getppid /@ts[tid]/ { @d = count(); @big = @ts[tid]; delete(@ts, tid) }')
    session.say('tracepoint:syscalls:sys_enter_getppid /comm == "load"/ { @ts[tid] = 0x123456789abcdef }')
    session.until("[2] ●")
    run_load(load)
    session.say("@d")
    session.until(f"@d: {CALLS}")
    session.say("@big")
    session.until(f"@big: {0x123456789abcdef}")


def test_exit_ends_its_block_only(enter: Enter):
    out = enter(
        'begin { @a = 1 } interval:ms:20 { printf("once\\n"); exit(3); printf("never\\n") } end { printf("end\\n") }',
        "interval:ms:20 { @b = 1 }", ":wait 500ms", ":ls", "@b",
    )
    assert out.count("[1] once\n") == 1 and out.index("[1] once\n") < out.index("[1] end\n")
    assert "[1] end\n[1] ended by exit() with status 3\n" in out
    assert "never" not in out
    assert "[1]  ended" in out and "[2]  running" in out and "@b: 1" in out


def test_expressions(enter: Enter):
    out = enter("= 2 + 3 * 4", "= (1, \"a\")", "= @x = 5", "@x", "= delete(@y, 1)", "= clear(@x)", "= curtask.comm",
                status=1)  # fmt: skip
    lines = out.splitlines()
    assert lines[:2] == ["14", "(1, a)"]
    assert "@x: 5" in lines
    assert lines[-1].startswith("py")


@pytest.mark.parametrize("text", [
    "nonsense", "begin { print(nosuch) }", "begin {", "begin { printf(\"%d\", ) }", "kprobe:no_such_function { }",
    "tracepoint:no:such { }", "= 1 +", "= \"unclosed", "@nosuch", "@nosuch[1]", ":nosuch", ":stop", ":stop 9",
    ":stop x",
    ":rm @nosuch", ":load /no/such/file", ":save", ":save /no/such/dir/x", ":watch @nosuch", ":clear @nosuch",
    ":wait forever", ":log 7", "\"", "}", "/*", "\\", "\x01\x02", "é", ":stop 1 \"", "=", "test:x { return 1 }",
    "#include <nosuchheader.h>", "import \"nosuch\"; begin { }", "config = { nosuch = 1 } begin { }", "#!x",
    "tracepoint:syscalls:sys_enter_read /1 { }", "?nosuchtopic", ":edit 1", ":", "::", "@ @",
])  # fmt: skip
def test_bad_input_is_answered_in_words_and_leaves_nothing(enter: Enter, text: str):
    """The session goes on, and has no block or map more."""
    done = subprocess.run(
        [sys.executable, "-m", "pytrace", "--repl"], cwd=ROOT, input=f"{text}\n\n:ls\n:maps\n= 6 * 7\n".encode(),
        capture_output=True, timeout=50, check=False,
    )
    out = done.stdout.decode("utf-8", "replace")
    assert "Traceback" not in out + done.stderr.decode() and done.stderr == b""
    assert out.endswith("no blocks yet\nno maps yet\n42\n") or text in ("/*", "#!x"), out


def test_a_block_that_cannot_be_attached_leaves_no_map(enter: Enter):
    out = enter("uprobe:/bin/true:no_such_symbol { @left = 1 }", ":maps", ":ls", status=1)
    assert out.endswith("no maps yet\nno blocks yet\n")


def test_definitions_are_for_all_blocks_to_come(enter: Enter, tmp_path: Path):
    """A later one of the same name counts, also when it stands in the block itself; nothing is kept of a bad one."""
    script = tmp_path / "saved.bt"
    other = write_script(tmp_path, "n.bt", SCRIPT)
    out = enter(
        "macro twice(x) { x * 2 }", "struct pair { int a; int b; };", "#define N 21",
        "= twice(N) + sizeof(struct pair)", "#define N 50", "= N", "struct bad { nosuch y; };", "= 1 + 1",
        f":load {other}", ":ls", f":save {script}", status=1,
    )
    lines = out.splitlines()
    assert lines[:6] == ["defined twice(x)", "defined struct pair", "defined N", "50", "defined N", "50"]
    assert "unknown type name 'nosuch'" in out and "\n2\n" in out and "[1] 7 14" in out
    text = script.read_text()
    assert text.count("#define") == 2 and text.count("macro twice") == 1 and "nosuch" not in text


SCRIPT = '#define N 7\nbegin { printf("%d %d\\n", N, twice(N)) }'


def test_saving_and_loading(enter: Enter, tmp_path: Path):
    script = tmp_path / "saved.bt"
    enter("begin { @a = 1 }", "interval:s:9 {", "  @b = 2", "}", f":save {script}")
    assert script.read_text() == "begin { @a = 1 }\n\ninterval:s:9 {\n  @b = 2\n}\n"
    out = enter(f":load {script}", "@a", f":save {script}", f":save! {script}", status=1)
    assert out.splitlines()[:2] == ["[1] ● attached 2 probes in N ms", "@a: 1"]
    assert f"{script} exists; :save! {script} replaces it" in out
    assert out.splitlines()[-1] == f"1 block written to {script}"


def test_a_loaded_script_has_parameters(enter: Enter, tmp_path: Path):
    script = write_script(tmp_path, "with space é.bt", "begin { printf(\"%d %s\\n\", $1, str($2)) }")
    assert "[1] 7 two words\n" in enter(f':load "{script}" 7 "two words"')


def test_views_print_once(enter: Enter):
    out = enter(
        "begin { @h = hist(5); @c[1] = count(); @c[2] = count(); @c[2] = count() }", "interval:ms:10 { @h = hist(9) }",
        ":heat @h 200ms", ":top @c 100ms", ":watch @c 100ms", ":heat @c", ":top @h", status=1,
    )
    assert re.search(r"^\d\d:\d\d:\d\d \|█+\| \d+$", out, re.MULTILINE)
    assert re.search(r"^1 +1 +\+0/s █+$\n^2 +2 +\+0/s █+$", out, re.MULTILINE)
    assert "@c[1]: 1\n@c[2]: 2\n" in out
    assert "@c holds no histograms, but count_t" in out and "@h has no keys to choose from" in out


def test_maps_outlive_blocks_and_can_be_removed(enter: Enter):
    out = enter("begin { @a = 7 }", ":rm 1", "@a", "interval:s:9 { @a++ }", ":rm @a", ":rm 2", ":rm @a", "@a", status=1)
    assert out.splitlines()[1:3] == ["[1] removed", "@a: 7"]
    assert "ERROR: @a is used by block [2]" in out
    assert out.splitlines()[-2:] == ["@a removed", "ERROR: there is no map @a"]


def test_clear(enter: Enter):
    out = enter("begin { @a[1] = 7; @n = 3; @c = count() }", ":clear @a n @c", "@a", "@n", "@c")
    assert out.splitlines()[1:] == ["@a is empty", "@n: 0", "@c: 0"]


def test_a_struct_that_differs_is_refused(enter: Enter):
    out = enter(
        "struct s { int a; int b; }; begin { @s = *(struct s *)(uint64)curtask }",
        "struct s { char a[8]; }; begin { @s = *(struct s *)(uint64)curtask }", status=1,
    )
    assert "A map of this session holds another struct s than this block defines." in out


def test_an_unfinished_block_at_the_end_is_still_tried(enter: Enter):
    assert "ERROR" in enter("begin {", "  print(1)", status=1)


def test_unsafe_is_asked_for_outside(enter: Enter):
    assert "unsafe" in enter('begin { system("echo hi") }', status=1)
    assert "[1] hi\n" in enter('begin { system("echo hi") }', options=("--unsafe",))


def test_without_anything_there_is_help(pytrace: Callable[..., Done]):
    done = pytrace(status=1)
    assert done.stderr.startswith("USAGE:")


def test_the_session_takes_what_comes_without_being_asked_for(pytrace: Callable[..., Done]):
    assert pytrace(input="= 1 + 1\n", stdin=None).stdout == "2\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_session_in_order(session: Session, number: signal.Signals):
    session.say('interval:s:9 { @ = 1 } end { printf("end\\n") }')
    session.until("[1] ●")
    session.process.send_signal(number)
    assert session.end() == "[1] end\n"
    assert session.process.returncode == 0


def test_sigint_ends_a_wait_only(session: Session):
    session.say(":wait 1h")
    session.say("= 40 + 2")
    time.sleep(1)
    session.process.send_signal(signal.SIGINT)
    session.until("42")


def test_sigusr1_is_for_self_probes(session: Session):
    session.say('self:signal:SIGUSR1 { printf("self\\n") }')
    session.until("[1] ●")
    session.process.send_signal(signal.SIGUSR1)
    session.until("[1] self")


def test_nothing_is_left_of_a_session_that_was_killed(session: Session):
    """Its compiling process ends with it, and the kernel takes back the rest."""
    session.say("interval:s:9 { @ = 1 }")
    session.until("[1] ●")
    children = [int(pid) for pid in children_of(session.process.pid)]
    assert children
    session.process.kill()
    session.process.wait()
    end = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") and state(pid) != "Z" for pid in children):
        assert time.monotonic() < end, "the compiling process is still there"
        time.sleep(0.05)


def children_of(pid: int) -> list[str]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return file.read().split()


def state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


@pytest.mark.parametrize("arguments", [
    ("-e", "begin { }"), ("x.bt",), ("-c", "/bin/true"), ("-f", "json"), ("-q",), ("--", "x"),
])  # fmt: skip
def test_options_that_mean_nothing_here_are_refused(pytrace: Callable[..., Done], arguments: tuple[str, ...]):
    assert pytrace("--repl", *arguments, status=1).stderr.startswith("ERROR: USAGE: --repl ")


def give_up_capabilities() -> None:
    """What is run next has none: PR_CAPBSET_DROP (24) takes them from the set that limits it."""
    prctl = ctypes.CDLL(None).prctl
    for capability in range(64):
        prctl(24, capability, 0, 0, 0)


def test_without_privileges_there_is_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "pytrace", "--repl"], cwd=ROOT, input="= 1\n", capture_output=True, text=True,
        timeout=50, preexec_fn=give_up_capabilities, check=False,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(r"ERROR: Missing CAP_\w+ capability, please run pytrace as the root user.\n", done.stderr)


def test_one_process_only(session: Session, load: Path):
    """-p restricts all blocks, where their probes can be restricted."""
    session.process.kill()
    one = Session("-p", str(os.getpid()))
    one.say("tracepoint:syscalls:sys_enter_getppid { @[pid] = count() }")
    one.until("[1] ●")
    run_load(load)
    for _ in range(3):
        os.getppid()
    one.say("@")
    assert one.until("@[") == f"@[{os.getpid()}]: 3\n"
    one.end()
