"""The C types that a script defines, as types of the language."""

from __future__ import annotations

from pytrace.diagnostics import CompileError, Diagnostics, Span
from pytrace.frozen import field, record
from pytrace.hints import Iterable, NoReturn
from pytrace.semantics.ctypes_layout import Place, Placed, Shape, enumeration_shape, fault, lay_out
from pytrace.semantics.types import (
    BOOL,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    VOID,
    Array,
    Enum,
    Field,
    Int,
    Pointer,
    Str,
    Struct,
    StructDef,
    Type,
    TypeTable,
    align_of,
    size_of,
)
from pytrace.syntax import ctree
from pytrace.syntax.cconstant import evaluate
from pytrace.syntax.cdefs import STATUS
from pytrace.syntax.fault import Fault

__all__ = ["ScriptTypes"]

_MASK = 2**64 - 1
_MOST_ELEMENTS = 2**31
_FLAG = Int(1, False)
"""The `_Bool` of a script is a number of one byte, as in bpftrace: scripts mix it with numbers. That of kernel types is
`bool`."""
_BASES: dict[tuple[str, ...], tuple[Type, Shape]] = {
    ("void",): (VOID, Shape(1, 1)), ("_Bool",): (_FLAG, Shape(1, 1)),
    ("float",): (VOID, Shape(4, 4)), ("double",): (VOID, Shape(8, 8)), ("double", "long"): (VOID, Shape(16, 16)),
    ("__int128",): (Array(U64, 2), Shape(16, 16)),
}  # fmt: skip
# What headers define and scripts use without including them, should the kernel's types not have it.
_USUAL: dict[str, Type] = {
    "bool": _FLAG, "size_t": U64, "ssize_t": I64, "uintptr_t": U64, "intptr_t": I64,
    "int8_t": I8, "int16_t": I16, "int32_t": I32, "int64_t": I64,
    "uint8_t": U8, "uint16_t": U16, "uint32_t": U32, "uint64_t": U64,
}  # fmt: skip


@record
class _Record:
    """A record of the script; its members become fields when somebody asks for them."""

    struct: Struct
    placed: Placed
    definition: StructDef | None = None


@record
class _Enumeration:
    enum: Enum
    shape: Shape
    values: dict[str, int] = field(default_factory=dict)


class ScriptTypes:
    """A `TypeTable` of the types that a script defines, before those of another table, which is the kernel's.

    A `char[n]` member has the type `string[n + 1]` though n bytes are stored (`Field.stored`). In an array of such
    arrays an element is a `string[n]`, as long as its type says. `float` and `double` members take their room and are
    `void`: nothing can be done with them.
    """

    def __init__(self, definitions: Iterable[ctree.Definition], fallback: TypeTable) -> None:
        """Lays the definitions out in their order. Raises `CompileError` with status 2."""
        self._fallback = fallback
        self._records: dict[tuple[str, str], _Record] = {}
        self._enums: dict[str, _Enumeration] = {}
        self._constants: dict[str, tuple[_Enumeration, int]] = {}
        self._usual = dict(_USUAL)
        for definition in definitions:
            try:
                self._shape(definition)
            except Fault as error:
                _reject(error, definition.span)

    # --- the table ------------------------------------------------------------------------------------------------

    def struct(self, kind: str, name: str) -> Struct | None:
        record = self._records.get((kind, name))
        return record.struct if record is not None else self._fallback.struct(kind, name)

    def definition(self, struct: Struct) -> StructDef | None:
        record = self._records.get((struct.kind, struct.name)) if not struct.source else None
        if record is None:
            return self._fallback.definition(struct)
        if record.definition is None:
            record.definition = StructDef(record.struct, tuple(map(self._field, record.placed.places)))
        return record.definition

    def named(self, name: str) -> Type | None:
        """The types of a script need their keyword, so this is the other table's matter."""
        return self._fallback.named(name)

    def enum(self, name: str) -> Enum | None:
        known = self._enums.get(name)
        return known.enum if known is not None else self._fallback.enum(name)

    def enumerator(self, name: str) -> tuple[Enum, int] | None:
        known = self._constants.get(name)
        return (known[0].enum, known[1] & _MASK) if known is not None else self._fallback.enumerator(name)

    def variants(self, enum: Enum) -> dict[int, str]:
        """Value to name, the last name of a value. A negative value is listed as the 64-bit number that the language
        makes of it, and as what a member in memory holds."""
        known = self._enums.get(enum.name) if not enum.source else None
        if known is None:
            return self._fallback.variants(enum)
        names = {}
        for name, value in known.values.items():
            names[value & _MASK] = name
            names[value & ((1 << known.shape.size * 8) - 1)] = name
        return names

    # --- laying out -----------------------------------------------------------------------------------------------

    def _shape(self, type_: ctree.Type) -> Shape:
        """Size and alignment of a type as written; what is defined inside of it becomes known."""
        match type_:
            case ctree.Base():
                return _base(type_)[1]
            case ctree.Pointer(target=target):
                self._target(target)
                return Shape(8, 8)
            case ctree.Array(elem=elem, size=size):
                shape = self._shape(elem)
                count = self._number(size) if size is not None else 0
                if count < 0:
                    raise fault("array declared with a negative size", type_)
                if count > _MOST_ELEMENTS:
                    raise fault("array is too large", type_)
                return Shape(shape.size * count, shape.align)
            case ctree.Typedef(name=name):
                named = self._typedef(type_)
                if isinstance(named, Struct) and not named.size:
                    raise fault(f"field has incomplete type '{name}'", type_)
                return Shape(size_of(named), align_of(named))
            case ctree.Tagged():
                return self._tagged(type_)
            case ctree.Record():
                return self._record(type_)
            case ctree.Enumeration():
                return self._enumeration(type_)
            case ctree.Function():
                raise fault("field declared as a function", type_)

    def _target(self, type_: ctree.Type) -> None:
        """Check what a pointer points to, which need not be complete."""
        while isinstance(type_, ctree.Pointer | ctree.Array):
            if isinstance(type_, ctree.Array) and type_.size is not None:
                self._number(type_.size)
            type_ = type_.target if isinstance(type_, ctree.Pointer) else type_.elem
        if isinstance(type_, ctree.Typedef):
            self._typedef(type_)
        elif not isinstance(type_, ctree.Tagged | ctree.Function):
            self._shape(type_)

    def _tagged(self, type_: ctree.Tagged) -> Shape:
        if type_.kind == "enum":
            known = self._enums.get(type_.name)
            if known is None and self._fallback.enum(type_.name) is None:
                raise fault(f"field has incomplete type 'enum {type_.name}'", type_)
            return known.shape if known is not None else Shape(4, 4)
        struct = self.struct(type_.kind, type_.name)
        own = struct is not None and not struct.source and (type_.kind, type_.name) in self._records
        if struct is None or not (struct.size or own):
            raise fault(f"field has incomplete type '{type_.kind} {type_.name}'", type_)
        return Shape(struct.size, struct.align)

    def _record(self, record: ctree.Record) -> Shape:
        key = record.kind, _name(record)
        if key in self._records:
            raise fault(f"redefinition of '{record.name}'", record)
        placed = lay_out(record, self._number, self._shape)
        if key in self._records:  # by a definition inside of it
            raise fault(f"nested redefinition of '{record.name}'", record)
        placed.places = list(self._flat(placed.places))
        names: set[str] = set()
        for place in placed.places:
            if place.member.name in names:
                raise fault(f"duplicate member '{place.member.name}'", place.member)
            names.add(place.member.name)
        struct = Struct(key[1], placed.shape.size, placed.shape.align, record.kind)
        self._records[key] = _Record(struct, placed)
        return placed.shape

    def _flat(self, places: Iterable[Place]) -> Iterable[Place]:
        """The members of a record, those of anonymous ones in place. Inner records are flat already."""
        for place in places:
            inner = place.member.type
            if place.member.name or not isinstance(inner, ctree.Record):
                yield place
                continue
            for own in self._records[inner.kind, _name(inner)].placed.places:
                yield Place(own.member, place.offset + own.offset, own.width)

    def _enumeration(self, node: ctree.Enumeration) -> Shape:
        name = _name(node)
        if name in self._enums:
            raise fault(f"redefinition of '{node.name}'", node)
        known = self._enums[name] = _Enumeration(Enum(name), Shape(4, 4))
        following = 0
        for enumerator, value in node.enumerators:
            if enumerator in self._constants:
                raise fault(f"redefinition of enumerator '{enumerator}'", node)
            number = self._number(value) if value is not None else following
            known.values[enumerator] = number
            self._constants[enumerator] = known, number
            following = number + 1
        packed = any(attribute.name == "packed" for attribute in node.attributes)
        known.shape = enumeration_shape(known.values.values(), packed)[0]
        return known.shape

    def _number(self, node: ctree.Constant) -> int:
        return evaluate(node, self._constant, self._size)[0]

    def _constant(self, node: ctree.Name) -> int:
        known = self._constants.get(node.name) or self._fallback.enumerator(node.name)
        if known is None:
            raise fault(f"use of undeclared identifier '{node.name}'", node)
        return known[1]

    def _size(self, node: ctree.SizeOf) -> int:
        operand = node.operand
        if isinstance(operand, ctree.Name):
            if operand.name in self._constants:
                return 4
            operand = ctree.Typedef(operand.span, operand.name)
        return self._shape(operand).size

    # --- types ----------------------------------------------------------------------------------------------------

    def _type(self, type_: ctree.Type) -> Type:
        """The language's type of something declared. It has been laid out, so it is complete where it must be."""
        match type_:
            case ctree.Base():
                return _base(type_)[0]
            case ctree.Pointer(target=target):
                return Pointer(self._type(target))
            case ctree.Array(elem=elem, size=size):
                count = self._number(size) if size is not None else 0
                if count and isinstance(elem, ctree.Base) and elem.words == ("char",):
                    return Str(count)
                inner = self._type(elem)
                return Array(Int(self._shape(elem).size, False) if isinstance(inner, Enum) else inner, count)
            case ctree.Typedef():
                return self._typedef(type_)
            case ctree.Tagged(kind="enum", name=name):
                return self.enum(name) or U32
            case ctree.Tagged(kind=kind, name=name):
                return self.struct(kind, name) or Struct(name, 0, 1, kind)
            case ctree.Record(kind=kind):
                return self._records[kind, _name(type_)].struct
            case ctree.Enumeration():
                return self._enums[_name(type_)].enum
            case ctree.Function():
                return VOID

    def _typedef(self, type_: ctree.Typedef) -> Type:
        named = self._fallback.named(type_.name) or self._usual.get(type_.name)
        if named is None:
            raise fault(f"unknown type name '{type_.name}'", type_)
        return _FLAG if named == BOOL else named

    def _field(self, place: Place) -> Field:
        name, declared = place.member.name, place.member.type
        type_ = self._type(declared)
        if place.width > 0:
            size = self._enum_size(declared) if isinstance(type_, Enum) else size_of(type_)
            return _bit_field(name, type_, size, place)
        if isinstance(type_, Enum):
            size = self._enum_size(declared)
            return Field(name, type_, place.offset // 8, 0, size * 8 if size < 8 else 0)
        if isinstance(type_, Str):
            return Field(name, Str(type_.size + 1), place.offset // 8, stored=type_.size)
        return Field(name, type_, place.offset // 8)

    def _enum_size(self, declared: ctree.Type) -> int:
        known = self._enums.get(declared.name) if isinstance(declared, ctree.Tagged) else None
        if isinstance(declared, ctree.Enumeration):
            known = self._enums[_name(declared)]
        return known.shape.size if known is not None else 4


def _bit_field(name: str, type_: Type, size: int, place: Place) -> Field:
    """The unit that holds the bits, or the bytes from the first on where a packed field crosses a boundary."""
    unit = size * 8
    start = place.offset // unit * unit
    if place.offset + place.width > start + unit:
        start = place.offset // 8 * 8
    return Field(name, type_, start // 8, place.offset - start, place.width)


def _base(node: ctree.Base) -> tuple[Type, Shape]:
    """One of C's own types by its words, in any order."""
    words = sorted(node.words)
    known = _BASES.get(tuple(words)) or (_BASES["__int128",] if set(words) - {"signed", "unsigned"} == {"__int128"}
                                         else None)
    if known is not None:
        return known
    rest = [word for word in words if word not in ("signed", "unsigned", "int")]
    sizes = {(): 4, ("char",): 1, ("short",): 2, ("long",): 8, ("long", "long"): 8}
    size = sizes.get(tuple(rest))
    signs = [word for word in words if word in ("signed", "unsigned")]
    if size is None or len(signs) > 1 or words.count("int") > (rest != ["char"]):
        raise fault(f"cannot combine '{' '.join(node.words)}' to a type", node)
    return Int(size, signs != ["unsigned"]), Shape(size, size)


def _name(node: ctree.Record | ctree.Enumeration) -> str:
    """The name of a definition; one without a name is called after its place, which nobody can spell."""
    return node.name or f"(unnamed at {node.span.line}:{node.span.column})"


def _reject(error: Fault, near: Span) -> NoReturn:
    diagnostics = Diagnostics()
    diagnostics.error(Span(near.source, error.start, error.end, near.via), error.message)
    raise CompileError(diagnostics, STATUS)
