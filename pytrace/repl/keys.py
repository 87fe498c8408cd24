"""What keys do to a text of several lines: whether Enter runs it, how far the next line is indented; and what keys
there are. All of it is about text and cursor, none about a terminal."""

from __future__ import annotations

from typing import NamedTuple

from pytrace.diagnostics import CompileError, Source, Span
from pytrace.repl import scan as kinds
from pytrace.repl.scan import scan

__all__ = ["INDENT", "KEYS", "Key", "dedent", "indentation", "is_unfinished", "keys_help"]

INDENT = "  "
_PREAMBLE = (kinds.BLANKS, kinds.COMMENT, kinds.C_LINE, kinds.SHEBANG)
_OPENING = {"}": "{", ")": "(", "]": "["}


class Key(NamedTuple):
    """A key, or the keys for the same thing; what they do in vi's mode if that is another key there."""

    keys: str
    does: str
    vi: str = ""


KEYS = (
    Key("Enter", "runs what is complete; else a new line, indented. On an empty line: runs it as it is"),
    Key("Alt-Enter", "a new line, also where the text is complete", "Esc Enter"),
    Key("Tab", "what can stand here; again: the next of it"),
    Key("Ctrl-C", "clears the line; on an empty line ends what is shown live"),
    Key("Ctrl-D", "on an empty line: leaves"),
    Key("Up, Down", "earlier and later entries, or lines of this one", "k, j"),
    Key("Right, Ctrl-E", "takes over the grey suggestion", "Right"),
    Key("Ctrl-R", "searches earlier entries", "?"),
    Key("Ctrl-X Ctrl-E", "edits the text in $EDITOR", "v"),
    Key("Ctrl-L", "clears the screen"),
    Key("Ctrl-W, Ctrl-U, Ctrl-K", "deletes the word before, all before, all behind the cursor", "db, d0, D"),
    Key("Ctrl-Y", "inserts what was deleted", "p"),
    Key("Ctrl-_", "takes back the last change", "u"),
)


def keys_help(*, vi: bool = False) -> str:
    """The keys, a line each."""
    rows = [(key.vi or key.keys if vi else key.keys, key.does) for key in KEYS]
    width = max(len(keys) for keys, _ in rows) + 2
    return "".join(f"{keys:<{width}}{does}\n" for keys, does in rows)


def is_unfinished(text: str) -> bool:
    """Whether the text is the beginning of something: a newline is better than running it.

    It is where a bracket, a comment or a predicate is open, a body is missing, or an operator has no right side: where
    the parser needs more. Text that no continuation makes right is finished, so that its mistake is shown at once;
    that holds for strings that are not closed too, since none goes beyond its line.
    """
    found = scan(text, prompt=True)
    if not text.strip() or found.item in ("command", "question") or found.in_string:
        return False
    if found.in_comment and not found.of(found.pieces[-1]).startswith("//"):
        return True
    if text.endswith("\\"):
        return True  # a line of the preprocessor that goes on
    if found.item == "probe" and found.attach_points[:1] and found.attach_points[0][0] in _OPENING:
        return False  # one bracket too many, which is a word like any other to the language
    start = 0
    if found.item == "expression":
        first = next(each for each in found.pieces if each.kind not in (kinds.BLANKS, kinds.COMMENT))
        start = first.end if found.of(first) == "=" else first.start
    elif all(each.kind in _PREAMBLE for each in found.pieces):
        return False
    return _ends_too_early(text[start:], expression=found.item == "expression")


def _ends_too_early(text: str, *, expression: bool) -> bool:
    """Whether the end of the text is the first mistake that the parser finds."""
    from pytrace.syntax.parser import parse, parse_expression

    source = Source("", text.encode("utf-8", "surrogateescape").decode("latin-1"))
    end = len(source.text)
    try:
        if expression:
            parse_expression(source.text, Span(source, 0, end))
        else:
            parse(source)
    except CompileError as error:
        spans = [each.span for each in error.diagnostics.errors if each.span is not None]
        return bool(spans) and spans[-1].start == spans[-1].end == end and all(each.end == end for each in spans)
    return False


def indentation(before: str) -> str:
    """What a new line behind this text begins with: one step more than the line that opened what is still open."""
    found = scan(before, prompt=True)
    if found.open:
        return _indent_of(before, found.pieces[found.open[-1]].start) + INDENT
    if found.item in ("probe", "predicate", "predicate_end") and before.strip():
        return _indent_of(before, found.pieces[found.item_start].start)
    return ""


def dedent(before: str, bracket: str) -> int:
    """How many of the blanks in front of the cursor go when a closing bracket is typed behind them, as the first thing
    of its line: it stands below the line that opened it."""
    line = before[before.rfind("\n") + 1 :]
    if line.strip() or bracket not in _OPENING:
        return 0
    found = scan(before, prompt=True)
    for index in reversed(found.open):
        piece = found.pieces[index]
        if found.of(piece) == _OPENING[bracket]:
            return max(len(line) - len(_indent_of(before, piece.start)), 0)
    return 0


def _indent_of(text: str, at: int) -> str:
    """The blanks that the line of an offset begins with."""
    line = text[text.rfind("\n", 0, at) + 1 :].partition("\n")[0]
    return line[: len(line) - len(line.lstrip(" \t"))]
