"""What the lexer must look ahead for, on the text itself: four questions that no LALR(1) parser can answer.

All patterns use possessive repetition: they read each character once, whatever the text. They are compiled when first
needed, since most one-liners need none of them.
"""

from __future__ import annotations

from pytrace.lazy import ASCII, pattern

__all__ = ["BLANK", "COMMENT", "before_assign", "before_brace", "is_core_builtin", "is_type", "parenthesis"]

COMMENT = r"/(?:/[^\n]*+|\*[^*]*+(?:\*(?!/)[^*]*+)*(?:\*/|\Z))"
"""A comment; one that is not terminated takes the rest of the text."""

BLANK = rf"(?:[ \t\r\n]++|{COMMENT})*"
"""What may stand between any two tokens."""

CORE_BUILTIN = r"(?:args|ctx|[ku]stack|nsecs|pid|tid|s?arg[0-9]++)(?!\w)"
"""The names that are builtins of the language itself (LANGUAGE 2.3): never a type, a record's first field or a macro
parameter."""

_WORD = r"[A-Za-z_]\w*+"
_SUFFIXES = rf"(?:(?:\*|\[{BLANK}(?:[0-9]\w*+{BLANK})?\]){BLANK})*"
_OPERAND = r"[0-9A-Za-z_$@\"(!~*&-]"

GROUP, UNIT, RECORD, CAST = range(4)

_PARENTHESIS = pattern(
    rf"\({BLANK}(?:(\))"
    rf"|(?!{CORE_BUILTIN}){_WORD}{BLANK}(=)(?!=)"
    rf"|(?:(?:struct|union|enum)(?!\w){BLANK}{_WORD}|(?!{CORE_BUILTIN}|typeof(?!\w)){_WORD})"
    rf"{BLANK}{_SUFFIXES}(\)){BLANK}(?={_OPERAND})"
    rf"|typeof(?!\w){BLANK}(\())",
    ASCII,
)
_KINDS = (GROUP, UNIT, RECORD, CAST)
_AFTER_TYPEOF = pattern(rf"{BLANK}\){BLANK}{_OPERAND}", ASCII)
_NESTING = pattern(rf'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*"?|{COMMENT}|[()]', ASCII)
_TYPE = pattern(rf"(?!{CORE_BUILTIN}){_WORD}{BLANK}{_SUFFIXES}[,)]", ASCII)
_BRACE = pattern(rf"{BLANK}\{{", ASCII)
_ASSIGN = pattern(rf"{BLANK}=(?!=)", ASCII)
_CORE_BUILTIN = pattern(CORE_BUILTIN, ASCII)


def parenthesis(text: str, at: int, end: int, closings: dict[int, int]) -> int:
    """What the `(` of a primary at `at` opens: GROUP, UNIT, RECORD or CAST (LANGUAGE 4.2).

    `closings` is a memory, empty for a new text: where parentheses that have been looked into are closed.
    """
    found = _PARENTHESIS.match(text, at, end)
    if found is None:
        return GROUP
    index = found.lastindex or 0
    if index < 4:
        return _KINDS[index]
    inner = found.end() - 1
    if inner not in closings:
        _find_closings(text, inner, end, closings)
    return CAST if _AFTER_TYPEOF.match(text, closings[inner], end) else GROUP


def _find_closings(text: str, at: int, end: int, closings: dict[int, int]) -> None:
    """Remember for the parenthesis at `at`, and for all inside of it, the offset behind the one that closes it."""
    opened: list[int] = []
    for found in _NESTING.finditer(text, at, end):
        if found[0] == "(":
            opened.append(found.start())
        elif found[0] == ")":
            closings[opened.pop()] = found.end()
            if not opened:
                return
    closings.update(dict.fromkeys(opened, end))


def is_type(text: str, at: int, end: int) -> bool:
    """Whether the word at `at`, the first one in a type context, is a type: nothing but `*` and `[n]` up to the end."""
    return _TYPE.match(text, at, end) is not None


def before_brace(text: str, at: int, end: int) -> bool:
    """Whether a `{` comes next: a slash before it closes a predicate."""
    return _BRACE.match(text, at, end) is not None


def before_assign(text: str, at: int, end: int) -> bool:
    """Whether a single `=` comes next: `_` before it discards."""
    return _ASSIGN.match(text, at, end) is not None


def is_core_builtin(name: str) -> bool:
    """Whether a name is a builtin of the language itself."""
    return _CORE_BUILTIN.match(name) is not None
