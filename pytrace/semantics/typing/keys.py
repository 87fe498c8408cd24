"""Keys of maps (LANGUAGE 18.2)."""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import Aggregate, Context, Nothing, Record, Tuple, Type, Unknown, Void, members_of
from pytrace.semantics.typing import sources
from pytrace.semantics.typing.convert import convert
from pytrace.semantics.typing.lattice import join, stored
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper
    from pytrace.semantics.typing.script import MapState

__all__ = ["holds_context", "key_of"]


def holds_context(expr: core.Expr) -> bool:
    """Whether a value is, or contains, the program's context, which must not leave the program."""
    match expr:
        case core.ContextAddress() | core.Expr(type=Context()):
            return True
        case core.MakeTuple(items=items):
            return any(map(holds_context, items))
    return False


def key_of(t: ProbeTyper, state: MapState, node: tree.Expr, span: Span) -> core.Expr:
    """A key as the map's key type, taking part in solving it; `span` is the access."""
    key = t.value(node)
    if holds_context(key):
        return t.error(node.span, "context cannot be part of a map key")
    match key.type:
        case Void() | Nothing() | Aggregate():
            return t.error(span, f"Value '{key.type}' cannot be used as a map key.")
        case Tuple() | Record() if (bad := _unusable(key.type)) is not None:
            return t.error(span, f"Value '{bad}' cannot be part of a map key.")
    cell = state.key
    if cell is None:
        return t.error(
            span,
            f"{state.name} used as a map with an explicit key (non-scalar map), "
            "previously used without an explicit key (scalar map)",
        )
    source = stored(key.type)
    agreed = True
    if t.contributes(cell):
        agreed = cell.add(t.number, source)
    if not agreed:
        return key
    type_ = t.type_in(cell)
    joined = join(type_, source)
    if joined is None or sources.changes(cell, joined):
        return t.error(
            span,
            f"Argument mismatch for {state.name}: trying to access with arguments: '{key.type}' when map expects "
            f"arguments: '{type_}'",
        )
    if isinstance(type_, Unknown):
        return key
    if not sources.suits(type_, source, key):
        return t.error(
            span,
            f"Type mismatch for {state.name}: trying to assign key of type '{key.type}' "
            f"when map already has a key type '{type_}'",
        )
    return convert(t, key, type_)


def _unusable(type_: Type) -> Type | None:
    for member in members_of(type_) if isinstance(type_, (Tuple, Record)) else ():
        if isinstance(member, (Void, Nothing, Aggregate)):
            return member
        inner = _unusable(member)
        if inner is not None:
            return inner
    return None
