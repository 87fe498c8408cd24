"""Literals among typed expressions: which node is one, and the node of a value.

A literal is known by its type: `literal_int` gives integer literals types of their own (see `lattice.py`), so that
neither a cast nor a constant from the machine (`ncpus`) is taken for one.
"""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.semantics import program as core
from pytrace.semantics.literals import Value
from pytrace.semantics.types import BOOL, Bool, Int, Record, Str, Tuple
from pytrace.semantics.typing.lattice import exact, literal_int

__all__ = ["constant", "literal_of"]


def constant(value: Value, span: Span) -> core.Expr:
    """A literal as a typed expression."""
    if isinstance(value, bool):
        return core.Const(BOOL, span, int(value))
    if isinstance(value, int):
        return core.Const(literal_int(value), span, value)
    if isinstance(value, bytes):
        return core.Text(Str(len(value) + 1), span, value)
    if isinstance(value, tuple):
        items = tuple(constant(item, span) for item in value)
        return core.MakeTuple(Tuple(tuple(item.type for item in items)), span, items)
    members = {name: constant(item, span) for name, item in value.items()}
    type_ = Record(tuple((name, item.type) for name, item in members.items()))
    return core.MakeTuple(type_, span, tuple(members.values()))


def literal_of(expr: core.Expr) -> Value | None:
    """The value of an expression that is a literal, else None."""
    match expr:
        case core.Const(type=Bool(), value=value):
            return bool(value)
        case core.Const(type=Int() as type_, value=value):
            return value if exact(type_, literal_int(value)) else None
        case core.Text(type=Str(size=size), value=text):
            return text if size == len(text) + 1 else None
        case core.MakeTuple(type=type_, items=items):
            values = [literal_of(item) for item in items]
            present = tuple(v for v in values if v is not None)
            if len(present) < len(values):
                return None
            if isinstance(type_, Record):
                return {name: value for (name, _), value in zip(type_.fields, present, strict=True)}
            return present
    return None
