"""Reaching into values: members, elements, and what pointers point to (LANGUAGE 14.7–14.12).

Where the value lies in the kernel's memory or in the probe's context, only the part that is wanted is read: offsets are
added up in the `Load` or `ContextRead` instead of taking a part out of the whole.
"""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.similar import suggestion
from pytrace.semantics.types import (
    I8,
    U64,
    UNKNOWN,
    Aggregate,
    Array,
    Context,
    Field,
    Int,
    Nothing,
    Pointer,
    Record,
    Space,
    Str,
    Struct,
    Tuple,
    Type,
    Unknown,
    Void,
    members_of,
    offsets_of,
    size_of,
)
from pytrace.semantics.typing import arguments
from pytrace.semantics.typing.constants import constant, literal_of
from pytrace.semantics.typing.convert import as_i64, as_number
from pytrace.semantics.typing.lattice import known, with_space
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper

# --- members


def member(t: ProbeTyper, node: tree.Member) -> core.Expr:
    obj = t.expr(node.obj)
    if isinstance(obj.type, Context):
        return arguments.field(t, obj, node.name, node.span)
    if isinstance(obj.type, Pointer):
        obj = _follow(t, obj, node)
    match obj.type:
        case Unknown():
            return core.Zero(UNKNOWN, node.span)
        case Record() as type_:
            return _record_member(t, obj, type_, node)
        case Struct() as struct:
            return _struct_member(t, obj, struct, node)
    return t.error(node.span, f"Can not access field '{node.name}' on expression of type '{obj.type}'")


def _follow(t: ProbeTyper, pointer: core.Expr, node: tree.Member) -> core.Expr:
    """The struct or record that a pointer, or a pointer to a pointer, leads to; the pointer itself if there is none."""
    target = pointer.type
    while isinstance(target, Pointer):
        target = target.pointee
    if isinstance(target, Unknown):
        return core.Zero(UNKNOWN, node.span)
    if not isinstance(target, (Struct, Record)):
        return pointer
    while isinstance(pointer.type, Pointer):
        pointer = load(t, pointer, pointer.type.pointee, node.span)
    return pointer


def _record_member(t: ProbeTyper, obj: core.Expr, type_: Record, node: tree.Member) -> core.Expr:
    names = [name for name, _ in type_.fields]
    if node.name not in names:
        return t.error(
            node.span, f"Record does not contain a field named '{node.name}'", hints=suggestion(node.name, names)
        )
    return _member_at(obj, type_, names.index(node.name), node.span)


def _member_at(obj: core.Expr, type_: Tuple | Record, index: int, span: Span) -> core.Expr:
    if isinstance(obj, core.MakeTuple):
        value = literal_of(obj.items[index])
        if value is not None and literal_of(obj) is not None and isinstance(value, (int, bytes)):
            return constant(value, span)
    return part(obj, offsets_of(type_)[index], members_of(type_)[index], span)


def _struct_member(t: ProbeTyper, obj: core.Expr, struct: Struct, node: tree.Member) -> core.Expr:
    definition = t.types.definition(struct)
    field = definition.field(node.name) if definition else None
    if field is None:
        return t.error(
            node.span, f"Struct/union of type '{struct}' does not contain a field named '{node.name}'",
            hints=suggestion(node.name, (f.name for f in definition.fields) if definition else ()),
        )
    if "percpu" in field.tags:
        return t.error(
            node.span, f"Attempting to access field '{node.name}' with unsupported tag attribute: percpu"
        )
    if field.stored:
        bytes_ = part(obj, field.offset, Str(field.stored), node.span)
        return core.Convert(field.type, node.span, bytes_)
    return part(obj, field.offset, _field_type(t, obj, struct, field), node.span, field.bit_offset, field.bit_size)


def _field_type(t: ProbeTyper, obj: core.Expr, struct: Struct, field: Field) -> Type:
    """The type of a member, with the address space that it points into: the one that it comes from, unless the kernel
    says that it is a user's."""
    type_ = field.type
    if not isinstance(type_, (Int, Pointer)) or type_.space is not Space.NONE:
        return type_
    if "user" in field.tags:
        return with_space(type_, Space.USER)
    if isinstance(obj, core.Load):
        type_ = with_space(type_, obj.space)
        return replace(type_, trusted=obj.trusted) if isinstance(type_, Pointer) else type_
    return with_space(type_, Space.KERNEL if struct.source else t.context.space)


def part(
    obj: core.Expr, offset: int, type_: Type, span: Span, bit_offset: int = 0, bit_size: int = 0
) -> core.Expr:
    """What lies `offset` bytes into an aggregate."""
    match obj:
        case core.Load(bit_size=0):
            return replace(
                obj, type=type_, span=span, offset=obj.offset + offset, bit_offset=bit_offset, bit_size=bit_size
            )
        case core.Part(bit_size=0):
            return core.Part(type_, span, obj.value, obj.offset + offset, bit_offset, bit_size)
        case core.ContextRead(data_loc=False) if not bit_size and (at := obj.part(offset, size_of(type_))) is not None:
            return core.ContextRead(type_, span, at, size_of(type_))
    return core.Part(type_, span, obj, offset, bit_offset, bit_size)


def tuple_access(t: ProbeTyper, node: tree.TupleAccess) -> core.Expr:
    obj = t.expr(node.obj)
    match obj.type:
        case Unknown():
            return core.Zero(UNKNOWN, node.span)
        case Tuple() as type_:
            return _element(t, obj, type_, node.index, node.span)
    return t.error(node.span, f"Can not access index '{node.index}' on expression of type '{obj.type}'")


def _element(t: ProbeTyper, obj: core.Expr, type_: Tuple, index: int, span: Span) -> core.Expr:
    if index >= len(type_.elems):
        return t.error(span, f"Invalid tuple index: {index}. Found {len(type_.elems)} elements in tuple.")
    return _member_at(obj, type_, index, span)


# --- elements


def index(t: ProbeTyper, node: tree.Index) -> core.Expr:
    obj = t.expr(node.obj)
    at = t.value(node.index)
    match obj.type:
        case Unknown():
            return core.Zero(UNKNOWN, node.span)
        case Tuple() as type_:
            position = literal_of(at)
            if not isinstance(position, int) or isinstance(position, bool) or position < 0:
                return t.error(node.span, "Array-style access for tuples only valid for integer literals")
            return _element(t, obj, type_, position, node.span)
        case Array() | Str() | Pointer():
            pass
        case _:
            return t.error(
                node.span,
                f"The array index operator [] can only be used on arrays, pointers, and tuples, found {obj.type}.",
            )
    elem = _element_type(obj)
    if isinstance(elem, Void):
        return t.error(
            node.span, "The array index operator [] cannot be used on a pointer to an unsized type (void *)."
        )
    if isinstance(at.type, Unknown):
        return core.Zero(elem, node.span)
    if not isinstance(at.type, Int) or (at.type.signed and not at.type.flexible):
        return t.error(
            node.span, f"The array index operator [] only accepts non-negative integer indices. Got: {at.type}"
        )
    if isinstance(obj.type, Pointer):
        return _at_pointer(t, obj, at, elem, node.span)
    return _at_array(t, obj, at, elem, node.span)


def _element_type(obj: core.Expr) -> Type:
    match obj.type:
        case Array(elem=elem):
            return with_space(elem, obj.space) if isinstance(obj, core.Load) else elem
        case Pointer(pointee=pointee):
            return pointee
    return I8


def _at_array(t: ProbeTyper, obj: core.Expr, at: core.Expr, elem: Type, span: Span) -> core.Expr:
    count = obj.type.count if isinstance(obj.type, Array) else size_of(obj.type)
    if not count and isinstance(obj, core.Load):
        # A flexible array member: its length is not known.
        start = core.Arith(
            U64, obj.span, "add", as_number(obj.address, U64), core.Const(U64, obj.span, obj.offset % (1 << 64))
        )
        return _at_pointer(t, core.Convert(Pointer(elem, obj.space), obj.span, start), at, elem, span)
    if isinstance(at, core.Const):
        if at.value >= count:
            return t.error(span, f"the index {at.value} is out of bounds for array of size {count}")
        if isinstance(obj, core.Convert) and isinstance(obj.value.type, Str) and at.value < obj.value.type.size:
            obj = obj.value  # a text that was only made longer
        text = literal_of(obj)
        if isinstance(text, bytes):
            byte = (text + b"\0")[at.value]
            return constant(byte - 256 if byte > 127 else byte, span)
        return part(obj, at.value * size_of(elem), elem, span)
    return core.Element(elem, span, obj, as_number(as_i64(at), U64), count)


def _at_pointer(t: ProbeTyper, pointer: core.Expr, at: core.Expr, elem: Type, span: Span) -> core.Expr:
    if isinstance(at, core.Const):
        return load(t, pointer, elem, span, at.value * size_of(elem))
    from pytrace.semantics.typing.operators import pointer_plus

    return load(t, pointer_plus(pointer, at, span), elem, span)


# --- pointers


def load(t: ProbeTyper, pointer: core.Expr, type_: Type, span: Span, offset: int = 0) -> core.Expr:
    """What a pointer (or an integer used as one) points to."""
    source = pointer.type
    assert isinstance(source, (Pointer, Int))
    if source.space is Space.NONE:
        t.script.note_unknown_space()
    trusted = isinstance(source, Pointer) and source.trusted
    if isinstance(source, Pointer) and not 0 <= offset <= size_of(source.pointee) - size_of(type_):
        trusted = False  # the verifier allows loads within the object only
    if isinstance(type_, Pointer):
        type_ = replace(type_, trusted=trusted)
    if isinstance(type_, (Int, Pointer)) and type_.space is Space.NONE:
        type_ = with_space(type_, source.space)
    return core.Load(type_, span, pointer, offset, source.space, trusted=trusted)


def dereference(t: ProbeTyper, operand: core.Expr, span: Span) -> core.Expr:
    """`*operand`."""
    match operand.type:
        case Unknown():
            return core.Zero(UNKNOWN, span)
        case Int() as type_:
            target = Int(type_.size, False)
            return load(t, core.Convert(replace(U64, space=type_.space), operand.span, operand), target, span)
        case Pointer(pointee=pointee):
            if not known(pointee):
                return core.Zero(UNKNOWN, span)
            if isinstance(pointee, (Void, Nothing, Aggregate)):
                return t.error(span, f"Can not dereference a pointer to '{pointee}'")
            return load(t, operand, pointee, span)
    return t.error(span, f"The * operator can not be used on expressions of type '{operand.type}'")


def address_of(t: ProbeTyper, node: tree.Unary) -> core.Expr:
    """`&$x` or `&@m`."""
    match node.operand:
        case tree.Var() as name:
            var = t.variable(name)
            if var is None:
                return core.Zero(UNKNOWN, node.span)
            if t.final and not known(var.type):
                return t.error(name.span, "Could not resolve the type of this variable")
            return core.AddressOf(Pointer(var.type, Space.KERNEL), node.span, var)
        case tree.MapRef() as name:
            map_ = t.map(name)
            if map_ is None:
                return core.Zero(UNKNOWN, node.span)
            return core.AddressOf(Pointer(map_.value, Space.KERNEL), node.span, map_)
    return t.error(node.operand.span, "address-of operator (&) can only be used on a map or variable")


__all__ = ["address_of", "dereference", "index", "load", "member", "part", "tuple_access"]
