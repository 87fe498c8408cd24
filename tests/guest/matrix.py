"""Runs the tests of this folder under one kernel after the other, and prints the table of docs/kernels.md.

    PYTRACE_GUEST='COMMAND {} --' python -m tests.guest.matrix KERNEL... [-- PYTEST_ARGUMENT...]

PYTRACE_GUEST is a command that boots the kernel whose name stands in the place of `{}`, with this file system and as
root, runs in it what follows, and gives back its output and status. The kernel `here` is the one that runs already.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable

from tests.conftest import ROOT

__all__ = ["ROWS", "Outcomes", "column", "main", "table"]

ROWS = {
    "test_begin_and_end": "`begin`, `end`",
    "test_self": "`self`",
    "test_test_and_bench": "`test`, `bench`",
    "test_interval": "`interval`",
    "test_profile": "`profile`",
    "test_software": "`software`",
    "test_hardware": "`hardware`",
    "test_tracepoint": "`tracepoint`",
    "test_rawtracepoint": "`rawtracepoint`",
    "test_uprobe_and_uretprobe[by name]": "`uprobe`, `uretprobe`",
    "test_uprobe_and_uretprobe[by pattern]": "`uprobe`, `uretprobe`: a pattern",
    "test_uprobe_multi": "… by one link",
    "test_usdt": "`usdt`",
    "test_dwarf_stacks": "`dw_ustack`",
    "test_watchpoint": "`watchpoint`",
    "test_iter": "`iter`",
    "test_kprobe": "`kprobe`",
    "test_kretprobe": "`kretprobe`",
    "test_kprobe_pattern": "`kprobe`: a pattern",
    "test_kprobe_multi": "… by one link",
    "test_kprobe_session": "entry and return as one program",
    "test_fentry_and_fexit": "`fentry`, `fexit`",
    "test_fentry_of_a_program": "`fentry`, `fexit` of BPF programs",
}
"""The tests that make a row each: what they are about."""

Outcomes = dict[str, tuple[str, str]]
"""By the names of tests: what became of them (PASSED, FAILED, SKIPPED, ERROR), and why they were skipped."""

_OUTCOME = re.compile(
    r"^tests/guest/(?P<file>\w+)\.py::(?P<test>.+?) (?P<what>PASSED|FAILED|SKIPPED|ERROR)(?: \((?P<why>.*)\))?"
    r"(?: +\[ *\d+%\])?$"
)
_WORDS = {"PASSED": "yes", "FAILED": "**fails**", "ERROR": "**fails**"}


def column(lines: Iterable[str], show: Callable[[str], object] = lambda line: None) -> Outcomes:
    """What the lines of `pytest -v` say."""
    found: Outcomes = {}
    for line in lines:
        show(line)
        if match := _OUTCOME.match(line.rstrip()):
            found[match["test"]] = (match["what"], match["why"] or "")
    return found


def _cell(outcomes: Outcomes, test: str) -> str:
    what, why = outcomes.get(test, ("", ""))
    return f"no: {why.removeprefix('Skipped: ')}" if what == "SKIPPED" else _WORDS.get(what, "not run")


def table(columns: dict[str, Outcomes]) -> list[str]:
    """The lines of a table of Markdown: a column for each kernel."""
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for test, title in ROWS.items():
        lines.append(f"| {title} | " + " | ".join(_cell(outcomes, test) for outcomes in columns.values()) + " |")
    return lines


def _run(kernel: str, arguments: list[str]) -> tuple[Outcomes, int]:
    words = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "COLUMNS": "200"}
    if kernel != "here":
        guest = [word.replace("{}", kernel) for word in shlex.split(os.environ["PYTRACE_GUEST"])]
        # What the guest's command passes on of the environment is its own affair.
        words = [*guest, "env", "COLUMNS=200", "PYTRACE_REQUIRE_GUEST=1", f"PYTHONPATH={ROOT}", *words]
    process = subprocess.Popen(
        words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        encoding="utf-8", errors="replace",
    )  # fmt: skip
    assert process.stdout is not None
    outcomes = column(process.stdout, lambda line: print(line, end="", flush=True))
    return outcomes, process.wait()


def main(words: list[str]) -> int:
    kernels, arguments = words, ["tests/guest"]
    if "--" in words:
        at = words.index("--")
        kernels, arguments = words[:at], words[at + 1 :]
    if not kernels or (set(kernels) != {"here"} and "{}" not in os.environ.get("PYTRACE_GUEST", "")):
        print(__doc__, file=sys.stderr)
        return 2
    columns, failed = {}, []
    for kernel in kernels:
        print(f"--- {kernel}", flush=True)
        columns[kernel], status = _run(kernel, arguments)
        # A guest that did not boot has no outcomes at all.
        if status or not columns[kernel]:
            failed.append(f"{kernel} (status {status})")
    print("\n" + "\n".join(table(columns)))
    if failed:
        print(f"\nnot everything passed under {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
