"""Loops (LANGUAGE 5.6–5.10)."""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import I64, U64, UNKNOWN, Aggregate, Int, Tuple, Type, Unknown
from pytrace.semantics.typing import sources, statements, values
from pytrace.semantics.typing.convert import convert
from pytrace.semantics.typing.lattice import join, known, places, stored
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper

Stmts = tuple[core.Stmt, ...]

MAX_UNROLL = 100

_WHILE = "While loops are deprecated and may be removed in the future."
_WHILE_HINT = (
    "For loops support ranges (e.g. `for ($x : $start..$end) { ... }`), and can be used in place of while. "
    "These are more easily proven to be bounded by the verifier."
)


def while_(t: ProbeTyper, node: tree.While) -> Stmts:
    t.warning(node.span, _WHILE, hints=(_WHILE_HINT,))
    cond = values.condition(t, node.cond, node.span)
    t.loops.append("while")
    body = statements.body(t, node.body)
    t.loops.pop()
    return (core.WhileLoop(node.span, cond, body),)


def unroll(t: ProbeTyper, node: tree.Unroll) -> Stmts:
    """Every copy has variables of its own, but no copy sees those of another: they can share their places."""
    count = t.literal(node.count)
    if count is None and not t.final:
        return statements.effect(t, node.body, node.body.span, last=False)
    if not isinstance(count, int) or isinstance(count, bool):
        t.error(node.span, "invalid unroll value")
        return ()
    if count > MAX_UNROLL:
        t.error(node.span, f"unroll maximum value is {MAX_UNROLL}")
        return ()
    if count < 1:
        t.error(node.span, "unroll minimum value is 1")
        return ()
    return statements.effect(t, node.body, node.body.span, last=False) * count


def for_(t: ProbeTyper, node: tree.For) -> Stmts:
    if isinstance(node.iterable, tree.MapRef):
        return _over_map(t, node, node.iterable)
    return _over_range(t, node, node.iterable)


def _over_range(t: ProbeTyper, node: tree.For, bounds: tree.Range) -> Stmts:
    start, end = t.expr(bounds.start), t.expr(bounds.end)
    type_: Type = UNKNOWN
    for bound, which in ((start, "start"), (end, "end")):
        if not isinstance(bound.type, (Int, Unknown)):
            t.error(node.span.to(bounds.span), f"Loop range requires an integer for the {which} value")
        else:
            type_ = join(type_, bound.type) or type_
    t.scopes.append({})
    variable = t.declare(node.var)
    if isinstance(type_, Unknown):
        variable.excused = True
    else:
        sources.source(t, variable.cell, type_, node.span, "variable")
    body = _body(t, node)
    var = t.place(variable)
    t.scopes.pop()
    if not isinstance(type_, Int) or not isinstance(start.type, Int) or not isinstance(end.type, Int):
        return ()
    whole = I64 if type_.signed else U64
    return (core.RangeLoop(node.span, var, convert(t, start, whole), convert(t, end, whole), body),)


def _over_map(t: ProbeTyper, node: tree.For, name: tree.MapRef) -> Stmts:
    state = t.script.map(name)
    if t.final and not state.known:
        t.error(name.span, f"Undefined map: {state.name}")
    key = UNKNOWN if state.key is None else t.type_in(state.key)
    value = t.type_in(state.value)
    if isinstance(value, Aggregate) and not value.castable:
        t.error(name.span, f"Loop expression does not support type: {value}")
        value = UNKNOWN
    entry = Tuple((stored(key), stored(places(value))))
    t.scopes.append({})
    variable = t.declare(node.var)
    if known(entry):
        sources.source(t, variable.cell, entry, node.span, "variable")
    else:
        variable.excused = True
    body = _body(t, node)
    var = t.place(variable)
    t.scopes.pop()
    if not known(entry) or state.key is None:
        return ()
    return (core.MapLoop(node.span, var, t.map_of(state), body),)


def _body(t: ProbeTyper, node: tree.For) -> Stmts:
    t.loops.append("for")
    body = statements.body(t, node.body)
    t.loops.pop()
    return body
