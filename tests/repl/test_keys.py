"""Which text is unfinished, how the next line is indented, and the line below the prompt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.repl.keys import KEYS, dedent, indentation, is_unfinished, keys_help
from pytrace.repl.toolbar import State, parts, short, text
from tests.repl.test_lexer import TEXTS

ROOT = Path(__file__).resolve().parent.parent.parent

UNFINISHED = (
    "begin {", "kprobe:x", "kprobe:x ", "kprobe:x,", "kprobe:x /pid", "kprobe:x /pid ==", "kprobe:x /pid == 1/",
    "begin { print(1", "begin { print(1,", "begin { $x = 1 +", "begin { $x = 1 ? 2 :", "begin { @a[",
    "begin { if (1) {}",
    'begin { "}" ', "begin { // }", "begin { /* } */", "/* x", "begin {} /* x", "macro f", "macro f(x)", "macro f(x) {",
    "let @a = hash(", "config = {", "config = { max_strlen = 1;", "struct f { int a;", "#define X \\", "= 1 +", "= (1",
    "@us[", "begin { } end", "begin { } end {", "begin {\n\n",
)  # fmt: skip
FINISHED = (
    "", " \n", "begin {}", "begin { print(1) }", "begin { 1 } // c", "begin { '", "begin { ) ", 'begin { print("a',
    "begin { } }", "begin { 1 2 ", "macro f(x) { x }", "let @a = hash(5);", "config = { } begin { }", "#define X 1",
    "struct f { int a; };", "= 1 + 2", "= pid)", "@us", "@us[1]", ":ls", ":edit 2 {", "?", "?hist(",
)  # fmt: skip


@pytest.mark.parametrize("entry", UNFINISHED)
def test_unfinished(entry: str) -> None:
    assert is_unfinished(entry)


@pytest.mark.parametrize("entry", FINISHED)
def test_finished(entry: str) -> None:
    assert not is_unfinished(entry)


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*.bt")), ids=lambda path: path.name)
def test_examples_are_finished_at_their_ends_only(path: Path) -> None:
    """Cut inside of braces, a script wants more; whole, it does not."""
    script = path.read_text()
    assert not is_unfinished(script)
    body = script.rindex("{")
    for at in (body + 1, script.rindex("\n}")):
        assert is_unfinished(script[:at])


@given(TEXTS)
def test_no_text_is_too_much(entry: str) -> None:
    before = entry.rpartition("}")[0]
    assert is_unfinished(entry) in (True, False)
    assert set(indentation(entry)) <= {" ", "\t"}
    assert 0 <= dedent(before, "}") <= len(before)


def test_typing_a_script_indents_it() -> None:
    """A formatted script, typed line by line without its blanks, gets them back."""
    for path in sorted(ROOT.glob("examples/*.bt")):
        code = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        lines = [line for line in code.split("\n") if line.strip()]
        typed = ""
        for line in lines:
            word = line.strip()
            blanks = indentation(typed) if typed else ""
            typed += ("\n" if typed else "") + blanks
            if word.startswith(("}", ")")):
                typed = typed[: len(typed) - dedent(typed, word[0])]
            typed += word
        assert typed == "\n".join(lines)


def test_indentation() -> None:
    assert indentation("begin {") == "  "
    assert indentation("begin {\n  if (x) {") == "    "
    assert indentation("begin {\n  print(1,") == "    "
    assert indentation("begin {\n  x }") == ""
    assert indentation('begin { "{" }') == ""
    assert dedent("begin {\n  if (1) {\n    ", "}") == 2
    assert dedent("begin {\n  x", "}") == 0
    assert dedent("  ", "}") == 0


def test_keys_are_listed_for_both_modes() -> None:
    emacs, vi = keys_help(), keys_help(vi=True)
    assert all(key.does in emacs and key.does in vi for key in KEYS)
    assert "Ctrl-X Ctrl-E" in emacs and "Ctrl-X Ctrl-E" not in vi


STATES = st.builds(
    State, blocks=st.integers(0, 99), running=st.integers(0, 99), events=st.integers(0, 10**12),
    rate=st.floats(0, 1e9), lost=st.integers(0, 10**6), share=st.floats(0, 2), watching=st.sampled_from(["", "@us"]),
    editing=st.integers(0, 9), mode=st.sampled_from(["", "vi"]), indexing=st.booleans(),
    note=st.text("ab ", max_size=9),
)  # fmt: skip


@given(STATES, st.integers(0, 200))
def test_the_toolbar_is_as_wide_as_the_screen(state: State, width: int) -> None:
    assert sum(len(piece) for _, piece in parts(state, width)) == width
    if state.lost and width >= 200:
        assert ("toolbar.lost", f"{state.lost:,} lost") in parts(state, width)


def test_what_matters_stays() -> None:
    state = State(3, 2, 12345, 45600.0, 3, 0.0123, "@us", 0, "vi", True)
    assert text(state) == (
        "2 of 3 blocks running · 12,345 events · 45.6k/s · 3 lost · 1.23 % of a CPU · watching @us · gathering names"
        " · vi"
    )
    assert text(state, 40) == "2 of 3 blocks running · 3 lost"
    numbers = {0: "0", 999: "999", 1000: "1.0k", 99950: "100k", 1e6: "1.0M", 2.5e9: "2.5G"}
    assert {number: short(number) for number in numbers} == numbers
