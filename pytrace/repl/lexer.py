"""The language for Pygments: colours at the prompt, of `--fmt` on a terminal, and wherever else Pygments is used.

No text makes it fail, and the tokens together are the text. What is a builtin, a function or a type is looked up in the
registry, so that it cannot fall behind the language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from io import StringIO
from typing import ClassVar

from pygments.lexer import Lexer
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Text,
    Whitespace,
    _TokenType,
)

from pytrace.repl import scan as kinds
from pytrace.repl.scan import Piece, Scan, scan

__all__ = ["PromptLexer", "PytraceLexer", "colour"]

_Tokens = Iterator[tuple[int, _TokenType, str]]

_SIMPLE: dict[str, _TokenType] = {
    kinds.BLANKS: Whitespace,
    kinds.SHEBANG: Comment.Hashbang,
    kinds.VAR: Name.Variable,
    kinds.MAP: Name.Variable.Global,
    kinds.PARAM: Name.Variable.Magic,
    kinds.OPEN: Punctuation,
    kinds.CLOSE: Punctuation,
    kinds.COMMA: Punctuation,
    kinds.SEMICOLON: Punctuation,
    kinds.OPERATOR: Operator,
    kinds.MEMBER: Name.Attribute,
    kinds.PREDICATE: Punctuation.Marker,
    kinds.UNKNOWN: Error,
    kinds.COMMAND: Keyword.Declaration,
    kinds.QUESTION: Keyword.Declaration,
    kinds.TEXT: Text,
}
_TYPES = frozenset(
    ("void", "bool", "string", "buffer", "inet", "timestamp", "char", "short", "int", "long", "signed", "unsigned",
     "size_t", "ssize_t", "float", "double", "_Bool", "pid_t", "uid_t",
     "username_t", "macaddr_t", "cgroup_path_t", "count_t",
     *(f"{sign}{name}_t" for sign in ("", "u") for name in ("sum", "min", "max", "avg", "stats")),
     *(f"{sign}int{bits}{end}" for sign in ("", "u") for bits in (8, 16, 32, 64) for end in ("", "_t")),
     *(f"{prefix}{sign}{bits}" for prefix in ("", "__") for sign in "us" for bits in (8, 16, 32, 64)))
)  # fmt: skip
_STRING = re.compile(
    r"(?P<escape>\\(?:[0-7]{1,3}|[xX][0-9A-Fa-f]{1,2}|.))"
    r"|(?P<directive>%-?\+? ?#?0?(?:[0-9]*|\*)(?:\.(?:[0-9]*|\*))?[hlLjzt]*(?:gr|r[xh]?|[diuoxXcpseEfFgGaAn%]))",
    re.DOTALL,
)
_NUMBER = re.compile(r"(?P<hex>0[xX][0-9A-Fa-f_]*)|(?P<digits>[0-9][0-9_]*(?:[eE][0-9_]+)?)(?P<suffix>[A-Za-z]\w*)?")
_ATTACH = re.compile(
    r'(?P<quoted>"(?:[^"\\]|\\.)*"?)|(?P<colon>[:@=])|(?P<star>\*)|(?P<param>\$[0-9]+)|(?P<other>[^":@*$=]+|\$)',
    re.DOTALL,
)
_ADDRESS = re.compile(r"(?P<name>.*?)(?P<offset>\+(?:0[xX][0-9A-Fa-f_]+|[0-9]\w*))?\Z", re.DOTALL)
_DIRECTIVE = re.compile(r"(#[ \t]*\w*)([ \t]*)(.*)", re.DOTALL)


@cache
def _registry() -> dict[str, bool]:
    """Names of the language's values and functions, and whether they are functions only."""
    from pytrace.builtins import REGISTRY
    from pytrace.semantics.library import MACROS

    return {name: not each.bare for name, each in REGISTRY.items()} | dict.fromkeys(MACROS, True)


@cache
def _providers() -> frozenset[str]:
    from pytrace.probes import OLDER, PROVIDERS, SHORT

    return frozenset((*PROVIDERS, *OLDER, *SHORT))


class PytraceLexer(Lexer):  # type: ignore[misc]  # Pygments comes without types
    """Scripts."""

    name = "pytrace"
    aliases: ClassVar = ["pytrace", "bpftrace", "bt"]
    filenames: ClassVar = ["*.bt"]
    mimetypes: ClassVar = ["text/x-bpftrace"]
    url = "https://pypi.org/project/pytrace-bpf/"
    prompt: ClassVar = False

    def get_tokens_unprocessed(self, text: str) -> _Tokens:
        """Offset, type and text of each token."""
        found = scan(text, prompt=self.prompt)
        for index, piece in enumerate(found.pieces):
            yield from _tokens(found, index, piece)

    @staticmethod
    def analyse_text(text: str) -> float:
        """How much a text looks like a script: a number from 0 to 1."""
        if re.match(r"#!.*\b(?:py|bpf)trace\b", text):
            return 1.0
        if re.search(r"^(?:tracepoint|kprobe|kretprobe|uprobe|interval|profile|fentry):\S+\s*(?:/[^\n]*/)?\s*\{", text,
                     re.MULTILINE):
            return 0.8
        return 0.0


class PromptLexer(PytraceLexer):
    """What is typed at the prompt: scripts, and commands, questions and expressions."""

    name = "pytrace prompt"
    aliases: ClassVar = []
    filenames: ClassVar = []
    mimetypes: ClassVar = []
    prompt: ClassVar = True

    @staticmethod
    def analyse_text(text: str) -> float:
        """Never guessed."""
        return 0.0


def _tokens(found: Scan, index: int, piece: Piece) -> _Tokens:
    kind, start, end = piece
    text = found.text[start:end]
    if kind == kinds.COMMENT:
        yield start, Comment.Multiline if text.startswith("/*") else Comment.Single, text
    elif kind == kinds.STRING:
        yield from _string(text, start)
    elif kind == kinds.NUMBER:
        yield from _number(text, start)
    elif kind == kinds.ATTACH:
        yield from _attach_point(text, start)
    elif kind == kinds.C_LINE:
        yield from _directive(text, start)
    elif kind == kinds.KEYWORD:
        yield start, _keyword(text), text
    elif kind == kinds.NAME:
        yield start, _name(found, index, text), text
    else:
        yield start, _SIMPLE[kind], text


def _keyword(text: str) -> _TokenType:
    if text in ("true", "false"):
        return Keyword.Constant
    if text in kinds.C_KINDS:
        return Keyword.Type
    return Keyword.Declaration if text in ("macro", "fn", "let", "config", "import") else Keyword


def _name(found: Scan, index: int, text: str) -> _TokenType:
    before = found.last(index)
    previous = found.of(before) if before is not None else ""
    if previous in kinds.C_KINDS:
        return Name.Class
    if previous in ("macro", "fn"):
        return Name.Function
    known = _registry()
    called = found.text.startswith("(", found.pieces[index].end)
    if text in known and (called or not known[text]):
        return Name.Builtin
    if text in _TYPES:
        return Keyword.Type
    if text == "_":
        return Keyword.Pseudo
    return Name.Function if called else Name


def _string(text: str, start: int) -> _Tokens:
    at = 0
    for found in _STRING.finditer(text):
        if found.start() > at:
            yield start + at, String.Double, text[at : found.start()]
        yield start + found.start(), String.Escape if found["escape"] else String.Interpol, found[0]
        at = found.end()
    if at < len(text):
        yield start + at, String.Double, text[at:]


def _number(text: str, start: int) -> _Tokens:
    found = _NUMBER.match(text)
    if found is None or found.end() < len(text):
        yield start, Error, text
    elif found["hex"]:
        yield start, Number.Hex, text
    else:
        digits = found["digits"]
        octal = len(digits) > 1 and digits.startswith("0") and digits.isdigit()
        yield start, Number.Oct if octal else Number.Integer, digits
        if found["suffix"]:
            yield start + len(digits), Number.Integer.Long, found["suffix"]


def _directive(text: str, start: int) -> _Tokens:
    found = _DIRECTIVE.match(text)
    if found is None:
        yield start, Comment.Preproc, text
        return
    word, blank, rest = found.groups()
    yield start, Comment.Preproc, word
    if blank:
        yield start + len(word), Whitespace, blank
    if rest:
        include = word.lstrip("# \t") == "include"
        yield start + len(word) + len(blank), Comment.PreprocFile if include else Comment.Preproc, rest


def _attach_point(text: str, start: int) -> _Tokens:
    """`label=provider:part:part`: the last part is a function, an event or a number, those before it where it is."""
    label = text.partition(":")[0].find("=") if "=" in text.partition(":")[0] else -1
    first = text.find(":")
    last = max(text.rfind(":"), text.rfind("@"))
    for found in _ATTACH.finditer(text):
        at, part = found.start(), found[0]
        if found["quoted"]:
            yield start + at, String.Double, part
        elif found["colon"]:
            yield start + at, Punctuation, part
        elif found["star"]:
            yield start + at, Operator, part
        elif found["param"]:
            yield start + at, Name.Variable.Magic, part
        elif at < label:
            yield start + at, Name.Label, part
        elif first < 0 or at < first:
            known = part in _providers() or part.lower() in _providers()
            yield start + at, Keyword.Namespace if known else Name.Namespace, part
        elif at < last:
            yield start + at, Name.Namespace, part
        elif part[0].isdigit():
            yield start + at, Number.Integer, part
        else:
            yield from _function(part, start + at)


def _function(part: str, start: int) -> _Tokens:
    found = _ADDRESS.match(part)
    name, offset = (found["name"], found["offset"]) if found is not None else (part, None)
    if name:
        yield start, Name.Function, name
    if offset:
        yield start + len(name), Operator, "+"
        yield start + len(name) + 1, Number.Integer, offset[1:]


def colour(text: str) -> str:
    """A script with the escape sequences that colour it on a terminal."""
    from pygments.formatters.terminal import TerminalFormatter

    shown = StringIO()
    tokens = PytraceLexer().get_tokens_unprocessed(text)
    TerminalFormatter().format(((kind, value) for _, kind, value in tokens), shown)
    return shown.getvalue()
