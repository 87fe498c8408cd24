"""DWARF translated into the language's types."""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING
from pytrace.probes.debug_info import Damaged, attribute, careful, name_of, referenced
from pytrace.semantics.types import (
    BOOL,
    VOID,
    Array,
    Field,
    Int,
    Pointer,
    Space,
    Str,
    Struct,
    StructDef,
    Type,
    size_of,
)

if TYPE_CHECKING:
    from elftools.dwarf.die import DIE

__all__ = ["COMPOSITES", "FLOATING", "DebugTypes", "array_length", "behind", "byte_size", "members_of", "type_text"]

_TRANSPARENT = {
    "DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type", "DW_TAG_restrict_type", "DW_TAG_atomic_type",
}
_TRANSPARENT_AT_MOST = 256
_POINTERS = {"DW_TAG_pointer_type": "*", "DW_TAG_reference_type": "&", "DW_TAG_rvalue_reference_type": "&&"}
COMPOSITES = {"DW_TAG_structure_type": "struct", "DW_TAG_class_type": "struct", "DW_TAG_union_type": "union"}
_BOOLEAN, FLOATING, _SIGNED = (2,), (3, 4), (5, 6, 13)
"""DW_ATE encodings."""


class DebugTypes:
    """The structs that were translated so far, whose members are translated when they are asked for."""

    def __init__(self) -> None:
        self._structs: dict[Struct, DIE] = {}

    def convert(self, die: DIE | None, source: str) -> Type:
        """The language's type for a DWARF type; `source` is the file it comes from. `VOID` where there is none."""
        die = behind(die)
        if die is None:
            return VOID
        size = attribute(die, "DW_AT_byte_size") or 0
        if die.tag in _POINTERS:
            return Pointer(self.convert(referenced(die), source), Space.USER)
        if die.tag in COMPOSITES:
            return self._struct(die, size, source)
        if die.tag == "DW_TAG_array_type":
            return self._array(die, source)
        if die.tag == "DW_TAG_enumeration_type":
            return _integer(size, bool(attribute(die, "DW_AT_encoding") in _SIGNED or _has_negative(die)))
        if die.tag == "DW_TAG_base_type":
            encoding = attribute(die, "DW_AT_encoding")
            return BOOL if encoding in _BOOLEAN and size == 1 else _integer(size, encoding in _SIGNED)
        if die.tag == "DW_TAG_ptr_to_member_type":
            return _integer(8, True)
        return VOID

    def _struct(self, die: DIE, size: int, source: str) -> Struct:
        kind = COMPOSITES[str(die.tag)]
        struct = Struct(name_of(die) or f"__anon_{die.offset:x}", size, _alignment(die), kind, source)
        known = self._structs.setdefault(struct, die)
        if known is not die and attribute(known, "DW_AT_declaration"):
            self._structs[struct] = die
        return struct

    def _array(self, die: DIE, source: str) -> Type:
        elem = self.convert(referenced(die), source)
        for length in reversed(_dimensions(die)):
            if isinstance(elem, Int) and elem.size == 1 and _is_char(die):
                elem = Str(length)
            else:
                elem = Array(elem, length)
        return elem

    def definition(self, struct: Struct) -> StructDef | None:
        """The members of a struct that was translated; None if it is unknown, or only declared."""
        die = self._structs.get(struct)
        if die is None or attribute(die, "DW_AT_declaration"):
            return None
        fields: list[Field] = []
        try:
            with careful(struct.source):
                self._collect(die, 0, struct.source, fields)
        except Damaged:
            return None
        return StructDef(struct, tuple(fields))

    def _collect(self, die: DIE, base: int, source: str, fields: list[Field]) -> None:
        for member in members_of(die):
            at = attribute(member, "DW_AT_data_member_location")
            offset = base + (at if isinstance(at, int) else 0)
            inner = behind(referenced(member))
            name = name_of(member)
            if not name and inner is not None and inner.tag in COMPOSITES:
                self._collect(inner, offset, source, fields)
            elif name:
                fields.append(self._field(member, name, offset, source))

    def _field(self, member: DIE, name: str, offset: int, source: str) -> Field:
        type_ = self.convert(referenced(member), source)
        bits = attribute(member, "DW_AT_bit_size")
        if not isinstance(bits, int):
            return Field(name, type_, offset)
        unit = max(size_of(type_), 1) * 8
        first = attribute(member, "DW_AT_data_bit_offset")
        if first is None:
            # Before DWARF 4, bits were counted from the high end of the storage unit.
            first = offset * 8 + unit - bits - (attribute(member, "DW_AT_bit_offset") or 0)
        else:
            first += offset * 8
        start = first // unit * unit
        if first + bits > start + unit:
            start = first // 8 * 8
        return Field(name, type_, start // 8, first - start, bits)


def behind(die: DIE | None) -> DIE | None:
    """The type behind typedefs and qualifiers. Raises `ValueError` where they lead in a circle."""
    for _ in range(_TRANSPARENT_AT_MOST):
        if die is None or die.tag not in _TRANSPARENT:
            return die
        die = referenced(die)
    raise ValueError("there is no end to a type's qualifiers")


def _alignment(die: DIE | None) -> int:
    """The alignment of a type, in bytes. Pointers end the search, so that types which refer to themselves do too."""
    die = behind(die)
    if die is None:
        return 1
    if isinstance(given := attribute(die, "DW_AT_alignment"), int):
        return given
    if die.tag == "DW_TAG_array_type":
        return _alignment(referenced(die))
    if die.tag in COMPOSITES:
        return max((_alignment(referenced(member)) for member in members_of(die)), default=1)
    size = attribute(die, "DW_AT_byte_size")
    return min(size, 16) if isinstance(size, int) and size > 0 else 8


def members_of(die: DIE) -> list[DIE]:
    """The members and base classes of a struct or union."""
    # Static members and functions have no place in the object.
    return [child for child in die.iter_children() if child.tag in ("DW_TAG_member", "DW_TAG_inheritance")]


def byte_size(die: DIE | None) -> int:
    """The size of a type, in bytes; 0 if there is none, or if it is not known before the program runs."""
    die = behind(die)
    if die is None:
        return 0
    size = attribute(die, "DW_AT_byte_size")
    if isinstance(size, int):
        return size
    if die.tag == "DW_TAG_array_type":
        return array_length(die) * byte_size(referenced(die))
    return 8 if die.tag in (*_POINTERS, "DW_TAG_ptr_to_member_type") else 0


def array_length(die: DIE) -> int:
    """How many elements an array has, in all its dimensions; 0 if that is not known before the program runs."""
    length = 1
    for dimension in _dimensions(die):
        length *= dimension
    return length


def _dimensions(die: DIE) -> list[int]:
    found = []
    for dimension in die.iter_children():
        if dimension.tag == "DW_TAG_subrange_type":
            count, upper = attribute(dimension, "DW_AT_count"), attribute(dimension, "DW_AT_upper_bound")
            # A length that is computed at run time is an expression.
            found.append(count if isinstance(count, int) else upper + 1 if isinstance(upper, int) else 0)
    return found


def _has_negative(die: DIE) -> bool:
    values = (attribute(child, "DW_AT_const_value") for child in die.iter_children())
    return any(isinstance(value, int) and value < 0 for value in values)


def _integer(size: int, signed: bool) -> Type:
    if size in (1, 2, 4, 8):
        return Int(size, signed)
    return Array(Int(1, False), size) if size else VOID


def _is_char(array: DIE) -> bool:
    die = behind(referenced(array))
    return die is not None and die.tag == "DW_TAG_base_type"


def type_text(die: DIE | None) -> str:
    """A type as listings show it: `const char*`, `struct point*`, `unsigned int`."""
    if die is None:
        return "void"
    if die.tag in _POINTERS:
        return type_text(referenced(die)) + _POINTERS[die.tag]
    if die.tag == "DW_TAG_const_type":
        inner = referenced(die)
        behind = inner is not None and inner.tag in _POINTERS
        return f"{type_text(inner)} const" if behind else f"const {type_text(inner)}"
    if die.tag == "DW_TAG_volatile_type":
        return f"volatile {type_text(referenced(die))}"
    if die.tag in ("DW_TAG_restrict_type", "DW_TAG_atomic_type"):
        return type_text(referenced(die))
    if die.tag == "DW_TAG_array_type":
        return f"{type_text(referenced(die))}[]"
    if die.tag == "DW_TAG_subroutine_type":
        return f"{type_text(referenced(die))} (*)()"
    name = name_of(die)
    prefix = "enum" if die.tag == "DW_TAG_enumeration_type" else COMPOSITES.get(str(die.tag), "")
    return f"{prefix} {name}".strip()
