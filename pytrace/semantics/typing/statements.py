"""Statements, and expressions that stand as statements (LANGUAGE 5)."""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import Aggregate, Int, Nothing, Type, Unknown, Void
from pytrace.semantics.typing import values
from pytrace.semantics.typing.constants import literal_of
from pytrace.semantics.typing.convert import as_i64, convert, settle
from pytrace.semantics.typing.lattice import join, known
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper

Stmts = tuple[core.Stmt, ...]


def body(t: ProbeTyper, block: tree.Block) -> Stmts:
    """A block of which only the effects count: the body of a probe or loop, the branch of an `if` statement."""
    t.scopes.append({})
    stmts = _in_scope(t, block)
    t.scopes.pop()
    return stmts


def _in_scope(t: ProbeTyper, block: tree.Block) -> Stmts:
    stmts: list[core.Stmt] = []
    last = len(block.statements) - 1 if block.value is None else -1
    for number, statement in enumerate(block.statements):
        if number == last and isinstance(statement, tree.ExprStmt):
            stmts += effect(t, statement.expr, _asked_for(block, statement), last=True)
        else:
            stmts += t.statement(statement)
    if block.value is not None:
        stmts += effect(t, block.value, _asked_for(block, block.value), last=True)
    return tuple(stmts)


def _asked_for(block: tree.Block, last: tree.Node) -> Span:
    """The place of what a block ends with; for the body of a macro that of the call, which is what can be changed."""
    via = last.span.via
    while via is not None and via != block.span:
        via = via.via
    return last.span if via is None else block.span


def expression(t: ProbeTyper, node: tree.ExprStmt) -> Stmts:
    return effect(t, node.expr, node.span, last=False)


def effect(t: ProbeTyper, node: tree.Expr, span: Span, *, last: bool) -> Stmts:
    """An expression whose value is not used, with the warning about that. `last`: it ends a body, so that an `if` has
    no value to give."""
    match node:
        case tree.If():
            return _if(t, node, span, last=last)
        case tree.Ternary(then=tree.Node() as then):
            cond = values.condition(t, node.cond, node.span)
            return branch(
                cond, effect(t, then, then.span, last=True), effect(t, node.orelse, node.orelse.span, last=True), span
            )
        case tree.Block() if last or node.value is None:
            return body(t, node)
    expr = t.expr(node)
    if not isinstance(node, tree.IncDec):
        _warn_discarded(t, expr.type, span)
    return _flat(expr, span)


def _warn_discarded(t: ProbeTyper, type_: Type, span: Span) -> None:
    if not isinstance(type_, (Void, Nothing, Unknown)):
        t.warning(span, "Return value discarded.")


def _flat(expr: core.Expr, span: Span) -> Stmts:
    """The statements that evaluate an expression for its effects."""
    expr = settle(expr)
    match expr:
        case core.Zero() | core.Const() | core.Text() | core.ReadVar():
            return ()
        case core.ReadMap(type=Aggregate(), key=key):
            return () if key is None else _flat(key, span)
        case core.Do(body=stmts, value=None):
            return stmts
        case core.Do(body=stmts, value=core.Expr() as value):
            return (*stmts, *_flat(value, span))
        case core.Select(cond=cond, then=then, orelse=orelse):
            return branch(cond, _flat(then, span), _flat(orelse, span), span)
    return (core.Evaluate(span, expr),)


def branch(cond: core.Expr, then: Stmts, orelse: Stmts, span: Span) -> Stmts:
    held = literal_of(cond)
    if held is not None:
        return then if held else orelse
    return (core.Branch(span, cond, then, orelse),)


def _if(t: ProbeTyper, node: tree.If, span: Span, *, last: bool) -> Stmts:
    if isinstance(node.cond, tree.Comptime):
        chosen = values.decide(t, node, node.cond)
        if chosen is None:
            return ()
        return body(t, chosen) if isinstance(chosen, tree.Block) else _if(t, chosen, span, last=last)
    if last or not _gives_value(node):
        cond = values.condition(t, node.cond, node.span)
        then = body(t, node.then)
        orelse: Stmts = ()
        if isinstance(node.orelse, tree.If):
            orelse = _if(t, node.orelse, node.orelse.span, last=last)
        elif node.orelse is not None:
            orelse = body(t, node.orelse)
        return branch(cond, then, orelse, span)
    expr = values.if_(t, node)
    _warn_discarded(t, expr.type, span)
    return _flat(expr, span)


def _gives_value(node: tree.If) -> bool:
    """Whether every branch ends in a value, so that the `if` has one too."""
    while True:
        if node.then.value is None or node.orelse is None:
            return False
        if isinstance(node.orelse, tree.Block):
            return node.orelse.value is not None
        node = node.orelse


def discard(t: ProbeTyper, node: tree.Discard) -> Stmts:
    return _flat(t.expr(node.expr), node.span)


def break_(t: ProbeTyper, node: tree.Break) -> Stmts:
    return (core.Break(node.span),)


def continue_(t: ProbeTyper, node: tree.Continue) -> Stmts:
    return (core.Continue(node.span),)


def return_(t: ProbeTyper, node: tree.Return) -> Stmts:
    value = None if node.value is None else t.expr(node.value)
    if t.returns is not None:
        return _return_from_function(t, node, value, *t.returns)
    if value is None:
        return (core.Return(node.span),)
    if isinstance(value.type, Unknown):
        return ()
    if not isinstance(value.type, Int):
        t.error(node.span, f"Probe return values can only be integers. Found {value.type}")
        return ()
    return (core.Return(node.span, as_i64(value)),)


def _return_from_function(
    t: ProbeTyper, node: tree.Return, value: core.Expr | None, name: str, declared: Type
) -> Stmts:
    type_ = Void() if value is None else value.type
    if not known(type_) or not known(declared):
        return ()
    joined = join(declared, type_)
    if joined is None:
        t.error(node.span, f"Function {name} is of type {declared}, cannot return {type_}")
        return ()
    return (core.Return(node.span, None if value is None else convert(t, value, declared)),)


def import_(t: ProbeTyper, node: tree.Import) -> Stmts:
    return ()
