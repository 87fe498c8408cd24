"""Implicit conversions: what becomes of a value that is stored as, compared with or added to another type.

`convert` assumes that the two types agree (`lattice.join`); whoever asks has reported a mismatch already. It warns
where a value may not survive (LANGUAGE 14.4).
"""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    BOOL,
    I64,
    U64,
    Aggregate,
    Bool,
    Enum,
    Int,
    Pointer,
    Record,
    Str,
    Tuple,
    Type,
    Unknown,
    Void,
    members_of,
)
from pytrace.semantics.typing.lattice import integral, preserves

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper

__all__ = ["as_bool", "as_i64", "as_number", "convert", "retype", "settle"]


def settle(expr: core.Expr) -> core.Expr:
    """A castable aggregation read from its map as the integer it stands for; anything else unchanged."""
    type_ = expr.type
    if not isinstance(type_, Aggregate) or not type_.castable:
        return expr
    match expr:
        case core.ReadMap():
            return replace(expr, type=type_.as_int)
        case core.Do(value=core.Expr() as value):
            return replace(expr, type=type_.as_int, value=settle(value))
    return core.Convert(type_.as_int, expr.span, expr)


def retype(expr: core.Expr, to: Type) -> core.Expr:
    """The expression as an explicit `Convert`, or as a constant where that says the same."""
    if isinstance(expr, core.Const):
        if isinstance(to, Int):
            return core.Const(replace(to, flexible=False), expr.span, _wrap(expr.value, to))
        if isinstance(to, Bool):
            return core.Const(to, expr.span, int(expr.value != 0))
        if isinstance(to, (Pointer, Enum)) and isinstance(expr.type, (Int, Bool, Enum)):
            return core.Const(to, expr.span, _wrap(expr.value, U64))
    return core.Convert(to, expr.span, expr)


def as_number(expr: core.Expr, to: Int) -> core.Expr:
    """An operand of arithmetic as an integer of the type."""
    expr = settle(expr)
    return expr if expr.type == to else retype(expr, to)


def as_i64(expr: core.Expr) -> core.Expr:
    """A value extended to 64 bits, keeping its sign."""
    whole = integral(expr.type)
    return as_number(expr, I64 if whole is None or whole.signed else U64)


def as_bool(expr: core.Expr) -> core.Expr:
    """A condition: whether the value is not zero, or the text not empty."""
    if isinstance(expr, core.Text):
        return core.Const(BOOL, expr.span, int(bool(expr.value)))
    return expr if isinstance(expr.type, Bool) else retype(settle(expr), BOOL)


def _wrap(value: int, to: Int) -> int:
    value %= 1 << to.size * 8
    return value - (1 << to.size * 8) if to.signed and value >> (to.size * 8 - 1) else value


def convert(t: ProbeTyper, expr: core.Expr, to: Type, span: Span | None = None) -> core.Expr:
    """`expr` as a value of type `to`; `span` is what the warnings mark."""
    span = span or expr.span
    source = expr.type
    if isinstance(source, Unknown):
        return expr if isinstance(to, (Unknown, Void)) else core.Zero(to, expr.span)
    if isinstance(to, Unknown):
        return expr
    if isinstance(source, Aggregate) and not isinstance(to, Aggregate):
        expr = settle(expr)
        return expr if expr.type == to else retype(expr, to)
    match source, to:
        case (Int() | Enum(), Int()) if source != to:
            _warn(t, expr, source, to, span)
            return retype(expr, to)
        case Tuple(), Tuple():
            return _convert_tuple(t, expr, to, span)
        case Record(), Record():
            return _convert_record(t, expr, source, to, span)
        case Str(), Str():
            if source == to:
                return expr
            if isinstance(expr, core.Text):
                return core.Text(to, expr.span, expr.value[: to.size - 1])
            return core.Convert(to, expr.span, expr)
    return expr if source == to else retype(expr, to)


def _warn(t: ProbeTyper, expr: core.Expr, source: Type, to: Int, span: Span) -> None:
    if isinstance(expr, core.Const) and isinstance(source, Int) and source.flexible:
        return
    whole = integral(source)
    if whole is not None and not preserves(whole, to):
        t.warning(
            span,
            f"Expression of type: {source} being cast to type: {to}. This may cause unexpected results. "
            "Use an explicit cast to suppress this warning.",
        )


def _convert_tuple(t: ProbeTyper, expr: core.Expr, to: Tuple, span: Span) -> core.Expr:
    if isinstance(expr, core.MakeTuple):
        items = tuple(convert(t, item, elem) for item, elem in zip(expr.items, to.elems, strict=True))
        return core.MakeTuple(to, expr.span, items, expr.order)
    if expr.type == to:
        return expr
    _warn_members(t, expr.type, to, span)
    return core.Convert(to, expr.span, expr)


def _convert_record(t: ProbeTyper, expr: core.Expr, source: Record, to: Record, span: Span) -> core.Expr:
    if isinstance(expr, core.MakeTuple):
        at = {name: number for number, (name, _) in enumerate(source.fields)}
        positions = [at[name] for name, _ in to.fields]
        items = tuple(convert(t, expr.items[p], type_) for p, (_, type_) in zip(positions, to.fields, strict=True))
        written = expr.order or tuple(range(len(items)))
        order = tuple(positions.index(p) for p in written)
        return core.MakeTuple(to, expr.span, items, () if order == tuple(range(len(items))) else order)
    if source == to:
        return expr
    _warn_members(t, source, to, span)
    return core.Convert(to, expr.span, expr)


def _warn_members(t: ProbeTyper, source: Type, to: Type, span: Span) -> None:
    """The warnings for the members of a value that is converted as a whole."""
    if isinstance(source, Record) and isinstance(to, Record):
        types = dict(source.fields)
        pairs = [(types[name], type_) for name, type_ in to.fields]
    elif isinstance(source, Tuple) and isinstance(to, Tuple):
        pairs = list(zip(members_of(source), members_of(to), strict=True))
    else:
        whole = integral(source)
        if whole is not None and isinstance(to, Int) and source != to:
            _warn(t, core.Zero(source, span), source, to, span)
        return
    for inner, outer in pairs:
        _warn_members(t, inner, outer, span)
