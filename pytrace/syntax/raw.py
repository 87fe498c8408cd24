"""The parts of a script that are read as raw text: attach points, and lines and definitions of the C preamble."""

from __future__ import annotations

from pytrace.lazy import ASCII, DOTALL, pattern
from pytrace.syntax.fault import Fault
from pytrace.syntax.lookahead import BLANK, COMMENT

__all__ = ["attach_point", "c_definition", "line"]

_QUOTED = r'"[^"\\]*+(?:\\.[^"\\]*+)*(?:"|\Z)'
_ATTACH_POINT = pattern(
    rf'(?:[^ \t\r\n{{,/:"]++|{_QUOTED}|/(?=[/*]))*(?::(?:[^ \t\r\n{{,"]++|{_QUOTED})*)?', DOTALL
)
_LINE = pattern(r"[^\n]*")
_BLANK = pattern(BLANK)
_WORD = pattern(r"[A-Za-z_]\w*", ASCII)
_GROUP = pattern(r"[()]|\[[^\[\]]*\]")
_BODY = pattern(
    rf"""[{{}}]|{COMMENT}|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*"?|'(?:\\.|[^'\\\n])[^'\n]*+'""", DOTALL
)
_ATTRIBUTE = pattern(rf"{BLANK}__attribute__(?!\w){BLANK}", ASCII)
_SEMICOLON = pattern(rf"{BLANK};")


def attach_point(text: str, at: int, end: int) -> int:
    """The end of the attach point that starts at `at` (LANGUAGE 2.6); `at` itself if none does."""
    found = _ATTACH_POINT.match(text, at, end)
    return found.end() if found else at


def line(text: str, at: int, end: int) -> int:
    """The end of the line, without a carriage return."""
    found = _LINE.match(text, at, end)
    stop = found.end() if found else at
    return stop - 1 if stop > at and text[stop - 1] == "\r" else stop


def c_definition(text: str, at: int, end: int) -> int:
    """The end of a struct, union or enum definition whose name follows at `at`, with its attributes and its `;`.

    Raises `Fault` if it is not one.
    """
    at = _body(text, _head(text, at, end), end)
    while found := _ATTRIBUTE.match(text, at, end):
        if not text.startswith("((", found.end(), end):
            raise Fault("__attribute__ syntax error, expected '(('", *_token(text, found.end(), end))
        at = _group(text, found.end(), end)
    found = _SEMICOLON.match(text, at, end)
    return found.end() if found else at


def _blank(text: str, at: int, end: int) -> int:
    found = _BLANK.match(text, at, end)
    return found.end() if found else at


def _token(text: str, at: int, end: int) -> tuple[int, int]:
    """The range to mark for what stands at `at`."""
    found = _WORD.match(text, at, end)
    return at, found.end() if found else min(at + 1, end)


def _head(text: str, at: int, end: int) -> int:
    """Past the words and groups before the `{`; gives the offset behind it."""
    while True:
        at = _blank(text, at, end)
        if found := _WORD.match(text, at, end):
            at = found.end()
        elif text.startswith(("(", "["), at, end):
            at = _group(text, at, end)
        elif text.startswith("{", at, end):
            return at + 1
        else:
            raise Fault("expected '{'", *_token(text, at, end))


def _group(text: str, at: int, end: int) -> int:
    depth = 0
    for found in _GROUP.finditer(text, at, end):
        if found[0] == "(":
            depth += 1
        elif found[0] == ")":
            depth -= 1
        if depth <= 0:
            return found.end()
    raise Fault("expected ')'" if text[at] == "(" else "expected ']'", end, end)


def _body(text: str, at: int, end: int) -> int:
    """Behind the `}` that closes the body. Braces in comments and literals do not count."""
    depth = 1
    for found in _BODY.finditer(text, at, end):
        if found[0] == "{":
            depth += 1
        elif found[0] == "}":
            depth -= 1
            if not depth:
                return found.end()
    raise Fault("expected '}'", end, end)
