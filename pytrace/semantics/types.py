"""The types of the language, their sizes and their spelling.

A type is a small frozen value; equality is structural. Structs and enums are named: what they contain is looked up in
a `TypeTable`, since kernel structs refer to each other in circles.

Sizes and alignments follow C on the target (LP64, little-endian): this is the one place that knows them, for map keys
and values, records of the ring buffer and scratch memory alike.
"""

from __future__ import annotations

from pytrace.frozen import field, frozen
from pytrace.hints import Protocol
from pytrace.members import Enum as PyEnum


class Space(PyEnum):
    """The address space that a pointer-like value refers to (LANGUAGE 14.11)."""

    NONE = "none"
    KERNEL = "kernel"
    USER = "user"


@frozen
class Type:
    """Base of all types."""


@frozen
class Int(Type):
    """`size` in bytes: 1, 2, 4 or 8.

    Three remarks travel with a type while a script is being checked; they do not make it another type, and code
    generation ignores them. `flexible`: the value is known to come from non-negative literals only, so that the type
    may turn unsigned for free (LANGUAGE 14.1). `space`: where the value points to if it is used as an address. `clock`:
    the mode of `nsecs` that the value was read with, if not the default.
    """

    size: int
    signed: bool
    flexible: bool = field(default=False, compare=False, repr=False)
    space: Space = field(default=Space.NONE, compare=False, repr=False)
    clock: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}int{self.size * 8}"


@frozen
class Bool(Type):
    def __str__(self) -> str:
        return "bool"


@frozen
class Enum(Type):
    """An enumeration: an unsigned 64-bit integer that prints by name. `source` as for `Struct`."""

    name: str
    source: str = ""

    def __str__(self) -> str:
        return f"enum {self.name}"


@frozen
class Str(Type):
    """Text of `size` bytes including its NUL. `string` without a size, as an annotation, has size 0."""

    size: int

    def __str__(self) -> str:
        return f"string[{self.size}]" if self.size else "string"


@frozen
class Buffer(Type):
    """A u32 length followed by at most `capacity` bytes. Messages name it by its size with the length."""

    capacity: int

    def __str__(self) -> str:
        return f"buffer[{self.capacity + 4}]"  # the header counts, in what users are told


@frozen
class Pointer(Type):
    """`pointee` is `Void()` for `void *`.

    `trusted` is a remark like those of `Int`: the verifier knows the value as a pointer to a kernel object and lets the
    program read through it directly. It is lost when the value is stored.
    """

    pointee: Type
    space: Space = Space.NONE
    trusted: bool = field(default=False, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.pointee} *"


@frozen
class Array(Type):
    elem: Type
    count: int

    def __str__(self) -> str:
        return f"{self.elem}[{self.count}]"


@frozen
class Tuple(Type):
    elems: tuple[Type, ...]

    def __str__(self) -> str:
        return f"({','.join(map(str, self.elems))})"


@frozen
class Record(Type):
    fields: tuple[tuple[str, Type], ...]

    def __str__(self) -> str:
        return f"record {{ {', '.join(f'.{name} = {type_}' for name, type_ in self.fields)} }}"


@frozen
class Struct(Type):
    """A C struct or union by name; `source` tells where it is defined ("" = the script, "vmlinux", a module, …)."""

    name: str
    size: int
    align: int = 8
    kind: str = "struct"
    source: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@frozen
class Void(Type):
    """What an action such as `print()` gives."""

    def __str__(self) -> str:
        return "void"


@frozen
class Nothing(Type):
    """The `none` type: a block or statement without a value."""

    def __str__(self) -> str:
        return "none"


@frozen
class Unknown(Type):
    """A type that is not known (yet): of a variable in an early round of solving, or of an erroneous expression.

    It agrees with every other type. No `Program` contains it.
    """

    def __str__(self) -> str:
        return "none"


@frozen
class Stack(Type):
    """A captured stack: `kind` "kstack" or "ustack", `mode` as in the configuration, at most `limit` frames.

    In memory: u64 count of frames, for ustack u32 pid and u32 tid, then the frames (8 bytes each, 32 for build_id).
    """

    kind: str
    mode: str
    limit: int

    def __str__(self) -> str:
        return f"{self.kind}_{self.mode}_{self.limit}"


@frozen
class Opaque(Type):
    """A value that user space turns into text when it is printed.

    | name | size | contents |
    |---|---|---|
    | inet | 24 | u64 address family (2 or 10), then 16 bytes of address |
    | mac_address | 6 | the six bytes |
    | timestamp | 16 | u64 nanoseconds, u32 index of the format string in `Program.strings`, u32 clock (0 boot, 1 TAI) |
    | cgroup_path_t | 16 | u64 cgroup id, u64 index of the filter string in `Program.strings` |
    | ksym_t | 8 | u64 address |
    | usym_t | 16 | u64 address, u32 pid, u32 index of the probe |
    | username_t | 8 | u64 uid |
    """

    name: str

    def __str__(self) -> str:
        return "inet[24]" if self.name == "inet" else self.name


OPAQUE_SIZES = {
    "inet": 24, "mac_address": 6, "timestamp": 16, "cgroup_path_t": 16, "ksym_t": 8, "usym_t": 16, "username_t": 8,
}


@frozen
class Aggregate(Type):
    """The value of a map that is updated by a map function.

    `name` is the function (`count`, `sum`, `min`, `max`, `avg`, `stats`, `hist`, `lhist`, `tseries`); `params` are its
    literal arguments: hist (bits,), lhist (min, max, step), tseries (interval, buckets, aggregation).
    """

    name: str
    signed: bool = True
    params: tuple[int | str, ...] = ()

    def __str__(self) -> str:
        unsigned = "" if self.signed or self.name in ("count", "hist", "lhist", "tseries") else "u"
        return f"{unsigned}{self.name}_t"

    @property
    def castable(self) -> bool:
        """Whether the value may be used as an integer (LANGUAGE 18.5)."""
        return self.name in ("count", "sum", "min", "max", "avg")

    @property
    def as_int(self) -> Int:
        """The integer that a castable aggregate reads as."""
        return Int(8, self.signed and self.name != "count")


@frozen
class Context(Type):
    """What `args` is before a field is taken: the probe's arguments, not a value by itself where not printable."""

    struct: Struct

    def __str__(self) -> str:
        return str(self.struct)


I8, I16, I32, I64 = (Int(n, True) for n in (1, 2, 4, 8))
U8, U16, U32, U64 = (Int(n, False) for n in (1, 2, 4, 8))
BOOL, VOID, NOTHING, UNKNOWN = Bool(), Void(), Nothing(), Unknown()
INET, MAC, TIMESTAMP, CGROUP_PATH, KSYM, USYM, USERNAME = (Opaque(n) for n in OPAQUE_SIZES)


@frozen
class Field:
    """A member of a struct: `offset` in bytes. A bit-field reads `bit_size` bits at `bit_offset` bits from `offset`,
    within the integer `type` that stands at `offset`.

    `stored` is how many bytes are there, if fewer than the type has: a `char[n]` of a script's own struct is a
    `string[n + 1]`, whose last byte is a NUL that is not in memory.
    """

    name: str
    type: Type
    offset: int
    bit_offset: int = 0
    bit_size: int = 0
    tags: tuple[str, ...] = ()
    stored: int = 0


@frozen
class StructDef:
    """The contents of a struct. Members of anonymous inner structs are listed in place, at their offset from the
    start."""

    type: Struct
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        return next((f for f in self.fields if f.name == name), None)


class TypeTable(Protocol):
    """Looks up what is named: in the script's definitions first, then in the running kernel's BTF."""

    def struct(self, kind: str, name: str) -> Struct | None:
        """The struct, union (`kind`) of that name."""

    def definition(self, struct: Struct) -> StructDef | None:
        """The members; None if only declared."""

    def named(self, name: str) -> Type | None:
        """A bare word as a type: kernel typedef, C base type (`int`, `char`, `size_t`), or struct without its
        keyword."""

    def enum(self, name: str) -> Enum | None: ...

    def enumerator(self, name: str) -> tuple[Enum, int] | None:
        """A bare word as an enumerator."""

    def variants(self, enum: Enum) -> dict[int, str]:
        """Value to name."""


def size_of(type_: Type) -> int:
    """Bytes that a value of the type takes in memory."""
    match type_:
        case Int(size=size) | Str(size=size) | Struct(size=size):
            return size
        case Bool():
            return 1
        case Enum() | Pointer() | Context():
            return 8
        case Buffer(capacity=capacity):
            return capacity + 4
        case Array(elem=elem, count=count):
            return size_of(elem) * count
        case Tuple() | Record():
            return _layout(type_)[1]
        case Stack():
            return _stack_head(type_) + type_.limit * _frame_size(type_)
        case Opaque(name=name):
            return OPAQUE_SIZES[name]
        case Aggregate():
            return 8
    return 0


def _stack_head(type_: Stack) -> int:
    return 8 if type_.kind == "kstack" else 16


def _frame_size(type_: Stack) -> int:
    return 32 if type_.mode == "build_id" else 8


def frames_within(type_: Stack, size: int) -> int:
    """How many frames of a stack are in its first `size` bytes."""
    return (size - _stack_head(type_)) // _frame_size(type_)


def align_of(type_: Type) -> int:
    """Alignment in bytes."""
    match type_:
        case Int(size=size):
            return size
        case Str() | Bool():
            return 1
        case Buffer():
            return 4
        case Array(elem=elem):
            return align_of(elem)
        case Tuple(elems=elems):
            return max(map(align_of, elems), default=1)
        case Record(fields=fields):
            return max((align_of(t) for _, t in fields), default=1)
        case Struct(align=align):
            return align
        case Opaque(name="mac_address"):
            return 1
    return 8


def members_of(type_: Tuple | Record) -> tuple[Type, ...]:
    """The member types of a tuple or record, in order."""
    return type_.elems if isinstance(type_, Tuple) else tuple(t for _, t in type_.fields)


def _layout(type_: Tuple | Record) -> tuple[tuple[int, ...], int]:
    offsets, at, widest = [], 0, 1
    for member in members_of(type_):
        align = align_of(member)
        widest = max(widest, align)
        at = (at + align - 1) // align * align
        offsets.append(at)
        at += size_of(member)
    return tuple(offsets), (at + widest - 1) // widest * widest


def offsets_of(type_: Tuple | Record) -> tuple[int, ...]:
    """The offset of each member: C layout, with padding."""
    return _layout(type_)[0]
