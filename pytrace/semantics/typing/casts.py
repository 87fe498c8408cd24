"""Casts (LANGUAGE 15): which conversions may be asked for, and what they give."""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    U64,
    UNKNOWN,
    USERNAME,
    Aggregate,
    Array,
    Bool,
    Enum,
    Int,
    Nothing,
    Opaque,
    Pointer,
    Space,
    Str,
    Struct,
    Type,
    Void,
    size_of,
)
from pytrace.semantics.typing import type_names
from pytrace.semantics.typing.constants import constant, literal_of
from pytrace.semantics.typing.convert import as_bool, retype, settle
from pytrace.semantics.typing.lattice import known, with_space
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper

__all__ = ["cast"]


def cast(t: ProbeTyper, node: tree.Cast) -> core.Expr:
    """`(T)operand`. Diagnostics about it mark `(T)` only, also where the value is an operand."""
    if isinstance(node.type, tree.TypeName) and node.type.tag == "enum" and t.types.enum(node.type.name) is None:
        return t.error(node.span, f"Unknown enum: {node.type.name}")
    to = type_names.written(t, node.type)
    operand = t.expr(node.operand)
    if to is None:
        return core.Zero(UNKNOWN, node.span)
    if isinstance(node.type, tree.TypeName) and node.type.suffixes[-1:] == (None,):
        sized = _sized(t, to, operand.type, node.span)
        if sized is None:
            return core.Zero(UNKNOWN, node.span)
        to = sized
    if not known(operand.type) or not known(to):
        return core.Zero(to if known(to) else UNKNOWN, node.span)
    if (to == operand.type and not isinstance(to, (Pointer, Struct))) or _same_pointer(to, operand.type):
        t.warning(node.span, f"Unnecessary cast: expression is already of type {to}")
        return _unchanged(operand, to, node.span)
    source = operand.type
    operand = settle(operand)
    if isinstance(source, Struct):
        return t.error(node.span, f'Cannot cast from C type "{source}"')
    if isinstance(source, (Void, Nothing)):
        return t.error(node.span, f'Cannot cast from "{source}" type')
    result = None if isinstance(source, Aggregate) and isinstance(to, Array) else _convert(t, operand, to, node)
    if result is None:
        return t.error(node.span, f'Cannot cast from "{source}" to "{to}"')
    return result


def _same_pointer(to: Type, source: Type) -> bool:
    return isinstance(to, Pointer) and isinstance(source, Pointer) and to.pointee == source.pointee


def _unchanged(operand: core.Expr, to: Type, span: Span) -> core.Expr:
    """A cast to the same type keeps the value, but makes it no literal any more."""
    if isinstance(operand, core.Const) and isinstance(to, Int):
        return core.Convert(to, span, operand)
    if isinstance(operand.type, Int) and operand.type.clock:
        return replace(operand, type=_int_space(to, operand.type))
    return operand


def _sized(t: ProbeTyper, to: Type, source: Type, span: Span) -> Type | None:
    """`T[]` with as many elements as the operand fills; None after an error."""
    assert isinstance(to, Array)
    if not known(source):
        return to
    if isinstance(source, (Int, Enum, Bool, Str, Array)):
        size, each = size_of(source), size_of(to.elem)
        if each and size % each == 0 and size >= each:
            return Array(to.elem, size // each)
        t.error(span, "Cannot determine array size: the element size is incompatible with the cast integer size")
        return None
    t.error(span, f'Could not determine size of the array: cannot cast from "{source}" to "{to.elem}[]"')
    return None


def _convert(t: ProbeTyper, operand: core.Expr, to: Type, node: tree.Cast) -> core.Expr | None:
    """The cast value; None if there is no such cast."""
    span, source = node.span, operand.type
    match to:
        case Int():
            if isinstance(source, (Int, Enum, Bool, Pointer)):
                return core.Convert(_int_space(to, source), span, operand)
            if isinstance(source, Array) and isinstance(source.elem, Int) and size_of(source) == to.size:
                return core.Convert(to, span, operand)
        case Bool():
            if isinstance(source, (Int, Enum, Pointer, Str, Bool)):
                value = as_bool(operand)
                literal = literal_of(operand)
                return constant(bool(literal), span) if literal is not None else replace(value, span=span)
        case Enum():
            if isinstance(source, (Int, Enum, Bool, Pointer)):
                return _to_enum(t, operand, to, node)
        case Pointer():
            return _to_pointer(t, operand, to, span)
        case Array():
            if isinstance(to.elem, (Int, Bool)) and _fills(source, to):
                return core.Convert(to, span, operand)
        case Str():
            if isinstance(source, Str) and to.size >= source.size:
                return replace(operand, type=to) if isinstance(operand, core.Text) else core.Convert(to, span, operand)
        case Opaque() if to == USERNAME and isinstance(source, (Int, Enum)):
            return core.Convert(to, span, retype(operand, U64) if source != U64 else operand)
    return None


def _int_space(to: Type, source: Type) -> Type:
    if isinstance(source, Int) and isinstance(to, Int):
        # A moment of the monotonic clock has no date; a cast says that it is a number.
        return replace(to, space=source.space, clock="" if source.clock == "monotonic" else source.clock)
    return with_space(to, source.space) if isinstance(source, Pointer) else to


def _fills(source: Type, to: Array) -> bool:
    """Whether the bytes of a value make the array: of the same size, or an integer into up to 8 bytes."""
    size, want = size_of(source), size_of(to)
    if isinstance(source, (Int, Enum)):
        return size == want or size < want <= 8
    return isinstance(source, Str) and size == want


def _to_enum(t: ProbeTyper, operand: core.Expr, to: Enum, node: tree.Cast) -> core.Expr:
    literal = literal_of(operand)
    if isinstance(literal, int):
        value = int(literal)
        if value % (1 << 64) not in {known_value % (1 << 64) for known_value in t.types.variants(to)}:
            return t.error(node.span, f"Enum: {to.name} doesn't contain a variant value of {value}")
        return core.Const(to, node.span, value % (1 << 64))
    return core.Convert(to, node.span, operand)


def _to_pointer(t: ProbeTyper, operand: core.Expr, to: Pointer, span: Span) -> core.Expr | None:
    """The value as an address: of the space it had, else of the one that the probe traces."""
    source = operand.type
    if isinstance(source, (Array, Bool, Enum, Int, Pointer, Aggregate)):
        if isinstance(source, Array):
            return None
        space = source.space if isinstance(source, (Int, Pointer)) else Space.NONE
        to = Pointer(to.pointee, space if space is not Space.NONE else t.context.space)
        if isinstance(source, Int) and source.signed:
            # The bits of the value's own width are the address: (int8 *)$v of -3 is 0xfd.
            operand = core.Convert(Int(source.size, False), operand.span, operand)
        if isinstance(operand, core.Const) and isinstance(source, Int):
            return core.Const(to, span, operand.value % (1 << source.size * 8))
        return core.Convert(to, span, operand)
    return core.Convert(Pointer(to.pointee, Space.KERNEL), span, operand)
