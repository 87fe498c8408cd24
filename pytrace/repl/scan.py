"""A script cut into pieces, however unfinished it is: for colours, completion and indentation.

The parser's own lexer gives up at the first mistake; text that is being typed is one mistake after another. Here every
character belongs to exactly one piece, whatever the text, and each is read once. The structure is that of
`pytrace.syntax.lexer`: attach points and C lines are raw words, all else are tokens.

At the prompt a text can also be a command (`:ls`), a question (`?hist`) or an expression (`= pid`, `@m`, `$1`).
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from pytrace.syntax.lookahead import BLANK, before_brace
from pytrace.syntax.raw import attach_point, line

__all__ = ["KEYWORDS", "Piece", "Scan", "scan"]

BLANKS, COMMENT, SHEBANG, C_LINE, ATTACH, KEYWORD, NAME, VAR, MAP, PARAM, NUMBER, STRING, OPEN, CLOSE, OPERATOR = (
    "blanks", "comment", "shebang", "c_line", "attach", "keyword", "name", "var", "map", "param", "number", "string",
    "open", "close", "operator",
)  # fmt: skip
COMMA, SEMICOLON, MEMBER, PREDICATE, UNKNOWN, COMMAND, QUESTION, TEXT = (
    "comma", "semicolon", "member", "predicate", "unknown", "command", "question", "text",
)  # fmt: skip
"""Kinds of pieces. MEMBER is the name behind `.` or `->`; PREDICATE a slash around a predicate; TEXT what follows a
command or a question mark."""

ITEMS = ("config", "import", "macro", "fn", "let")
C_KINDS = ("struct", "union", "enum")
STATEMENT_KEYWORDS = (
    "if", "else", "for", "while", "unroll", "break", "continue", "return", "let",
)  # fmt: skip
EXPRESSION_KEYWORDS = ("sizeof", "offsetof", "typeinfo", "typeof", "comptime", "true", "false")
KEYWORDS = frozenset((*ITEMS, *C_KINDS, *STATEMENT_KEYWORDS, *EXPRESSION_KEYWORDS))

_CLOSING = {"(": ")", "[": "]", "{": "}"}


class Piece(NamedTuple):
    kind: str
    start: int
    end: int


class Scan:
    """The pieces of a text, and where its end is.

    `item` says what the end lies in: "top" (where an item may start), "probe" (the attach points), "predicate",
    "predicate_end" (a body is expected), "body", "config", "macro", "fn", "let", "import", "c" (a C definition),
    "command", "question" or "expression".
    `open` are the indices of the pieces that open brackets which are still open. `attach_points` are those of the
    probe that the end lies in; `item_start` is the index of that item's first piece. `ready`: at "probe", whether an
    attach point may start here (else what follows one is expected: a comma, a predicate, a body).
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces: list[Piece] = []
        self.item = "top"
        self.open: list[int] = []
        self.attach_points: list[str] = []
        self.item_start = 0
        self.ready = True
        self.c_ranges: list[tuple[int, int]] = []

    @property
    def c_text(self) -> str:
        """The lines and definitions of the C preamble, as far as they are complete."""
        return "\n".join(self.text[start:end] for start, end in self.c_ranges)

    def of(self, piece: Piece) -> str:
        """The text of a piece."""
        return self.text[piece.start : piece.end]

    def last(self, before: int | None = None) -> Piece | None:
        """The last piece that is neither blank nor a comment, of those before an index."""
        pieces = self.pieces
        at = len(pieces) if before is None else before
        while at > 0:
            at -= 1
            if pieces[at].kind not in (BLANKS, COMMENT):
                return pieces[at]
        return None

    @property
    def in_comment(self) -> bool:
        """Whether the end lies in a comment: what is typed next belongs to it."""
        if not self.pieces or self.pieces[-1].kind != COMMENT:
            return False
        text = self.of(self.pieces[-1])
        return text.startswith("//") or len(text) < 4 or not text.endswith("*/")

    @property
    def in_string(self) -> bool:
        """Whether the end lies in a string."""
        return bool(self.pieces) and self.pieces[-1].kind == STRING and not _is_closed(self.of(self.pieces[-1]))

    @property
    def brackets(self) -> str:
        """The open brackets, outermost first."""
        return "".join(self.of(self.pieces[index]) for index in self.open)


def _is_closed(string: str) -> bool:
    return len(string) > 1 and string.endswith('"') and (len(string) - len(string[:-1].rstrip("\\")) - 1) % 2 == 0


@cache
def _token() -> re.Pattern[str]:
    groups = (
        (BLANKS, r"[ \t\r\n\f\v]+"),
        (COMMENT, r"//[^\n]*|/\*[^*]*(?:\*(?!/)[^*]*)*(?:\*/|\Z)"),
        (STRING, r'"(?:[^"\\\n]|\\[^\n])*(?:"|\\(?=\n|\Z)|(?=\n)|\Z)'),
        (VAR, r"\$[A-Za-z_]\w*"),
        (MAP, r"@(?:[A-Za-z_]\w*)?"),
        (PARAM, r"\$(?:[0-9]+|#)"),
        (NUMBER, r"[0-9]\w*"),
        (NAME, r"[A-Za-z_]\w*"),
        (COMMA, ","),
        (SEMICOLON, ";"),
        (OPEN, r"[({\[]"),
        (CLOSE, r"[)}\]]"),
        (OPERATOR, r"(?:<<|>>)=|->|\+\+|--|\.\.|&&|\|\||==|!=|<=|>=|<<|>>|[-+*/%&|^]=|[-+*/%&|^=<>!~?:.]"),
        (UNKNOWN, r"."),
    )
    return re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in groups), re.DOTALL | re.ASCII)


@cache
def _before_semicolon() -> re.Pattern[str]:
    return re.compile(rf"{BLANK};")


def scan(text: str, *, prompt: bool = False) -> Scan:
    """Cut a text into pieces. `prompt`: commands, questions and expressions are understood."""
    scanner = _Scanner(text)
    if not (prompt and scanner.prompt()):
        scanner.script()
    return scanner.result


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.end = len(text)
        self.at = 0
        self.result = Scan(text)
        self.match = _token().match

    def add(self, kind: str, end: int) -> Piece:
        piece = Piece(kind, self.at, end)
        self.result.pieces.append(piece)
        self.at = end
        return piece

    def skip(self) -> None:
        """Past blanks and comments."""
        while (found := self.match(self.text, self.at)) and found.lastgroup in (BLANKS, COMMENT):
            self.add(found.lastgroup, found.end())

    # --- the prompt -----------------------------------------------------------------------------------------------

    def prompt(self) -> bool:
        """Read what only the prompt understands; tells whether it was that."""
        self.skip()
        first = self.text[self.at : self.at + 1]
        if first not in (":", "?", "=", "@", "$"):
            return False
        result = self.result
        result.item_start = len(result.pieces)
        if first in (":", "?"):
            result.item = "command" if first == ":" else "question"
            found = re.compile(r":[ \t]*\w*!?|\?").match(self.text, self.at)
            self.add(COMMAND if first == ":" else QUESTION, found.end() if found else self.at + 1)
            if self.at < self.end:
                self.add(TEXT, self.end)
            return True
        result.item = "expression"
        if first == "=":
            self.add(OPERATOR, self.at + 1)
        self.tokens("expression")
        return True

    # --- scripts --------------------------------------------------------------------------------------------------

    def script(self) -> None:
        result = self.result
        first = True
        while True:
            result.item, result.ready = "top", True
            self.skip()
            result.attach_points = []
            if self.at >= self.end:
                return
            result.item_start = len(result.pieces)
            found = self.match(self.text, self.at)
            word = found[0] if found and found.lastgroup == NAME else ""
            at_end = found is not None and found.end() == self.end
            if word in ITEMS and not at_end:
                result.item = word
                self.add(KEYWORD, self.at + len(word))
                self.tokens(word)
            elif word in C_KINDS and not at_end:
                result.item = "c"
                start = self.at
                self.add(KEYWORD, self.at + len(word))
                self.tokens("c")
                if result.item == "top":
                    result.c_ranges.append((start, self.at))
            elif self.text[self.at] == "#":
                kind = SHEBANG if first and self.text.startswith("#!", self.at) else C_LINE
                piece = self.add(kind, max(line(self.text, self.at, self.end), self.at + 1))
                if kind == C_LINE:
                    result.c_ranges.append((piece.start, piece.end))
                if self.at >= self.end:
                    result.item = "c"
                    return
            else:
                self.probe()
            if result.item != "top":
                return
            first = False

    def probe(self) -> None:
        """The attach points, the predicate and the body of a probe."""
        result = self.result
        result.item = "probe"
        while True:
            stop = attach_point(self.text, self.at, self.end)
            if stop == self.at:
                break
            result.attach_points.append(self.text[self.at : stop])
            self.add(ATTACH, stop)
            if self.at >= self.end:
                return  # it is still being typed
            result.ready = False
            self.skip()
            if not self.text.startswith(",", self.at):
                break
            self.add(COMMA, self.at + 1)
            result.ready = True
            self.skip()
            if self.at >= self.end:
                return
        result.ready = False
        if self.at >= self.end:
            return
        if self.text.startswith("/", self.at):
            self.add(PREDICATE, self.at + 1)
            result.item = "predicate"
            self.tokens("predicate")
        elif self.text.startswith("{", self.at):
            result.item = "body"
            self.tokens("body")
        else:
            # Nothing that can follow an attach point, and none either.
            self.add(UNKNOWN, self.at + 1)
            result.item = "top"

    def tokens(self, item: str) -> None:
        """The tokens up to the end of an item. At the end of the text `result.item` stays what it is."""
        result, text, open_ = self.result, self.text, self.result.open
        while found := self.match(text, self.at):
            kind, stop = found.lastgroup or UNKNOWN, found.end()
            if kind == NAME:
                before = result.last()
                if before is not None and text[before.start : before.end] in (".", "->"):
                    kind = MEMBER
                elif found[0] in KEYWORDS:
                    kind = KEYWORD
            elif found[0] == "/" and item == "predicate" and not open_ and self._closes_predicate(stop):
                self.add(PREDICATE, stop)
                item = result.item = "body"
                self.skip()
                if self.at >= self.end:
                    result.item = "predicate_end"
                    return
                continue
            piece = self.add(kind, stop)
            if kind == OPEN:
                open_.append(len(result.pieces) - 1)
            elif kind == CLOSE:
                self._close(piece)
            if not open_ and item != "expression" and self._ends(item, kind, found[0]):
                result.item = "top"
                return

    def _closes_predicate(self, stop: int) -> bool:
        """Whether the slash that ends at `stop` does: a brace follows, or nothing yet."""
        return before_brace(self.text, stop, self.end) or not self.text[stop:].strip()

    def _close(self, piece: Piece) -> None:
        """Close the bracket that a closing one belongs to, and those inside of it that were forgotten."""
        open_, pieces, text = self.result.open, self.result.pieces, self.text
        character = text[piece.start]
        for depth in range(len(open_) - 1, -1, -1):
            if _CLOSING[text[pieces[open_[depth]].start]] == character:
                del open_[depth:]
                return

    def _ends(self, item: str, kind: str, text: str) -> bool:
        """Whether a token outside of all brackets is the last one of its item."""
        if item == "c":
            return kind == SEMICOLON or (text == "}" and not self._goes_on())
        if text == "}":
            return True
        if kind == SEMICOLON:
            return item in ("import", "let")
        return item == "let" and text == ")" and not _before_semicolon().match(self.text, self.at)

    def _goes_on(self) -> bool:
        """Whether a C definition goes on behind its body."""
        found = re.compile(rf"{BLANK}(?:;|__attribute__)").match(self.text, self.at)
        return found is not None
