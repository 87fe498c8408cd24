"""Questions about types that are answered while compiling: `sizeof`, `offsetof`, `typeinfo`, `comptime`
(LANGUAGE 8, 13)."""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import NOTHING, UNKNOWN, Nothing, Struct, Unknown, size_of
from pytrace.semantics.typing import type_names
from pytrace.semantics.typing.constants import constant, literal_of
from pytrace.semantics.typing.lattice import known
from pytrace.semantics.typing.spelling import base_type
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper


def sizeof(t: ProbeTyper, node: tree.Sizeof) -> core.Expr:
    type_ = type_names.meant(t, node.arg)
    if type_ is None or not known(type_):
        return core.Zero(UNKNOWN, node.span)
    return constant(size_of(type_), node.span)


def typeinfo(t: ProbeTyper, node: tree.Typeinfo) -> core.Expr:
    """The record `(btf_id, base_type, full_type)`. A type that nothing decides is called `none`, so that a condition
    may ask for it."""
    type_ = type_names.meant(t, node.arg)
    if type_ is None:
        return core.Zero(UNKNOWN, node.span)
    if isinstance(type_, (Nothing, Unknown)):
        type_ = NOTHING
    full = str(type_).encode()
    return constant({"btf_id": 0, "base_type": base_type(type_).encode(), "full_type": full}, node.span)


def offsetof(t: ProbeTyper, node: tree.Offsetof) -> core.Expr:
    type_ = type_names.meant(t, node.arg)
    offset = 0
    for name in node.path:
        if type_ is None or isinstance(type_, Unknown):
            return core.Zero(UNKNOWN, node.span)
        if not isinstance(type_, Struct):
            return t.error(node.span, f"'{type_}' is not a C type.")
        definition = t.types.definition(type_)
        field = definition.field(name) if definition else None
        if field is None:
            return t.error(node.span, f"'{type_}' has no field named '{name}'")
        offset += field.offset
        type_ = field.type
    return constant(offset, node.span)


def comptime(t: ProbeTyper, node: tree.Comptime) -> core.Expr:
    expr = t.expr(node.expr)
    value = literal_of(expr)
    if value is not None:
        return expr
    if known(expr.type) or t.final:
        return t.error(node.span, "Unable to resolve comptime expression")
    return expr
