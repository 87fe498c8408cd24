"""The C preamble of a script: its preprocessor lines and definitions, read in order (LANGUAGE 21).

This is the C that scripts write themselves. What a preamble includes is only noted: headers need a compiler.
"""

from __future__ import annotations

import os
import re
from functools import cache

from pytrace.diagnostics import CompileError, Diagnostics, Span
from pytrace.frozen import record
from pytrace.hints import Iterable, Mapping, NoReturn, Sequence, cast
from pytrace.lazy import pattern
from pytrace.syntax import ctree, tree
from pytrace.syntax.automaton import Automaton, Token, Unexpected
from pytrace.syntax.cbuilder import CBuilder
from pytrace.syntax.cconstant import evaluate
from pytrace.syntax.clexer import CLexer
from pytrace.syntax.errors import explain
from pytrace.syntax.fault import Fault
from pytrace.syntax.lookahead import COMMENT
from pytrace.syntax.tables import Tables, load

__all__ = ["STATUS", "read_preamble"]

STATUS = 2
"""The exit status of a script whose preamble is not C."""

_DIRECTIVE = pattern(r"[ \t\r\f\v]*#[ \t]*([A-Za-z_]*)[ \t]*")
_NOT_CODE = pattern(rf'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)+\'|({COMMENT})')
_DEFINE = pattern(r"([A-Za-z_]\w*)(?:\(([^()]*)\))?[ \t]*", re.ASCII)
_NAME = pattern(r"([A-Za-z_]\w*)[ \t]*", re.ASCII)
_INCLUDE = pattern(r'<([^>\n]+)>|"([^"\n]+)"')
_PACK = pattern(r"pack[ \t]*\([ \t]*(?:(push|pop)?[ \t]*,?[ \t]*([0-9]+)?)[ \t]*\)")
_PREDEFINED = {"__STDC__": "1", "__linux__": "1", "__LP64__": "1", "__CHAR_BIT__": "8"}
_MACHINES = {"x86_64": "__x86_64__", "aarch64": "__aarch64__"}


@cache
def _c() -> tuple[Tables, CLexer]:
    tables = load("cdefs")
    return tables, CLexer(tables)


def read_preamble(
    parts: Sequence[tree.CLine | tree.CDef], predefined: Mapping[str, str] | None = None
) -> ctree.Preamble:
    """What the parts of a preamble say; `predefined` are object-like macros in force at its start.

    Raises `CompileError` with status 2.
    """
    if not parts:
        return ctree.Preamble()
    reader = _Reader(parts[0].span, predefined or {})
    for part in parts:
        reader.read(part)
    return reader.finish()


@record
class _Condition:
    """An `#if` that is open: whether its lines count now, whether a branch has been taken, whether `#else` was seen."""

    span: Span
    enclosing: bool
    active: bool
    taken: bool
    last: bool = False


class _Reader:
    def __init__(self, place: Span, predefined: Mapping[str, str]) -> None:
        here = Span(place.source, place.start, place.start, place.via)
        machine = _MACHINES.get(os.uname().machine)
        known = {**_PREDEFINED, **({machine: "1"} if machine else {}), **predefined}
        self._defines = {name: ctree.Define(here, name, None, body) for name, body in known.items()}
        self._own: dict[str, ctree.Define] = {}
        self._includes: list[ctree.Include] = []
        self._definitions: list[ctree.Definition] = []
        self._conditions: list[_Condition] = []
        self._packs: list[int] = []
        self._pack = 0
        self._place = place

    @property
    def _active(self) -> bool:
        return not self._conditions or self._conditions[-1].active

    def read(self, part: tree.CLine | tree.CDef) -> None:
        self._place = part.span
        start = part.span.start
        try:
            if isinstance(part, tree.CLine):
                self._directive(_without_comments(part.text), start)
                return
            text = part.text
            if "#" in text:
                text = self._without_directives(text, start)
            if self._active and text.strip():
                self._define_types(text, start)
        except Fault as fault:
            self._fail(fault.message, self._span(fault.start, fault.end))

    def finish(self) -> ctree.Preamble:
        if self._conditions:
            self._fail("unterminated conditional directive", self._conditions[-1].span)
        return ctree.Preamble(tuple(self._includes), tuple(self._own.values()), tuple(self._definitions))

    def _span(self, start: int, end: int) -> Span:
        return Span(self._place.source, start, end, self._place.via)

    def _fail(self, message: str, span: Span) -> NoReturn:
        diagnostics = Diagnostics()
        diagnostics.error(span, message)
        raise CompileError(diagnostics, STATUS)

    # --- definitions ----------------------------------------------------------------------------------------------

    def _define_types(self, text: str, offset: int) -> None:
        """Read the definition in a text that starts at an offset of the source."""
        lexer = _c()[1]
        # Leading blanks make offsets in the text those in the source.
        builder = CBuilder(lambda start, end: self._span(start + offset, end + offset), self._pack)
        tokens = lexer.tokens(text, 0, len(text), self._defines)
        try:
            definition = _run(builder, tokens, "definition", text)
        except Fault as fault:
            raise Fault(fault.message, fault.start + offset, fault.end + offset) from None
        self._definitions.append(cast(ctree.Definition, definition))

    def _without_directives(self, text: str, offset: int) -> str:
        """A definition with blanks for its directives, which are obeyed, and for what they leave out."""
        kept = []
        at = offset
        for line in _without_comments(text).splitlines(keepends=True):
            if _DIRECTIVE.match(line):
                self._directive(line.rstrip("\r\n"), at)
                active = False
            else:
                active = self._active
            kept.append(line if active else re.sub(r"[^\n]", " ", line))
            at += len(line)
        return "".join(kept)

    # --- directives -----------------------------------------------------------------------------------------------

    def _directive(self, line: str, offset: int) -> None:
        """Obey a directive; `offset` is where its line starts in the source."""
        found = _DIRECTIVE.match(line)
        assert found is not None
        name, at = found[1], found.end()
        place = self._span(offset + found.start(1), offset + found.end(1))
        if name in ("if", "ifdef", "ifndef", "elif", "else", "endif"):
            self._conditional(name, line, at, offset, place)
        elif self._active:
            self._other(name, line, at, offset, place)

    def _conditional(self, name: str, line: str, at: int, offset: int, place: Span) -> None:
        if name in ("if", "ifdef", "ifndef"):
            enclosing = self._active
            holds = enclosing and self._holds(name, line, at, offset)
            self._conditions.append(_Condition(place, enclosing, holds, holds))
            return
        if not self._conditions:
            self._fail(f"#{name} without #if", place)
        current = self._conditions[-1]
        if name == "endif":
            self._conditions.pop()
            return
        if current.last:
            self._fail(f"#{name} after #else", place)
        current.last = name == "else"
        possible = current.enclosing and not current.taken
        current.active = possible and (name == "else" or self._holds("if", line, at, offset))
        current.taken = current.taken or current.active

    def _holds(self, name: str, line: str, at: int, offset: int) -> bool:
        if name != "if":
            found = _NAME.match(line, at)
            if found is None:
                raise Fault("macro name missing", offset + at, offset + len(line))
            return (found[1] in self._defines) == (name == "ifdef")
        builder = CBuilder(lambda start, end: Span(self._place.source, start + offset, end + offset, self._place.via))
        tokens = _c()[1].condition(line, at, len(line), self._defines)
        try:
            node = cast(ctree.Constant, _run(builder, tokens, "condition", line))
        except Fault as fault:
            raise Fault(fault.message, fault.start + offset, fault.end + offset) from None
        return bool(evaluate(node, _no_name, _no_size)[0])

    def _other(self, name: str, line: str, at: int, offset: int, place: Span) -> None:
        rest = line[at:].strip()
        match name:
            case "define":
                self._define(line, at, offset)
            case "undef":
                found = _NAME.match(line, at)
                if found is None:
                    self._fail("macro name missing", place)
                self._defines.pop(found[1], None)
                self._own.pop(found[1], None)
            case "include" | "include_next" | "import":
                include = _INCLUDE.match(line, at)
                if include is None:
                    self._fail('expected "FILENAME" or <FILENAME>', place)
                span = self._span(offset + at, offset + include.end())
                self._includes.append(ctree.Include(span, include[1] or include[2], include[1] is not None))
            case "pragma":
                self._pragma(rest)
            case "error":
                self._fail(f"#error {rest}".rstrip(), place)
            case "" | "warning" | "line" | "ident" | "sccs":
                if not name and rest and not rest[0].isdigit():
                    self._fail("invalid preprocessing directive", place)
            case _:
                self._fail(f"invalid preprocessing directive #{name}", place)

    def _define(self, line: str, at: int, offset: int) -> None:
        found = _DEFINE.match(line, at)
        if found is None:
            raise Fault("macro name missing", offset + at, offset + len(line))
        name, params = found.groups()
        body = line[found.end() :].rstrip()
        span = self._span(offset + found.end(), offset + found.end() + len(body))
        names = tuple(param.strip() for param in params.split(",")) if params is not None else None
        define = ctree.Define(span, name, names if params is None or params.strip() else (), body)
        self._defines[name] = self._own[name] = define

    def _pragma(self, rest: str) -> None:
        """`#pragma pack` limits the alignment of members; others are ignored."""
        found = _PACK.match(rest)
        if found is None:
            return
        action, number = found.groups()
        if action == "push":
            self._packs.append(self._pack)
        elif action == "pop":
            self._pack = self._packs.pop() if self._packs else 0
        if number or not action:
            self._pack = int(number or 0)


def _run(builder: CBuilder, tokens: Iterable[Token], start: str, text: str) -> object:
    tables = _c()[0]
    try:
        return Automaton(tables, builder).run(tokens, start)
    except Unexpected as error:
        raise explain(tables, error, text) from None


def _without_comments(text: str) -> str:
    """A text of the same length, with blanks for its comments."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", found[0]) if found[1] is not None else found[0]

    return _NOT_CODE.sub(blank, text) if "/" in text else text


def _no_name(node: ctree.Name) -> int:
    return 0


def _no_size(node: ctree.SizeOf) -> int:
    raise Fault("sizeof is not known to the preprocessor", node.span.start, node.span.end)
