"""The regular expressions that were compiled ahead are those of the modules, and match as if compiled now."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from pytrace import lazy
from pytrace.syntax import ahead
from pytrace.syntax.lexer import Lexer
from pytrace.syntax.tables import grammar_path, load

with open(grammar_path("patterns.tables"), encoding="utf-8") as _file:
    STORED = _file.read().splitlines()

fits = pytest.mark.skipif(STORED[0] != lazy.version(), reason="the file is for another version of Python")


@fits
def test_the_file_is_current():
    assert ahead.lines() == STORED, "run python -m pytrace.syntax.ahead"


def test_what_is_made_now_is_what_re_makes():
    """Whatever the version: from the lines that this Python would write."""
    for line in ahead.lines()[1:]:
        key, _, rest = line.partition("\t")
        flags, _, shown = key.partition(" ")
        text = eval(shown)
        expected, found = re.compile(text, int(flags)), lazy.from_line(text, rest)
        assert found == expected  # which compares the code
        assert (found.flags, found.groups, found.groupindex) == (expected.flags, expected.groups, expected.groupindex)


def test_names_of_groups():
    (line,) = (line for line in ahead.lines() if "?P<hex>" in line)
    found = lazy.from_line(eval(line.partition("\t")[0].partition(" ")[2]), line.partition("\t")[2])
    match = found.fullmatch("-0x1fu")
    assert match is not None
    assert match.groupdict() | {"octal": None} == match.groupdict()
    assert (match["sign"], match["hex"], match["suffix"], match.lastgroup) == ("-", "1f", "u", "suffix")


def test_a_file_for_another_python_is_not_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lazy, "version", lambda: "another")
    lazy._ahead.cache_clear()
    try:
        assert lazy._ahead() == {}
        (token, *_) = Lexer(load("pytrace")).expression("x + 1", 0, 5)
        assert token[1] == "x"
    finally:
        monkeypatch.undo()
        lazy._ahead.cache_clear()


@fits
def test_a_script_is_parsed_without_re():
    code = (
        "import sys; from pytrace.diagnostics import Source; from pytrace.syntax.parser import parse;"
        "parse(Source('x', 'tracepoint:a:b /(int32)$x == 1e3/ { $x = sizeof(int); @[pid] = count(); }'));"
        "print('re' in sys.modules, 'enum' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout == "False False\n"
