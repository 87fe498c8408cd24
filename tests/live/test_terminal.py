"""Colours, on a terminal and elsewhere, and what goes to which stream (OUTPUT 1 and 7.4)."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import ROOT, Done

pytestmark = pytest.mark.live

RED, YELLOW, PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"
WRONG = "begin { nosuch(); }"
WARNS = 'begin { warnf("careful"); print(7); @x = 1; }'
Run = Callable[..., Done]


def on_a_terminal(*args: str, stderr: bool = True, **variables: str) -> tuple[str, str]:
    """What the command writes to a terminal, and to a pipe on stderr if that is none."""
    main, side = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if "COLOR" not in name} | variables
    process = subprocess.Popen(
        [sys.executable, "-m", "pytrace", *args],
        stdin=subprocess.DEVNULL, stdout=side, stderr=side if stderr else subprocess.PIPE, cwd=ROOT, env=environment,
    )  # fmt: skip
    os.close(side)
    shown = b""
    while True:
        try:
            piece = os.read(main, 1 << 16)
        except OSError:  # how a terminal says that nobody writes to it any more
            break
        if not piece:
            break
        shown += piece
    _, errors = process.communicate(timeout=50)
    os.close(main)
    return shown.decode().replace("\r\n", "\n"), (errors or b"").decode()


def test_errors_are_red_on_a_terminal():
    shown, _ = on_a_terminal("-e", WRONG)
    first, rest = shown.split("\n", 1)
    assert first == f"{RED}stdin:1:9-17: ERROR: Unknown function: 'nosuch'{PLAIN}"
    assert "\x1b" not in rest


def test_warnings_are_yellow_and_results_plain():
    shown, _ = on_a_terminal("-e", WARNS)
    assert f"{YELLOW}stdin:1:9-25: WARNING: careful{PLAIN}\n" in shown
    assert shown.count("\x1b") == 2
    assert shown.endswith("7\n\n\n@x: 1\n")


def test_a_warning_of_the_compiler_is_yellow():
    shown, _ = on_a_terminal("-e", "begin { @m[1] = 1; delete(@m, 1); }")
    assert f"{YELLOW}stdin:1:20-33: WARNING: Return value discarded.{PLAIN}\n" in shown


def test_both_streams_must_be_terminals():
    _, errors = on_a_terminal("-e", WRONG, stderr=False)
    assert errors.startswith("stdin:1:9-17: ERROR")


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"BPFTRACE_COLOR": "never"}, False),
        ({"BPFTRACE_COLOR": "auto"}, True),
        ({"PYTRACE_COLOR": "never"}, False),
        ({"NO_COLOR": "1", "BPFTRACE_COLOR": "always"}, True),
        ({"NO_COLOR": "1", "BPFTRACE_COLOR": "auto"}, False),
    ],
)
def test_variables_decide_about_colours(variables: dict[str, str], coloured: bool):
    assert (RED in on_a_terminal("-e", WRONG, **variables)[0]) == coloured


def test_colours_can_be_had_without_a_terminal(pytrace: Run):
    environment = {**os.environ, "BPFTRACE_COLOR": "always"}
    assert pytrace("-e", WRONG, status=1, env=environment).stderr.startswith(RED)
    assert pytrace("-e", WRONG, status=1).stderr.startswith("stdin")


def test_a_bad_wish_is_said_once(pytrace: Run):
    done = pytrace("-q", "-e", "begin { }", env={**os.environ, "BPFTRACE_COLOR": "purple"})
    assert done.stderr == "WARNING: BPFTRACE_COLOR must be auto, always or never, not purple\n"


# --- streams ------------------------------------------------------------------------------------------------------

EVERYTHING = (
    'begin { @m[1] = (uint64)1; delete(@m, 1); printf("text\\n"); errorf("bad"); warnf("careful"); '
    "$z = (uint64)0; @x = 7 / $z; cat(\"/nonexistent\"); }"
)


def test_text_puts_messages_on_stderr(pytrace: Run):
    done = pytrace("-e", EVERYTHING)
    assert done.stdout.splitlines()[0].endswith("WARNING: Return value discarded.")
    assert done.stdout.endswith("~\ntext\n\n\n@x: 1\n")
    for said in ("Attached 1 probe", "ERROR: bad", "WARNING: careful", "WARNING: Divide", "ERROR: failed to open file"):
        assert said in done.stderr and said not in done.stdout


def test_json_puts_events_among_the_results(pytrace: Run):
    done = pytrace("-f", "json", "--no-warnings", "-e", EVERYTHING)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["type"] for event in events] == [
        "attached_probes", "printf", "errorf", "warnf", "runtime_error", "map",
    ]  # fmt: skip
    assert done.stderr == "ERROR: failed to open file '/nonexistent' (No such file or directory)\n"


def test_a_results_file_gets_results_only(pytrace: Run, tmp_path):
    results = tmp_path / "results"
    done = pytrace("-o", str(results), "-e", EVERYTHING)
    assert results.read_text() == "text\n\n\n@x: 1\n"
    assert "Return value discarded." in done.stdout and "ERROR: bad" in done.stderr


def test_rejected_scripts_write_nothing_to_stdout(pytrace: Run, tmp_path):
    results = tmp_path / "results"
    done = pytrace("-o", str(results), "-e", "begin { @m[1] = 1; delete(@m, 1); nosuch(); }", status=1)
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if "stdin:" in line]
    assert ["ERROR" in line for line in lines] == sorted(("ERROR" in line for line in lines), reverse=True)
    assert not results.exists()
