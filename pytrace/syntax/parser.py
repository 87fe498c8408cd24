"""From text to the syntax tree."""

from __future__ import annotations

import gc

from pytrace.diagnostics import CompileError, Diagnostics, Source, Span
from pytrace.hints import Iterable, Sequence, cast
from pytrace.once import cache
from pytrace.syntax import tree
from pytrace.syntax.assemble import Part, assemble
from pytrace.syntax.automaton import Automaton, Token, Unexpected
from pytrace.syntax.builder import Builder
from pytrace.syntax.errors import explain
from pytrace.syntax.fault import Fault
from pytrace.syntax.lexer import Lexer
from pytrace.syntax.tables import Tables, load

__all__ = ["parse", "parse_expression"]


@cache
def _language() -> tuple[Tables, Lexer]:
    tables = load("pytrace")
    return tables, Lexer(tables)


def parse(source: Source, via: Span | None = None) -> tree.Script:
    """The syntax tree of a script; `via` is the place of the `import` that brought it in.

    Raises `CompileError`: for all malformed literals and misplaced parts, and the first other mistake.
    """
    lexer = _language()[1]
    builder = Builder(source, via)
    comments: list[tuple[int, int]] = []
    parts = _run(builder, lexer.script(source.text, comments), "script")
    noted = tuple((Span(source, start, end, via), source.text[start:end]) for start, end in comments)
    whole = Span(source, 0, len(source.text), via)
    script = assemble(whole, cast(Sequence[Part], parts or ()), noted, builder.faults)
    _check(builder)
    return script


def parse_expression(text: str, span: Span) -> tree.Expr:
    """The expression that a text is, such as the body of a `#define`; `span` is where it stands.

    Where the span ends in that text, the nodes have their places in it; else all of them have `span`. Raises
    `CompileError`.
    """
    lexer = _language()[1]
    if span.text.endswith(text):
        builder = Builder(span.source, span.via)
        tokens = lexer.expression(span.source.text, span.end - len(text), span.end)
    else:
        builder = Builder(Source(span.source.name, text), place=span)
        tokens = lexer.expression(text, 0, len(text))
    expression = _run(builder, tokens, "expression")
    _check(builder)
    return cast(tree.Expr, expression)


def _run(builder: Builder, tokens: Iterable[Token], start: str) -> object:
    """What was built; None, and a fault more, if the tokens do not fit the grammar."""
    tables = _language()[0]
    collecting = gc.isenabled()
    # A tree has no cycles, and looking for them in one that grows takes as long as growing it.
    gc.disable()
    try:
        return Automaton(tables, builder).run(tokens, start)
    except Unexpected as error:
        text = builder.source.text
        _check_literal(builder, text[slice(*error.previous)], error.previous[0])
        builder.faults.append(explain(tables, error, text))
    except Fault as fault:
        builder.faults.append(fault)
    finally:
        if collecting:
            gc.enable()
    return None


def _check_literal(builder: Builder, previous: str, start: int) -> None:
    """Note what is wrong with a number that has just been read when the mistake comes: it can be the cause."""
    if previous[:1].isdigit() and previous.replace("_", "0").isalnum():
        builder.integer(start, start + len(previous), [previous])


def _check(builder: Builder) -> None:
    if not builder.faults:
        return
    diagnostics = Diagnostics()
    for fault in builder.faults:
        diagnostics.error(builder.span(fault.start, fault.end), f"syntax: {fault.message}")
    raise CompileError(diagnostics)
