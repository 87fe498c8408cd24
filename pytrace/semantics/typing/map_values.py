"""Values of maps: what may be stored, and the updates of aggregations (LANGUAGE 18.5)."""

from __future__ import annotations

from pytrace.builtins.registry import REGISTRY, Builtin, CallSite
from pytrace.diagnostics import Span
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    Aggregate,
    Context,
    Enum,
    Int,
    Nothing,
    Unknown,
    Void,
)
from pytrace.semantics.typing import keys, sources
from pytrace.semantics.typing.convert import convert, settle
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper
    from pytrace.semantics.typing.script import MapState

Stmts = tuple[core.Stmt, ...]

__all__ = ["into_map", "key_of_target", "update"]




def key_of_target(t: ProbeTyper, state: MapState, target: tree.MapRef | tree.MapIndex) -> core.Expr | None:
    if isinstance(target, tree.MapRef):
        if state.key is not None:
            t.error(
                target.span,
                f"{state.name} used as a map without an explicit key (scalar map), "
                "previously used with an explicit key (non-scalar map)",
            )
        return None
    return keys.key_of(t, state, target.key, target.span)


def into_map(t: ProbeTyper, state: MapState, value: core.Expr, span: Span) -> core.Expr | None:
    """A plain value as the map's value type; None if it cannot be one."""
    type_ = value.type
    match type_:
        case Void() | Nothing() | Context():
            t.error(span, f"Value '{type_}' cannot be assigned to a map.")
            return None
        case Aggregate():
            return _copied(t, state, value, type_, span)
        case Unknown():
            return None
    if keys.holds_context(value) and isinstance(value, core.MakeTuple):
        t.error(span, "context cannot be part of a map value")
        return None
    if not sources.source(t, state.value, type_, span, "map", value):
        return None
    return convert(t, value, t.type_in(state.value))


def _copied(t: ProbeTyper, state: MapState, value: core.Expr, type_: Aggregate, span: Span) -> core.Expr | None:
    """An aggregation assigned from another map: an integer, if the target holds integers otherwise."""
    cell = state.value
    if type_.castable and t.contributes(cell):
        cell.lend(t.number, type_)
    have = t.type_in(cell)
    if type_.castable and isinstance(have, (Int, Enum)):
        return convert(t, settle(value), have)
    if not t.final:
        return None
    if isinstance(have, Aggregate) and (have.name, have.params) != (type_.name, type_.params):
        t.error(
            span,
            f"Type mismatch for {cell.name}: trying to assign value of type '{type_}' "
            f"when map already has a type '{have}'",
        )
        return None
    hints: tuple[str, ...] = ()
    if type_.castable:
        hints = (
            "Add a cast to integer if you want the value of the aggregate, "
            f"e.g. `{state.name} = (int64){value.span.text};`.",
        )
    t.error(
        span,
        f"Map value '{type_}' cannot be assigned from one map to another. The function that returns this type must be "
        f"called directly e.g. `{state.name} = {_EXAMPLES.get(type_.name, type_.name + '(retval)')};`.",
        hints=hints,
    )
    return None


_EXAMPLES = {
    "count": "count()",
    "stats": "stats(arg2)",
    "lhist": "lhist(rand %10, 0, 10, 1)",
    "tseries": "tseries(rand %10, 10s, 1)",
}




def update(
    t: ProbeTyper, node: tree.Expr, state: MapState, target: tree.MapRef | tree.MapIndex
) -> Stmts | None:
    """`@m[k] = F(…)` with a map function, also as the value of a block; None for any other value."""
    blocks: list[tree.Block] = []
    while isinstance(node, tree.Block) and node.value is not None:
        blocks.append(node)
        node = node.value
    builtin = REGISTRY.get(node.name) if isinstance(node, tree.Call) else None
    if builtin is None or not builtin.map_function or not isinstance(node, tree.Call):
        return None
    before: list[core.Stmt] = []
    for block in blocks:
        t.scopes.append({})
        before += (stmt for statement in block.statements for stmt in t.statement(statement))
    call = t.apply(builtin, CallSite(node.name, node.args, node.span, node))
    del t.scopes[len(t.scopes) - len(blocks):]
    return (*before, *_aggregate(t, call, builtin, node, state, target))


def _aggregate(
    t: ProbeTyper,
    call: core.Expr,
    builtin: Builtin,
    node: tree.Call,
    state: MapState,
    target: tree.MapRef | tree.MapIndex,
) -> Stmts:
    key = key_of_target(t, state, target)
    type_ = call.type
    if not isinstance(type_, Aggregate) or not isinstance(call, core.Call):
        return ()
    cell = state.value
    if t.contributes(cell):
        cell.add(t.number, type_)
    have = t.type_in(cell)
    if isinstance(have, Unknown):
        return ()
    if isinstance(have, Aggregate) and have.name == type_.name and have.params != type_.params:
        what = "bits in a single hist" if type_.name == "hist" else f"{type_.name} bounds in a single map"
        t.error(node.span, f"Different {what} unsupported")
        return ()
    if not isinstance(have, Aggregate) or have.name != type_.name:
        t.error(
            node.span,
            f"Type mismatch for {cell.name}: trying to assign value of type '{type_}' "
            f"when map already has a type '{have}'",
        )
        return ()
    return (core.Update(node.span, t.map_of(state), key, call.args),)


