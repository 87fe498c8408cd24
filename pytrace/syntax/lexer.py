"""Text to tokens.

A token is a tuple `(candidates, text, start, end)`. Which terminal it is can depend on what the parser expects, so it
names the candidates in order of preference: `if` may be a keyword or a name, `$x` the start of a statement or an
operand, `(` that of a call or, as told by what follows it, of a cast.

The lexer follows the structure of a script as far as it must: at top level an attach point is one raw word, and so is
a line or a definition of the C preamble; inside an item there are ordinary tokens.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, Iterator
from pytrace.lazy import ASCII, DOTALL, pattern
from pytrace.syntax.automaton import Token
from pytrace.syntax.fault import Fault
from pytrace.syntax.lookahead import BLANK, COMMENT, before_assign, before_brace, is_type, parenthesis
from pytrace.syntax.raw import attach_point, c_definition, line
from pytrace.syntax.tables import Tables

__all__ = ["Lexer"]

if TYPE_CHECKING:
    from collections.abc import Generator

    _Tokens = Generator[Token, None, int]

_COMMENT = pattern(COMMENT)
_SKIP = pattern(r"[ \t\r\n]*+")
_WORD = pattern(r"[A-Za-z_]\w*", ASCII)
_BEFORE_SEMICOLON = pattern(rf"{BLANK};")
_ITEMS = frozenset(("config", "import", "macro", "fn", "let"))
_C_KINDS = frozenset(("struct", "union", "enum"))
_TYPE_CONTEXTS = frozenset(("sizeof", "typeof", "typeinfo", "offsetof"))

_BEFORE_EXPRESSION = frozenset(("return", "comptime"))

# What a terminal asks of the lexer besides its match.
_PLAIN, _IDENT, _OPEN, _BEGIN, _CLOSE, _SEMICOLON, _OPERATOR, _UNKNOWN = range(8)
_SPECIAL = {
    "IDENT": _IDENT, "_LPAR": _OPEN, "_LBRACE": _BEGIN, "_RPAR": _CLOSE, "_RBRACE": _CLOSE, "_SEMICOLON": _SEMICOLON,
    "BINOP": _OPERATOR,
}


class Lexer:
    """Reads tokens by the terminals of the language's tables."""

    def __init__(self, tables: Tables) -> None:
        ids = tables.terminals
        names = {number: name for name, number in ids.items()}
        lead = {ids["VAR"]: ids["STMT_VAR"], ids["MAP"]: ids["STMT_MAP"]}
        self.pattern = pattern(rf"[ \t\r\n]*+(?:({COMMENT})|{tables.pattern}|(.)|\Z)", DOTALL | ASCII)
        self._match = self.pattern.match
        # By group of the pattern: none, the comment, the terminals, any other character.
        self._groups: list[tuple[int, tuple[int, ...]]] = [(_PLAIN, ()), (_PLAIN, ())]
        for number in tables.groups:
            candidates = (lead[number], number) if number in lead else (number,)
            self._groups.append((_SPECIAL.get(names[number], _PLAIN), candidates))
        self._groups.append((_UNKNOWN, ()))
        ident, type_name = ids["IDENT"], ids["TYPE_NAME"]
        self._names = {word: (number, ident, type_name) for word, number in tables.keywords.items()}
        self._types = {word: (number, type_name, ident) for word, number in tables.keywords.items()}
        self._name, self._type, self._discard = (ident, type_name), (type_name, ident), (ids["_DISCARD"], ident)
        self._opens = tuple((ids["_LPAR"], ids[name]) for name in ("_GROUP", "_UNIT", "_RECORD", "_CAST"))
        self._keywords = {word: (number,) for word, number in tables.keywords.items()}
        self._raw = {name: (ids[name],) for name in ("SHEBANG", "C_LINE", "C_DEF", "ATTACH")}
        self._incomplete = {"$": (ids["STMT_VAR"], ids["VAR"]), '"': (ids["STRING"],)}
        self._comma, self._end = (ids["_COMMA"],), (tables.end,)
        self._predicate, self._predicate_end = (ids["_PRED_START"],), (ids["_PRED_END"],)

    def script(self, text: str, comments: list[tuple[int, int]]) -> Iterator[Token]:
        """The tokens of a script; the ranges of its comments are added to `comments`. Raises `Fault`."""
        end = len(text)
        at, first = 0, True
        while True:
            at = self._blanks(text, at, end, comments)
            if at == end:
                yield self._end, "", end, end
                return
            word = found[0] if (found := _WORD.match(text, at, end)) else ""
            if word in _ITEMS:
                stop = at + len(word)
                yield self._keywords[word], word, at, stop
                at = yield from self._tokens(text, stop, end, comments, word, 0)
            elif word in _C_KINDS or (text[at] == "#" and (first or not text.startswith("#!", at))):
                kind = "C_DEF" if word else "SHEBANG" if text.startswith("#!", at) else "C_LINE"
                stop = c_definition(text, at + len(word), end) if word else line(text, at, end)
                yield self._raw[kind], text[at:stop], at, stop
                at = stop
            else:
                at = yield from self._probe(text, at, end, comments)
            first = False

    def expression(self, text: str, start: int, end: int) -> Iterator[Token]:
        """The tokens of an expression that stands by itself."""
        yield from self._tokens(text, start, end, [], "expression", 1)
        yield self._end, "", end, end

    def _blanks(self, text: str, at: int, end: int, comments: list[tuple[int, int]]) -> int:
        while True:
            found = _SKIP.match(text, at, end)
            at = found.end() if found else at
            found = _COMMENT.match(text, at, end)
            if found is None:
                return at
            at = found.end()
            comments.append(found.span())

    def _probe(self, text: str, at: int, end: int, comments: list[tuple[int, int]]) -> _Tokens:
        """The attach points, the predicate and the body of a probe."""
        while (stop := attach_point(text, at, end)) > at:
            yield self._raw["ATTACH"], text[at:stop], at, stop
            at = self._blanks(text, stop, end, comments)
            if not text.startswith(",", at, end):
                break
            yield self._comma, ",", at, at + 1
            at = self._blanks(text, at + 1, end, comments)
            if text.startswith(("{", "/"), at, end):
                break
        if not text.startswith("/", at, end):
            return (yield from self._tokens(text, at, end, comments, "body", 0))
        yield self._predicate, "/", at, at + 1
        return (yield from self._tokens(text, at + 1, end, comments, "predicate", 1))

    def _tokens(
        self, text: str, at: int, end: int, comments: list[tuple[int, int]], item: str, depth: int
    ) -> _Tokens:
        """The tokens up to the end of an item: its last `}`, `)` or `;`. Gives the offset behind it."""
        match, groups = self._match, self._groups
        closings: dict[int, int] = {}
        name, context = "", False  # the name just before; whether this is the start of a type context
        while (found := match(text, at, end)) and (group := found.lastindex):
            start, at = found.span(group)
            if group == 1:
                comments.append((start, at))
                continue
            kind, candidates = groups[group]
            word = found[group]
            if kind == _PLAIN:
                name, context = "", False
            elif kind == _IDENT:
                if context and is_type(text, start, end):
                    candidates = self._types.get(word, self._type)
                elif word == "_" and before_assign(text, at, end):
                    candidates = self._discard
                else:
                    candidates = self._names.get(word, self._name)
                name, context = word, False
            elif kind == _OPEN:
                if not name or name in _BEFORE_EXPRESSION:  # else it is that of a call
                    candidates = self._opens[parenthesis(text, start, end, closings)]
                name, context = "", name in _TYPE_CONTEXTS
                depth += 1
            else:
                name, context = "", False
                if kind in (_CLOSE, _SEMICOLON):
                    depth -= kind == _CLOSE
                    if depth <= 0 and self._ends(item, word, text, at, end):
                        yield candidates, word, start, at
                        return at
                elif kind == _OPERATOR:
                    if word == "/" and before_brace(text, at, end):
                        candidates = self._predicate_end
                        if item == "predicate" and depth == 1:
                            depth = 0
                elif kind == _BEGIN:
                    depth += 1
                elif word in self._incomplete:
                    # It is a mistake by itself where the parser can use it, else the mistake of being there.
                    yield self._incomplete[word], word, start, at
                    raise _incomplete(text, word, start, end)
            yield candidates, word, start, at
        return end

    def _ends(self, item: str, word: str, text: str, at: int, end: int) -> bool:
        """Whether a token outside of all parentheses and braces is the last one of its item."""
        if word == "}":
            return True
        if word == ";":
            return item in ("import", "let")
        return item == "let" and not _BEFORE_SEMICOLON.match(text, at, end)


def _incomplete(text: str, character: str, at: int, end: int) -> Fault:
    """What is wrong with a character that only starts a token."""
    if character == "$":
        return Fault("expected identifier after '$'", at, at + 1)
    stop = text.find("\n", at, end)
    stop = end if stop < 0 else stop
    return Fault("unterminated string", stop, stop)
