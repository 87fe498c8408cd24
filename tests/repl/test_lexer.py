"""The Pygments lexer: every character of any text in one token, and the right ones for scripts."""

from __future__ import annotations

import importlib
import os
import pty
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments.lexer import Lexer
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, Punctuation, String, Token

from pytrace.diagnostics import CompileError, Source
from pytrace.repl.lexer import PromptLexer, PytraceLexer, colour
from pytrace.syntax.parser import parse

ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = st.sampled_from([
    "kprobe:vfs_read", "t:sys*:", "{", "}", "(", ")", "[", "]", "/", "//", "/*", "*/", '"', "\\", "\n", " ", "@", "@a",
    "$", "$x", "$1", "->", ".", "..", "1s", "0x", "08", "if", "struct", "s", "#", "#!", "#define X", "config", "macro",
    "let", "=", ",", ";", ":", "?", "%d", "\r", "é", "\0", "import", "_", "begin",
])  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(PARTS).map("".join), st.lists(PARTS).map(" ".join))


def _parses(text: str) -> bool:
    try:
        parse(Source("page", text))
    except CompileError:
        return False
    return True


def scripts() -> Iterator[tuple[str, str]]:
    for path in (*sorted(ROOT.glob("examples/*.bt")), *sorted(ROOT.glob("stdlib/macros/*.bt"))):
        yield path.name, path.read_text()
    for path in sorted(ROOT.glob("tests/language/*.md")):
        for block in re.finditer(r"^```bt\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL):
            if _parses(block[1]):
                yield f"{path.stem}@{block.start()}", block[1]


def tokens(text: str, lexer: type[PytraceLexer] = PytraceLexer) -> list[tuple[object, str]]:
    return [(kind, value) for _, kind, value in lexer().get_tokens_unprocessed(text) if value.strip()]


@pytest.mark.parametrize(("name", "text"), list(scripts()), ids=lambda value: value if len(value) < 40 else "")
def test_scripts_have_no_errors(name: str, text: str) -> None:
    found = list(PytraceLexer().get_tokens_unprocessed(text))
    assert "".join(value for _, _, value in found) == text
    assert [value for _, kind, value in found if kind is Error] == []


@given(TEXTS, st.booleans())
def test_the_tokens_are_the_text(text: str, prompt: bool) -> None:
    """Whatever the text, nothing is lost, nothing comes twice, and offsets are where the tokens stand."""
    lexer = PromptLexer() if prompt else PytraceLexer()
    at = 0
    for offset, kind, value in lexer.get_tokens_unprocessed(text):
        assert offset == at and value and kind in Token
        assert text.startswith(value, at)
        at += len(value)
    assert at == len(text)


@given(st.sampled_from([text for _, text in scripts()]), st.data())
def test_parts_of_scripts(text: str, data: st.DataObject) -> None:
    part = text[: data.draw(st.integers(0, len(text)))]
    assert "".join(value for _, _, value in PromptLexer().get_tokens_unprocessed(part)) == part


def test_attach_points() -> None:
    assert tokens('r=uprobe:/bin/sh:"main"+4, t:sys*:x*, profile:hz:99, BEGIN {}') == [
        (Name.Label, "r"), (Punctuation, "="), (Keyword.Namespace, "uprobe"), (Punctuation, ":"),
        (Name.Namespace, "/bin/sh"), (Punctuation, ":"), (String.Double, '"main"'), (Operator, "+"),
        (Number.Integer, "4"), (Punctuation, ","),
        (Keyword.Namespace, "t"), (Punctuation, ":"), (Name.Namespace, "sys"), (Operator, "*"), (Punctuation, ":"),
        (Name.Function, "x"), (Operator, "*"), (Punctuation, ","),
        (Keyword.Namespace, "profile"), (Punctuation, ":"), (Name.Namespace, "hz"), (Punctuation, ":"),
        (Number.Integer, "99"), (Punctuation, ","), (Keyword.Namespace, "BEGIN"),
        (Punctuation, "{"), (Punctuation, "}"),
    ]


def test_bodies() -> None:
    found = tokens('begin / pid / { @m[$x->comm] = hist(5ms); printf("%-5d\\n%%", 0x1f, foo(bar)); if (true) {} }')
    expected = [
        (Punctuation.Marker, "/"), (Name.Builtin, "pid"), (Name.Variable.Global, "@m"), (Name.Variable, "$x"),
        (Name.Attribute, "comm"), (Name.Builtin, "hist"), (Number.Integer, "5"), (Number.Integer.Long, "ms"),
        (String.Interpol, "%-5d"), (String.Escape, "\\n"), (String.Interpol, "%%"), (Number.Hex, "0x1f"),
        (Name.Function, "foo"), (Name, "bar"), (Keyword, "if"), (Keyword.Constant, "true"),
    ]  # fmt: skip
    assert [each for each in expected if each not in found] == []


def test_preamble() -> None:
    text = "#!/usr/bin/env pytrace\n#include <a.h>\n#define X 1\nstruct foo { int a; };\n/* c */ // d\n"
    assert tokens(text) == [
        (Comment.Hashbang, "#!/usr/bin/env pytrace"), (Comment.Preproc, "#include"), (Comment.PreprocFile, "<a.h>"),
        (Comment.Preproc, "#define"), (Comment.Preproc, "X 1"), (Keyword.Type, "struct"), (Name.Class, "foo"),
        (Punctuation, "{"), (Keyword.Type, "int"), (Name, "a"), (Punctuation, ";"), (Punctuation, "}"),
        (Punctuation, ";"), (Comment.Multiline, "/* c */"), (Comment.Single, "// d"),
    ]  # fmt: skip


def test_the_prompt_knows_commands() -> None:
    assert tokens(":watch @us", PromptLexer)[0] == (Keyword.Declaration, ":watch")
    assert tokens("= curtask", PromptLexer) == [(Operator, "="), (Name.Builtin, "curtask")]
    assert tokens("@us", PromptLexer) == [(Name.Variable.Global, "@us")]


def test_pygments_finds_it() -> None:
    """The entry point that is declared is the lexer."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["pygments.lexers"]["pytrace"].partition(":")
    lexer = getattr(importlib.import_module(module), name)
    assert issubclass(lexer, Lexer) and "bt" in lexer.aliases and "*.bt" in lexer.filenames
    assert lexer.analyse_text("#!/usr/bin/env pytrace\n") == 1.0
    assert lexer.analyse_text("kprobe:vfs_read { }") > 0.5
    assert lexer.analyse_text("int main() { }") == 0.0


def test_colours_are_all_that_is_added() -> None:
    text = (ROOT / "examples" / "opens.bt").read_text()
    shown = colour(text)
    assert shown != text
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == text


def _formatted(**environment: str) -> bytes:
    """What `--fmt` writes to a terminal."""
    reader, writer = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "BPFTRACE_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-m", "pytrace", "--fmt", "-e", "begin{print(1)}"], cwd=ROOT, stdout=writer,
        env=kept | environment,
    ) as process:  # fmt: skip
        os.close(writer)
        shown = b""
        while True:
            try:
                piece = os.read(reader, 4096)
            except OSError:  # the last writer has gone
                break
            shown += piece
    os.close(reader)
    assert process.returncode == 0
    return shown


def test_fmt_is_coloured_on_a_terminal_only() -> None:
    assert b"\x1b[" in _formatted()
    assert b"\x1b[" not in _formatted(NO_COLOR="1")
    assert b"\x1b[" not in _formatted(BPFTRACE_COLOR="never")
    done = subprocess.run(
        [sys.executable, "-m", "pytrace", "--fmt", "-e", "begin{print(1)}"], cwd=ROOT, capture_output=True, check=True
    )
    assert b"\x1b[" not in done.stdout
