"""BTF translated into the language's types (PROBES 2.4), and the kernel's types as a `TypeTable`.

Structs are values that carry a name, so that those which refer to each other in circles can be described. `definition`
finds their contents again; members are translated one by one, when they are asked for.

Pointers that BTF tags as `user` get `Space.USER`. All others get the space that the caller of `convert` gives; in the
fields of a struct that is `Space.NONE`, which stands for the memory that the struct itself was read from.
"""

from __future__ import annotations

from pytrace.hints import Iterable, Iterator
from pytrace.kernel.btf import Btf, BtfType, Kind, kernel_btf, module_btf
from pytrace.kernel.btf_print import align_of
from pytrace.kernel.c_integers import c_type, is_c_type
from pytrace.named import NamedTuple
from pytrace.once import cached_property
from pytrace.semantics.types import (
    BOOL,
    U64,
    VOID,
    Array,
    Enum,
    Field,
    Int,
    Pointer,
    Space,
    Str,
    Struct,
    StructDef,
    Type,
)

__all__ = ["KernelTypes", "PerCpuVariable", "convert"]

_USER = "user"
_COMPOSITE = (Kind.STRUCT, Kind.UNION)
_ENUMERATION = (Kind.ENUM, Kind.ENUM64)
# What a bare word may name, the preferred first.
_BY_BARE_WORD = (Kind.TYPEDEF, Kind.INT, *_COMPOSITE, *_ENUMERATION, Kind.FWD)
_UNSIGNED_64 = (1 << 64) - 1
# Where each type that was translated stands, for `definition` and `variants`.
_places: dict[Struct, tuple[Btf, int]] = {}
_enum_places: dict[Enum, tuple[Btf, int]] = {}


def convert(btf: Btf, id: int, space: Space = Space.NONE) -> Type:
    """The language's type for a BTF type. `VOID` where it has none: functions, and void itself.

    Floating-point numbers, which the language lacks, become their bits; wider integers arrays of 64-bit words.
    """
    type = btf.resolve(id)
    match type.kind:
        case Kind.INT:
            return _integer(btf, type)
        case Kind.PTR:
            pointee = btf.resolve(type.value)
            # The language's enumerations have 64 bits, those in memory mostly 32: read through the pointer as integers.
            inner = _as_integer(btf, pointee) if pointee.kind in _ENUMERATION else convert(btf, type.value, space)
            return Pointer(inner, Space.USER if _USER in tags(btf, id) else space)
        case Kind.ARRAY:
            return _array(btf, type, space)
        case Kind.STRUCT | Kind.UNION | Kind.FWD:
            return _struct(btf, type)
        case Kind.ENUM | Kind.ENUM64:
            return _enum(btf, type) if type.name else Int(type.value, False)
        case Kind.FLOAT:
            return Int(type.value, False) if type.value in (4, 8) else Array(U64, type.value // 8)
        case Kind.VAR:
            return convert(btf, type.value, space)
        case _:
            return VOID


def tags(btf: Btf, id: int) -> tuple[str, ...]:
    """The type tags (`user`, `rcu`, `percpu`) of what a pointer points to."""
    type = btf.type(id)
    while type.kind in (Kind.TYPEDEF, *Kind.MODIFIERS):
        type = btf.type(type.value)
    if type.kind != Kind.PTR:
        return ()
    found: list[str] = []
    type = btf.type(type.value)
    while type.kind in Kind.MODIFIERS:
        # With the flag it is some other attribute of the compiler's, which changes nothing here.
        if type.kind == Kind.TYPE_TAG and not type.flag:
            found.append(type.name)
        type = btf.type(type.value)
    return tuple(found)


def _integer(btf: Btf, type: BtfType) -> Type:
    encoding, _, _ = btf.integer(type)
    if encoding & 4:
        return BOOL
    if type.value in (1, 2, 4, 8):
        return Int(type.value, bool(encoding & 1))
    return Array(U64, type.value // 8)


def _as_integer(btf: Btf, enum: BtfType) -> Int:
    return Int(enum.value, enum.flag) if enum.value in (1, 2, 4, 8) else Int(4, enum.flag)


def _array(btf: Btf, type: BtfType, space: Space) -> Type:
    elem, count = btf.array(type)
    inner = btf.resolve(elem)
    if inner.kind == Kind.INT and inner.value == 1 and not btf.integer(inner)[0] & 4:
        return Str(count)
    if inner.kind in _ENUMERATION:
        return Array(_as_integer(btf, inner), count)
    return Array(convert(btf, elem, space), count)


def _struct(btf: Btf, type: BtfType) -> Struct:
    owner = btf.owner(type.id)
    if type.kind == Kind.FWD:
        kind, size, align = "union" if type.flag else "struct", 0, 1
    else:
        kind, size, align = "struct" if type.kind == Kind.STRUCT else "union", type.value, align_of(owner, type.id)
    struct = Struct(type.name or f"__anon_{type.id}", size, align, kind, owner.name)
    place = _places.setdefault(struct, (owner, type.id))
    if place != (owner, type.id) and type.kind != Kind.FWD:
        # Some names are used twice in a kernel, by files that know nothing of each other.
        struct = Struct(f"{type.name}___{type.id}", size, align, kind, owner.name)
        _places.setdefault(struct, (owner, type.id))
    return struct


def _enum(btf: Btf, type: BtfType) -> Enum:
    owner = btf.owner(type.id)
    enum = Enum(type.name or f"__anon_{type.id}", owner.name)
    if _enum_places.setdefault(enum, (owner, type.id)) != (owner, type.id):
        enum = Enum(f"{type.name}___{type.id}", owner.name)
        _enum_places.setdefault(enum, (owner, type.id))
    return enum


class _Place(NamedTuple):
    type: int
    bit_offset: int
    bit_size: int


class _KernelStruct(StructDef):
    """A `StructDef` whose fields are translated when they are looked at."""

    __slots__ = ("__dict__", "_btf", "_id")
    _btf: Btf
    _id: int

    def __init__(self, struct: Struct, btf: Btf, id: int) -> None:
        object.__setattr__(self, "type", struct)
        object.__setattr__(self, "_btf", btf)
        object.__setattr__(self, "_id", id)

    @cached_property
    def _members(self) -> dict[str, _Place]:
        """Where each member stands; those of anonymous members in place. The first of a name counts, as in C."""
        found: dict[str, _Place] = {}
        btf = self._btf

        def add(type: BtfType, base: int) -> None:
            for name, id, bit_offset, bit_size in btf.members(type):
                inner = btf.resolve(id) if not name else None
                if inner is not None and inner.kind in _COMPOSITE:
                    add(inner, base + bit_offset)
                elif name:
                    found.setdefault(name, _Place(id, base + bit_offset, bit_size))

        add(btf.type(self._id), 0)
        return found

    @cached_property
    def _fields(self) -> dict[str, Field]:
        return {}

    def field(self, name: str) -> Field | None:
        known = self._fields
        if name not in known:
            found = self._btf.member(self._btf.type(self._id), name)
            if found is None:
                return None
            known[name] = _field(self._btf, name, _Place(*found[1:]))
        return known[name]

    @property
    def fields(self) -> tuple[Field, ...]:
        known = self._fields
        for name, place in self._members.items():
            if name not in known:
                known[name] = _field(self._btf, name, place)
        return tuple(known[name] for name in self._members)


def _field(btf: Btf, name: str, place: _Place) -> Field:
    type, raw = convert(btf, place.type), btf.resolve(place.type)
    offset, bit_size = place.bit_offset // 8, place.bit_size
    if raw.kind == Kind.INT and not bit_size:
        # Before the kind flag, bit-fields had integer types of their own.
        _, first, bits = btf.integer(raw)
        if first or bits != raw.value * 8:
            return _bit_field(name, type, raw.value, place.bit_offset + first, bits)
    if bit_size:
        return _bit_field(name, type, raw.value, place.bit_offset, bit_size)
    if isinstance(type, Enum) and raw.value < 8:
        return Field(name, type, offset, 0, raw.value * 8)
    return Field(name, type, offset, tags=tags(btf, place.type))


def _bit_field(name: str, type: Type, size: int, bit_offset: int, bit_size: int) -> Field:
    unit = size * 8
    start = bit_offset // unit * unit
    if bit_offset + bit_size > start + unit:  # packed: it crosses a boundary of its own type
        start = bit_offset // 8 * 8
    return Field(name, type, start // 8, bit_offset - start, bit_size)


class PerCpuVariable(NamedTuple):
    """A per-CPU variable of the kernel: `btf_id` of its VAR, for a BTF-typed load, and its type."""

    name: str
    btf_id: int
    type: Type


class KernelTypes:
    """The running kernel's types as a `TypeTable`; of `modules` too, which can be added to later.

    Knows C's own integer types even where the kernel offers no BTF.
    """

    def __init__(self, modules: Iterable[str] = ()) -> None:
        self._modules: dict[str, Btf] = {}
        self._definitions: dict[Struct, StructDef] = {}
        for module in modules:
            self.add_module(module)

    def add_module(self, module: str) -> bool:
        """Make a module's types known; tells whether it has any."""
        btf = module_btf(module)
        if btf is not None:
            self._modules[module] = btf
        return btf is not None

    def _all(self) -> Iterator[Btf]:
        btf = kernel_btf()
        if btf is not None:
            yield btf
            yield from self._modules.values()

    def _find(self, name: str, *kinds: int) -> tuple[Btf, BtfType] | None:
        for btf in self._all():
            for type in btf.find_all(name, *kinds):
                return btf, type
        return None

    def struct(self, kind: str, name: str) -> Struct | None:
        """The struct or union of that name; of size 0 if it is only declared."""
        found = self._find(name, Kind.STRUCT if kind == "struct" else Kind.UNION)
        if found is not None:
            return _struct(*found)
        for btf in self._all():
            for type in btf.find_all(name, Kind.FWD):
                if type.flag == (kind == "union"):
                    return _struct(btf, type)
        return None

    def definition(self, struct: Struct) -> StructDef | None:
        """The members; None for what is only declared, or not the kernel's."""
        known = self._definitions.get(struct)
        if known is not None:
            return known
        place = _places.get(struct)
        if place is None:
            found = self._by_name(struct)
            if found is None:
                return None
            place = found
        btf, id = place
        if btf.type(id).kind not in _COMPOSITE:
            return None
        return self._definitions.setdefault(struct, _KernelStruct(struct, btf, id))

    def _by_name(self, struct: Struct) -> tuple[Btf, int] | None:
        """A struct that was not translated here, but comes from an image or is known to whoever made it."""
        kind = Kind.STRUCT if struct.kind == "struct" else Kind.UNION
        for btf in self._all():
            if struct.source == btf.name:
                same = list(btf.find_all(struct.name, kind))
                for type in same:
                    if type.value == struct.size:
                        return btf, type.id
                if same:
                    return btf, same[0].id
        return None

    def named(self, name: str) -> Type | None:
        """A type by a bare word: C's integer types, a typedef, or a struct, union or enumeration without its keyword.
        Several words are understood if they are C's (`unsigned int`)."""
        if is_c_type(name) or name in ("bool", "_Bool"):
            return c_type(name) or self._plain_char(name)
        for btf in self._all():
            best: BtfType | None = None
            for type in btf.find_all(name, *_BY_BARE_WORD):
                if best is None or _BY_BARE_WORD.index(type.kind) < _BY_BARE_WORD.index(best.kind):
                    best = type
                if type.kind in _BY_BARE_WORD[:2]:
                    break
            if best is not None:
                return convert(btf, best.id)
        return None

    def _plain_char(self, name: str) -> Int | None:
        # Whether it is signed is the compiler's choice: the kernel's is not, since Linux 6.2.
        if "char" not in name.split():
            return None
        found = self._find("char", Kind.INT)
        return Int(1, bool(found[0].integer(found[1])[0] & 1) if found is not None else True)

    def enum(self, name: str) -> Enum | None:
        """The enumeration of that name."""
        found = self._find(name, *_ENUMERATION) if name else None
        return _enum(*found) if found is not None else None

    def enumerator(self, name: str) -> tuple[Enum, int] | None:
        """The enumeration that has a constant of that name, and its value as an unsigned 64-bit number."""
        for btf in self._all():
            found = btf.find_enumerator(name)
            if found is not None:
                return _enum(btf, found[0]), found[1] & _UNSIGNED_64
        return None

    def variants(self, enum: Enum) -> dict[int, str]:
        """Value to name, the last name of a value. Negative values appear as the 64-bit number that the language
        makes of them, and as the 32-bit one that memory holds."""
        place = _enum_places.get(enum)
        if place is None:
            if self.enum(enum.name) is None:
                return {}
            place = _enum_places.get(enum)
            if place is None:
                return {}
        btf, id = place
        type = btf.type(id)
        names: dict[int, str] = {}
        for name, value in btf.enumerators(type):
            names[value & _UNSIGNED_64] = name
            if value < 0:
                names[value & ((1 << type.value * 8) - 1)] = name
        return names

    def per_cpu(self, name: str) -> PerCpuVariable | None:
        """The per-CPU variable of that name, if the kernel's own BTF has it."""
        btf = kernel_btf()
        section = btf.find(".data..percpu", Kind.DATASEC) if btf is not None else None
        if btf is None or section is None:
            return None
        for type in btf.find_all(name, Kind.VAR):
            if any(id == type.id for id, _, _ in btf.variables(section)):
                return PerCpuVariable(name, type.id, convert(btf, type.value))
        return None
