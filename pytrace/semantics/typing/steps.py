"""`++` and `--` (LANGUAGE 5.3, 14.2)."""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    I64,
    U64,
    UNKNOWN,
    Enum,
    Int,
    Pointer,
    Type,
    size_of,
)
from pytrace.semantics.typing import map_values, sources
from pytrace.semantics.typing.lattice import integral, join, known
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper

__all__ = ["step"]


def step(t: ProbeTyper, node: tree.IncDec) -> core.Expr:
    """`++` and `--` of a variable or a map."""
    target = node.target
    key: core.Expr | None = None
    if isinstance(target, tree.Var):
        variable = t.lookup(target.name)
        if variable is None:
            return t.error(target.span, f"Undefined or undeclared variable: {target.shown}")
        cell, kind = variable.cell, "variable"
    else:
        state = t.script.map(target if isinstance(target, tree.MapRef) else target.map)
        if t.unevaluated:
            return t.error(node.span, "Map assignments not allowed inside of sizeof, offsetof, typeof or typeinfo")
        state.known = state.written = True
        key = map_values.key_of_target(t, state, target)
        cell, kind = state.value, "map"
    if t.contributes(cell):
        cell.step(t.number, node.op)
    have = t.type_in(cell)
    if not known(have):
        if t.final and isinstance(target, tree.Var) and variable is not None and not variable.excused:
            return t.error(target.span, "Could not resolve the type of this variable")
        return core.Zero(UNKNOWN, node.span)
    if not isinstance(have, (Int, Enum, Pointer)):
        return t.error(
            node.span,
            f"Type mismatch for {cell.name}: trying to assign value of type '{I64 if node.op == '--' else U64}' "
            f"when {kind} already has a type '{have}'",
        )
    new = _stepped(have, node.op)
    if cell.locked is not None and cell.fixed is None and join(have, new) != cell.locked:
        return sources.locked(t, cell, new, node.span)
    delta = max(size_of(have.pointee), 1) if isinstance(have, Pointer) else 1
    place = t.place(variable) if isinstance(target, tree.Var) and variable is not None else t.map_of(state)
    return core.Step(have, node.span, place, key, delta if node.op == "++" else -delta, node.prefix)


def _stepped(have: Type, op: str) -> Type:
    whole = integral(have)
    if whole is None:
        return have
    return I64 if op == "--" or whole.signed else U64
