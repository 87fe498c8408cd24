"""What a compiler has read, as types of the language."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pytrace.clang.library import Cursor, Kind, TypeKind
from pytrace.clang.library import Type as CType
from pytrace.clang.parsed import Parsed
from pytrace.frozen import field, record
from pytrace.semantics.types import (
    BOOL,
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
)

__all__ = ["CompiledTypes"]

_MASK = 2**64 - 1
_KINDS = {Kind.STRUCT: "struct", Kind.UNION: "union", Kind.ENUM: "enum"}


@record
class _Enumeration:
    enum: Enum
    size: int
    values: dict[str, int] = field(default_factory=dict)


class CompiledTypes:
    """A `TypeTable` of the types in a C source, before those of another table, which is the kernel's.

    A record of a header that is the same as the kernel's of that name, is the kernel's: so that values of the two go
    together. What `main`, the script itself, defines is always its own. Declarations in the file `stand_ins` only
    stand in for types of the other table.

    As in `ScriptTypes`, a `char[n]` member has the type `string[n + 1]`, and floating-point members take their room.
    """

    def __init__(self, parsed: Parsed, fallback: TypeTable, main: str, stand_ins: str) -> None:
        self._parsed = parsed
        self._library = parsed.library
        self._fallback = fallback
        self._main, self._stand_ins = main, stand_ins
        self._defined: dict[tuple[str, str], Cursor] = {}
        self._typedefs: dict[str, Cursor] = {}
        self._open: list[Cursor] = []
        """Records whose insides have not been looked at."""
        self._index(parsed.declarations())
        self._constants: dict[str, tuple[str, int]] | None = None
        self._known: dict[str, _Enumeration | None] = {}
        self._structs: dict[tuple[str, str], Struct | None] = {}
        self._types: dict[Struct, CType] = {}
        self._definitions: dict[Struct, StructDef] = {}

    def close(self) -> None:
        """Give the compiler's memory back: 100 MB for the kernel's headers. What was asked before stays known."""
        self._constants = self._constants or {}
        self._defined.clear()
        self._typedefs.clear()
        self._types.clear()
        self._open.clear()
        self._parsed.close()

    # --- the table ------------------------------------------------------------------------------------------------

    def struct(self, kind: str, name: str) -> Struct | None:
        key = kind, name
        if key not in self._structs:
            cursor = self._find(*key)
            self._structs[key] = None if cursor is None else self._own(kind, name, cursor)
        return self._structs[key] or self._fallback.struct(kind, name)

    def definition(self, struct: Struct) -> StructDef | None:
        if struct in self._definitions:
            return self._definitions[struct]
        type_ = self._types.get(struct)
        if type_ is None:
            return self._fallback.definition(struct)
        return self._definitions.setdefault(struct, StructDef(struct, tuple(self._fields(type_, 0))))

    def named(self, name: str) -> Type | None:
        cursor = self._typedefs.get(name)
        if cursor is None or self._is_stand_in(cursor):
            return self._fallback.named(name)
        return self._type(self._library.getTypedefDeclUnderlyingType(cursor))

    def enum(self, name: str) -> Enum | None:
        known = self._enumeration(name)
        return known.enum if known is not None else self._fallback.enum(name)

    def enumerator(self, name: str) -> tuple[Enum, int] | None:
        found = self._all_constants().get(name)
        known = self._enumeration(found[0]) if found is not None else None
        if found is None or known is None:
            return self._fallback.enumerator(name)
        return known.enum, found[1] & _MASK

    def variants(self, enum: Enum) -> dict[int, str]:
        """Value to name, the last name of a value. Negative values are listed as 64-bit numbers, and as in memory."""
        known = self._enumeration(enum.name) if not enum.source else None
        if known is None:
            return self._fallback.variants(enum)
        names = {}
        for name, value in known.values.items():
            names[value & _MASK] = name
            names[value & ((1 << known.size * 8) - 1)] = name
        return names

    # --- finding declarations -------------------------------------------------------------------------------------

    def _index(self, cursors: list[Cursor]) -> None:
        for cursor in cursors:
            kind = cursor.kind
            if kind == Kind.TYPEDEF:
                self._typedefs[self._parsed.name(cursor)] = cursor
            elif kind in _KINDS and self._library.isCursorDefinition(cursor):
                self._defined[_KINDS[kind], self._name(cursor)] = cursor
                if kind != Kind.ENUM:
                    self._open.append(cursor)

    def _find(self, kind: str, name: str) -> Cursor | None:
        """A definition; those inside of records are looked for when nothing else is left."""
        if (kind, name) not in self._defined:
            self._look_inside()
        cursor = self._defined.get((kind, name))
        return None if cursor is None or self._is_stand_in(cursor) else cursor

    def _look_inside(self) -> None:
        while self._open:
            self._index(self._parsed.children(self._open.pop()))

    def _is_stand_in(self, cursor: Cursor) -> bool:
        return self._parsed.where(cursor).file == self._stand_ins

    def _name(self, cursor: Cursor) -> str:
        """The name of a record or enum; one without a name is called after its place, which nobody can spell."""
        if not self._library.Cursor_isAnonymous(cursor) and (name := self._parsed.name(cursor)) and " " not in name:
            return name
        place = self._parsed.where(cursor)
        return f"(unnamed at {os.path.basename(place.file)}:{place.offset})"

    # --- records --------------------------------------------------------------------------------------------------

    def _own(self, kind: str, name: str, cursor: Cursor) -> Struct:
        type_ = self._library.getCursorType(cursor)
        size, align = self._library.Type_getSizeOf(type_), self._library.Type_getAlignOf(type_)
        struct = Struct(name, max(size, 0), max(align, 1), kind)
        if self._parsed.where(cursor).file != self._main:
            same = self._fallback.struct(kind, name)
            if same is not None and same.size == struct.size and self._is_same(type_, same):
                return same
        self._types[struct] = type_
        return struct

    def _is_same(self, type_: CType, other: Struct) -> bool:
        definition = self._fallback.definition(other)
        if definition is None:
            return False
        places = {each.name: (each.offset * 8 + each.bit_offset) for each in definition.fields}
        return places == {name: at for name, at, _ in self._members(type_, 0)}

    def _members(self, type_: CType, base: int) -> Iterator[tuple[str, int, Cursor]]:
        """Name, place in bits and declaration of each member, those of anonymous ones in place."""
        for cursor in self._parsed.fields(type_):
            at = base + self._library.Cursor_getOffsetOfField(cursor)
            name = self._parsed.name(cursor)
            inner = self._library.getCanonicalType(self._library.getCursorType(cursor))
            if inner.kind == TypeKind.RECORD and (not name or " " in name):
                yield from self._members(inner, at)
            elif name:
                yield name, at, cursor

    def _fields(self, type_: CType, base: int) -> Iterator[Field]:
        seen = set()
        for name, at, cursor in self._members(type_, base):
            if name not in seen:
                seen.add(name)
                yield self._field(name, at, cursor)

    def _field(self, name: str, at: int, cursor: Cursor) -> Field:
        declared = self._library.getCursorType(cursor)
        type_ = self._type(declared)
        size = max(self._library.Type_getSizeOf(declared), 0)
        if self._library.Cursor_isBitField(cursor):
            width, unit = self._library.getFieldDeclBitWidth(cursor), size * 8
            start = at // unit * unit
            if at + width > start + unit:  # packed: it crosses a boundary of its own type
                start = at // 8 * 8
            return Field(name, type_, start // 8, at - start, width)
        if isinstance(type_, Enum):
            return Field(name, type_, at // 8, 0, size * 8 if size < 8 else 0)
        if isinstance(type_, Str) and self._is_characters(declared):
            return Field(name, Str(type_.size + 1), at // 8, stored=type_.size)
        return Field(name, type_, at // 8)

    def _is_characters(self, declared: CType) -> bool:
        """Whether this is the compiler's array of characters, not a stand-in's."""
        return bool(self._library.getCanonicalType(declared).kind == TypeKind.CONSTANT_ARRAY)

    # --- types ----------------------------------------------------------------------------------------------------

    def _type(self, type_: CType) -> Type:
        library = self._library
        while type_.kind in (TypeKind.ELABORATED, TypeKind.TYPEDEF):
            if type_.kind == TypeKind.ELABORATED:
                type_ = library.Type_getNamedType(type_)
                continue
            cursor = library.getTypeDeclaration(type_)
            if self._is_stand_in(cursor):
                return self._fallback.named(self._parsed.name(cursor)) or VOID
            type_ = library.getTypedefDeclUnderlyingType(cursor)
        if type_.kind not in (TypeKind.POINTER, TypeKind.CONSTANT_ARRAY, TypeKind.INCOMPLETE_ARRAY):
            type_ = library.getCanonicalType(type_)
        kind, size = type_.kind, library.Type_getSizeOf(type_)
        if kind == TypeKind.BOOL:
            return BOOL
        if kind in TypeKind.SIGNED or kind == TypeKind.WCHAR:
            return Int(size, True)
        if kind in TypeKind.UNSIGNED:
            # Scripts know a plain char as signed, whatever the machine's is.
            return Int(size, kind == TypeKind.CHAR_U)
        if kind in TypeKind.WIDE:
            return Array(U64, 2)
        if kind == TypeKind.POINTER:
            pointee = library.getPointeeType(type_)
            return Pointer(self._plain(self._type(pointee), pointee))
        if kind in (TypeKind.CONSTANT_ARRAY, TypeKind.INCOMPLETE_ARRAY):
            return self._array(type_)
        if kind == TypeKind.RECORD:
            return self._record(library.getTypeDeclaration(type_))
        if kind == TypeKind.ENUM:
            return self.enum(self._name(library.getTypeDeclaration(type_))) or U32
        return VOID

    def _array(self, type_: CType) -> Type:
        elem = self._library.getArrayElementType(type_)
        count = self._library.getArraySize(type_) if type_.kind == TypeKind.CONSTANT_ARRAY else 0
        if count > 0 and self._library.getCanonicalType(elem).kind in (TypeKind.CHAR_S, TypeKind.CHAR_U):
            return Str(count)
        return Array(self._plain(self._type(elem), elem), max(count, 0))

    def _plain(self, type_: Type, declared: CType) -> Type:
        """What stands in memory: an enumeration, which has 64 bits in the language, is the integer there."""
        if isinstance(type_, Enum):
            return Int(max(self._library.Type_getSizeOf(declared), 1), False)
        return type_

    def _record(self, cursor: Cursor) -> Struct:
        kind, name = _KINDS.get(cursor.kind, "struct"), self._name(cursor)
        return self.struct(kind, name) or Struct(name, 0, 1, kind)

    # --- enumerations ---------------------------------------------------------------------------------------------

    def _enumeration(self, name: str) -> _Enumeration | None:
        """An enumeration of the source; None if it has none or it is the same as the kernel's."""
        if name not in self._known:
            cursor = self._find("enum", name) if name else None
            self._known[name] = None if cursor is None else self._read_enumeration(name, cursor)
        return self._known[name]

    def _read_enumeration(self, name: str, cursor: Cursor) -> _Enumeration | None:
        values = dict(self._values(cursor))
        if self._parsed.where(cursor).file != self._main and (same := self._fallback.enum(name)) is not None:
            theirs = self._fallback.variants(same)
            if all(theirs.get(value & _MASK) == each for each, value in values.items()):
                return None
        size = self._library.Type_getSizeOf(self._library.getCursorType(cursor))
        return _Enumeration(Enum(name), size, values)

    def _values(self, cursor: Cursor) -> Iterator[tuple[str, int]]:
        signed = self._library.getEnumDeclIntegerType(cursor).kind in TypeKind.SIGNED
        for each in self._parsed.children(cursor):
            if each.kind == Kind.CONSTANT:
                value = self._library.getEnumConstantDeclValue(each)
                yield self._parsed.name(each), value if signed else value & _MASK

    def _all_constants(self) -> dict[str, tuple[str, int]]:
        """The name of the enumeration, and the value, of each enumerator."""
        if self._constants is None:
            self._look_inside()
            self._constants = {}
            for (kind, name), cursor in self._defined.items():
                if kind == "enum" and not self._is_stand_in(cursor):
                    self._constants |= {each: (name, value) for each, value in self._values(cursor)}
        return self._constants
