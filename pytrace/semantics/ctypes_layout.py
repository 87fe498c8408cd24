"""Sizes, alignments and offsets of the C that a script defines, as GCC computes them.

The rules are those of the System V ABI for x86-64 and AArch64 as GCC follows them (`layout_decl`, `place_field` and
`finish_record_layout` in gcc/stor-layout.cc): a bit-field does not cross a boundary of its declared type unless it is
packed, a named one gives the record that type's alignment, and one of width 0 ends the unit.
"""

from __future__ import annotations

from pytrace.frozen import field, frozen, record
from pytrace.hints import Callable, Iterable
from pytrace.syntax import ctree
from pytrace.syntax.fault import Fault

__all__ = ["Place", "Placed", "Shape", "enumeration_shape", "lay_out"]

BIGGEST_ALIGNMENT = 16
"""What `aligned` without a number means, in bytes."""

_LARGEST = 2**40
"""No record can be larger, in bits: offsets stay plain numbers for everybody."""
_UNSUPPORTED = frozenset(("mode", "vector_size", "scalar_storage_order", "ms_struct", "transparent_union"))

Number = Callable[[ctree.Constant], int]
ShapeOf = Callable[[ctree.Type], "Shape"]


@frozen
class Shape:
    """Size and alignment of a type, in bytes. A flexible array has size 0."""

    size: int
    align: int


@frozen
class Place:
    """Where a member stands, in bits from the start of its record; `width` is -1 for what is no bit-field."""

    member: ctree.Member
    offset: int
    width: int = -1


@record
class Placed:
    """A record that has been laid out. Bit-fields without a name are not listed."""

    places: list[Place] = field(default_factory=list)
    shape: Shape = field(default_factory=lambda: Shape(0, 1))


def lay_out(record: ctree.Record, number: Number, shape_of: ShapeOf) -> Placed:
    """Place the members of a record. `number` evaluates constants, `shape_of` knows the types of members.

    Raises `Fault` with offsets in the source of the record, and what the functions raise.
    """
    return _Layout(record, number, shape_of).run()


def fault(message: str, node: ctree.Node) -> Fault:
    """A fault at a node."""
    return Fault(message, node.span.start, node.span.end)


class _Layout:
    def __init__(self, record: ctree.Record, number: Number, shape_of: ShapeOf) -> None:
        self._record, self._number, self._shape_of = record, number, shape_of
        self._packed = _has(record.attributes, "packed")
        self._union = record.kind == "union"
        self._placed = Placed()
        self._bits = 0  # so far; in a union, those of the longest member
        self._align = 1

    def run(self) -> Placed:
        for member in self._record.members:
            shape = self._shape_of(member.type)
            if not member.name and member.bits is None and not _is_anonymous(member.type):
                continue  # a type defined on the way
            packed = self._packed or _has(member.attributes, "packed")
            if member.bits is not None:
                self._bit_field(member, shape, packed)
            else:
                self._member(member, shape, packed)
            if self._bits > _LARGEST:
                raise fault(f"'{self._record.kind} {self._record.name}' is too large", member)
        align = max(self._align, alignment(self._record.attributes, self._number))
        size = _round_up((self._bits + 7) // 8, align)
        self._placed.shape = Shape(size, align)
        return self._placed

    def _place(self, member: ctree.Member, offset: int, length: int, width: int = -1) -> None:
        if member.name or width < 0:
            self._placed.places.append(Place(member, offset, width))
        self._bits = max(self._bits, offset + length) if self._union else offset + length

    def _member(self, member: ctree.Member, shape: Shape, packed: bool) -> None:
        align = max(1 if packed else shape.align, alignment(member.attributes, self._number))
        if self._record.pack:
            align = min(align, self._record.pack)
        self._align = max(self._align, align)
        self._place(member, 0 if self._union else _round_up(self._bits, align * 8), shape.size * 8)

    def _bit_field(self, member: ctree.Member, shape: Shape, packed: bool) -> None:
        assert member.bits is not None
        width, unit, align = self._number(member.bits), shape.size * 8, shape.align * 8
        if width < 0:
            raise fault(f"bit-field has negative width ({width})", member.bits)
        if width > (1 if _is_bool(member.type) else unit):
            raise fault(f"width of bit-field ({width} bits) exceeds the width of its type", member.bits)
        if width == 0 and member.name:
            raise fault(f"named bit-field '{member.name}' has zero width", member.bits)
        at = 0 if self._union else self._bits
        if width == 0:
            # Not influenced by any packing.
            self._place(member, _round_up(at, align), 0, 0)
            return
        if wanted := alignment(member.attributes, self._number):
            at = _round_up(at, wanted * 8)
            self._align = max(self._align, wanted)
        if not packed and not self._record.pack and at % align + width > unit:
            at = _round_up(at, align)
        if member.name:
            own = min(shape.align, self._record.pack) if self._record.pack else 1 if packed else shape.align
            self._align = max(self._align, own)
        self._place(member, at, width, width)


def alignment(attributes: Iterable[ctree.Attribute], number: Number) -> int:
    """The largest alignment that attributes ask for, in bytes, or 0."""
    largest = 0
    for attribute in attributes:
        if attribute.name in _UNSUPPORTED:
            raise fault(f"attribute '{attribute.name}' is not supported", attribute)
        if attribute.name != "aligned":
            continue
        wanted = BIGGEST_ALIGNMENT
        if attribute.args and not isinstance(attribute.args[0], str):
            wanted = number(attribute.args[0])
            if wanted <= 0 or wanted & (wanted - 1) or wanted > 2**28:
                raise fault("requested alignment is not a power of 2", attribute)
        largest = max(largest, wanted)
    return largest


def enumeration_shape(values: Iterable[int], packed: bool) -> tuple[Shape, bool]:
    """The shape of an enum with these values, and whether it is signed: that of an int, or of a long where needed."""
    lowest, highest = min(values, default=0), max(values, default=0)
    signed = lowest < 0
    for size in (1, 2, 4, 8) if packed else (4, 8):
        bits = size * 8 - signed
        if highest < 2**bits and lowest >= -(2**bits):
            return Shape(size, size), signed
    return Shape(8, 8), signed


def _has(attributes: Iterable[ctree.Attribute], name: str) -> bool:
    return any(attribute.name == name for attribute in attributes)


def _is_anonymous(type_: ctree.Type) -> bool:
    return isinstance(type_, ctree.Record) and not type_.name


def _is_bool(type_: ctree.Type) -> bool:
    return isinstance(type_, ctree.Base) and "_Bool" in type_.words


def _round_up(value: int, unit: int) -> int:
    return (value + unit - 1) // unit * unit
