"""Every script of examples/ runs on live events and shows what its comment promises."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.live

EXAMPLES = ROOT / "examples"

# script → its arguments, the load that makes it speak, a pattern its output must hold, whether it ends by itself
CASES: dict[str, tuple[list[str], list[str], str, bool]] = {
    "readsizes.bt": ([], ["read", "2000"], r"@bytes\[load\]:\n(?:\[.*\n)*?\[512, 1K\) +200[0-9] \|@{52}\|", True),
    "opens.bt": ([], ["fail", "20"], r"^\d+ +load +-2 /nonexistent/file$", False),
    "syscalls.bt": ([], ["getppid", "3000000"], r"^@calls\[load, \d+\]: \d{5,}$", False),
    "syslatency.bt": ([], ["getppid", "20000"], r"@us\[load\]:\n\[0\] +\d+ \|@+", False),
    "profile.bt": ([], ["getppid", "20000000"], r"^, load\]: \d+$", False),
    "faults.bt": ([], ["touch", "5000"], r"^@faults\[load, \d+\]: (5\d{3})$", False),
    "switches.bt": ([], ["getppid", "1000"], r"^@\[.+, .+\]: \d+$", False),
    "execs.bt": ([], ["getppid", "1"], r"^\d+ +\d+ +\S*/load getppid 1$", False),
    "writesizes.bt": (
        ["3"],
        ["write", "3000"],
        r"@bytes\[load\]: \{ \.count = 3000, \.average = 100, \.total = 300000 \}",
        True,
    ),
    "wakeups.bt": ([], ["getppid", "1000"], r"@wait_us:\n[\[(].*\|", False),
    "exitcodes.bt": ([], ["fail", "40"], r"^@errors\[load, 257, 2\]: 40$", False),
}


_LOSSES = re.compile(r"WARNING: (?:\S+: \d+ ustacks? w|\d+ address(?:es)? w).*\n")
"""Stacks and names that were lost, of whatever else runs on this machine."""


def test_there_are_no_untested_examples():
    assert sorted(CASES) == sorted(path.name for path in EXAMPLES.glob("*.bt"))


@pytest.mark.parametrize("name", sorted(CASES))
def test_example(name: str, load: Path):
    arguments, work, pattern, ends = CASES[name]
    command = [sys.executable, "-m", "pytrace", str(EXAMPLES / name), *arguments]
    tracer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert tracer.stderr is not None
    attached = tracer.stderr.readline()
    assert re.fullmatch(r"Attached \d+ probes?\n", attached), attached + tracer.stderr.read()
    try:
        subprocess.run([str(load), *work], check=True, timeout=30)
    finally:
        if not ends:
            tracer.send_signal(signal.SIGINT)
        output, errors = tracer.communicate(timeout=30)
    assert tracer.returncode == 0, errors
    assert not _LOSSES.sub("", errors)
    assert re.search(pattern, output, re.MULTILINE), output
    assert (EXAMPLES / name).read_text().startswith("#!/usr/bin/env pytrace\n/*\n")
