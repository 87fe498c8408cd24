"""Declarations and assignments of variables and maps (LANGUAGE 5.3, 6)."""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    Aggregate,
    Context,
    Nothing,
    Pointer,
    Record,
    Str,
    Tuple,
    Type,
    Unknown,
    Void,
)
from pytrace.semantics.typing import map_values, operators, sources, type_names
from pytrace.semantics.typing.convert import convert, settle
from pytrace.semantics.typing.lattice import known
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper, Variable

Stmts = tuple[core.Stmt, ...]

__all__ = ["assign", "let"]


def let(t: ProbeTyper, node: tree.Let) -> Stmts:
    value = None if node.value is None else t.expr(node.value)
    annotated = node.type is not None
    declared = type_names.written(t, node.type) if node.type is not None else None
    variable = t.declare(node.var)
    if node.type is not None and declared is not None:
        declared = _declarable(t, declared, node.type)
    if annotated and declared is None:
        variable.excused = True
    # `string` without a size takes the longest text.
    unsized = isinstance(declared, Str) and not declared.size
    variable.cell.fixed = None if declared is None or unsized or isinstance(declared, Unknown) else declared
    if unsized and t.contributes(variable.cell):
        variable.cell.add(t.number, Str(1))
    if value is not None:
        return store(t, variable, value, node.span)
    if not known(t.type_in(variable.cell)):
        return ()
    var = t.place(variable)
    return (core.SetVar(node.span, var, core.Zero(var.type, node.span)),)


def _declarable(t: ProbeTyper, declared: Type, node: tree.TypeName | tree.Typeof) -> Type | None:
    if isinstance(declared, (Aggregate, Void, Nothing, Context)):
        t.error(node.span, f"Invalid variable declaration type: {declared}")
        return None
    return declared


def assign(t: ProbeTyper, node: tree.Assign) -> Stmts:
    if isinstance(node.target, tree.Var):
        return _assign_variable(t, node, node.target)
    return _assign_map(t, node, node.target)


def _operated(t: ProbeTyper, node: tree.Assign) -> core.Expr:
    """The value that is assigned: for `X op= E` that of `X op E`."""
    if node.op == "=":
        return t.expr(node.value)
    target = t.expr(node.target)
    return operators.combine(t, node.op[:-1], target, t.expr(node.value), _operation(node))


def _operation(node: tree.Assign) -> Span:
    """A compound assignment from its operator on, which is what the operation marks."""
    span = node.span
    at = span.source.text.find(node.op, node.target.span.end, span.end)
    return span if at < 0 else Span(span.source, at, span.end, span.via)


def _assign_variable(t: ProbeTyper, node: tree.Assign, target: tree.Var) -> Stmts:
    value = _operated(t, node)
    variable = t.lookup(target.name)
    if variable is None:
        if node.op != "=":
            return ()  # reported when the target was read
        variable = t.declare(target)
    return store(t, variable, value, node.span)


def store(t: ProbeTyper, variable: Variable, value: core.Expr, span: Span) -> Stmts:
    """`$x = value`."""
    as_written, value = value, settle(value)
    type_ = value.type
    match type_:
        case Nothing():
            t.error(span, "Invalid expression for assignment")
        case Void() | Aggregate():
            t.error(span, f"Value '{type_}' cannot be assigned to a scratch variable.")
        case _ if known(type_):
            if not sources.source(t, variable.cell, type_, span, "variable", value):
                return ()
            if isinstance(type_, Context):
                return ()  # an alias: its fields are read from the context
            var = t.place(variable)
            return (core.SetVar(span, var, convert(t, as_written, var.type)),)
    variable.excused = True
    if isinstance(type_, (Tuple, Record, Pointer)):
        sources.source(t, variable.cell, type_, span, "variable", value)
    return (core.Evaluate(span, value),)


def _assign_map(t: ProbeTyper, node: tree.Assign, target: tree.MapRef | tree.MapIndex) -> Stmts:
    name = target if isinstance(target, tree.MapRef) else target.map
    state = t.script.map(name)
    if t.unevaluated:
        t.error(node.span, "Map assignments not allowed inside of sizeof, offsetof, typeof or typeinfo")
        return ()
    state.known = state.written = True
    if node.op == "=":
        updates = map_values.update(t, node.value, state, target)
        if updates is not None:
            return updates
    value = _operated(t, node)
    stored_value = map_values.into_map(t, state, value, node.span)
    key = map_values.key_of_target(t, state, target)
    if stored_value is None or (not known(state.value.final) and t.final):
        return (core.Evaluate(node.span, value),)
    return (core.SetMap(node.span, t.map_of(state), key, stored_value),)

