"""Bytes from the kernel as Python values.

A decoder is made once for each type and then reads at any offset; what it can leave to `struct` it does. All values
are little-endian and laid out as `semantics.types` says.

| type | value |
|---|---|
| integer, enum, pointer, ksym_t, username_t | int |
| bool | bool |
| string | the bytes before the NUL; without a NUL all of them, so that a cut string is as long as its type |
| buffer | the bytes that are filled |
| array | tuple of values |
| tuple, record, struct | tuple of the members' values (struct: in the order of its `StructDef`) |
| stack | `CapturedStack` |
| inet | (address family, address: 4 or 16 bytes) |
| mac_address | six bytes |
| timestamp | (nanoseconds, index of the format, clock) |
| cgroup_path_t | (cgroup id, index of the filter) |
| usym_t | (address, process id, number of the probe) |
| castable aggregation | int |
"""

from __future__ import annotations

from struct import Struct as Packed

from pytrace.frozen import frozen
from pytrace.hints import Any, Callable, Mapping, Sequence
from pytrace.semantics.types import (
    Aggregate,
    Array,
    Bool,
    Buffer,
    Context,
    Enum,
    Field,
    Int,
    Opaque,
    Pointer,
    Record,
    Stack,
    Str,
    Struct,
    StructDef,
    Tuple,
    Type,
    members_of,
    offsets_of,
    size_of,
)

__all__ = [
    "CapturedStack", "Decoder", "Slot", "Structs", "decoder", "divide", "members_decoder", "scalar_code", "slot_of",
    "slots_decoder", "zero_of",
]

Buffered = bytes | bytearray | memoryview
Decoder = Callable[[Buffered, int], Any]
"""Reads the value that starts at an offset of a buffer."""
Read = Callable[[Buffered, int], tuple[Any, ...]]
"""Reads several values, from a common start."""
Structs = Mapping[Struct, StructDef]
Convert = Callable[[bytes], Any]


@frozen
class CapturedStack:
    """The frames of a stack, innermost first: addresses, or in mode build_id the kernel's 32-byte records."""

    pid: int
    tid: int
    frames: tuple[int, ...] | tuple[bytes, ...]


_INTS = {(1, True): "b", (2, True): "h", (4, True): "i", (8, True): "q",
         (1, False): "B", (2, False): "H", (4, False): "I", (8, False): "Q"}
_OPAQUE = {"timestamp": Packed("<QII"), "cgroup_path_t": Packed("<QQ"), "usym_t": Packed("<QII")}
_KERNEL_STACK, _USER_STACK = Packed("<Q"), Packed("<QII")


def scalar_code(type_: Type) -> str:
    """The `struct` code of a value that needs no conversion, or an empty string."""
    match type_:
        case Int(size=size, signed=signed):
            return _INTS[size, signed]
        case Bool():
            return "?"
        case Enum() | Pointer() | Context() | Opaque(name="ksym_t" | "username_t"):
            return "Q"
        case Aggregate(castable=True):
            return _INTS[8, type_.as_int.signed]
    return ""


def _before_nul(raw: bytes) -> bytes:
    return raw.partition(b"\0")[0]


def _buffer(raw: bytes) -> bytes:
    return raw[4 : 4 + int.from_bytes(raw[:4], "little")]


def _inet(raw: bytes) -> tuple[int, bytes]:
    family = int.from_bytes(raw[:8], "little")
    return family, raw[8:12] if family == 2 else raw[8:24]


def _stack(type_: Stack) -> Convert:
    head = _KERNEL_STACK if type_.kind == "kstack" else _USER_STACK
    start, limit = head.size, type_.limit

    def convert(raw: bytes) -> CapturedStack:
        count, *process = head.unpack_from(raw)
        pid, tid = process or (0, 0)
        count = min(count, limit)
        if type_.mode == "build_id":
            return CapturedStack(pid, tid, tuple(raw[start + 32 * n : start + 32 * n + 32] for n in range(count)))
        return CapturedStack(pid, tid, Packed(f"<{count}Q").unpack_from(raw, start))

    return convert


def _array(type_: Array, structs: Structs) -> Convert:
    count = type_.count
    if code := scalar_code(type_.elem):
        return Packed(f"<{count}{code}").unpack
    size, element = size_of(type_.elem), converter(type_.elem, structs)
    return lambda raw: tuple(element(raw[n * size : (n + 1) * size]) for n in range(count))


def _bits(field: Field) -> Convert:
    shift, mask = field.bit_offset, (1 << field.bit_size) - 1
    return lambda raw: int.from_bytes(raw, "little") >> shift & mask


def _field(field: Field, size: int, structs: Structs) -> tuple[int, str, Convert | None]:
    """Place, code and conversion of a struct member. A bit-field is read as the bytes it covers: its integer may stick
    out of a packed struct."""
    if field.bit_size:
        width = min((field.bit_offset + field.bit_size + 7) // 8, size - field.offset)
        return field.offset, f"{width}s", _bits(field)
    if code := scalar_code(field.type):
        return field.offset, code, None
    if field.stored:  # a char[n], whose type has room for a NUL that the memory has not
        return field.offset, f"{field.stored}s", _before_nul
    return field.offset, f"{size_of(field.type)}s", converter(field.type, structs)


def _struct(type_: Struct, structs: Structs) -> Convert:
    definition = structs.get(type_)
    if definition is None:
        return lambda raw: ()
    # Members of a union, and bit-fields, overlap: each is read by itself.
    parts = []
    for field in definition.fields:
        offset, code, convert = _field(field, type_.size, structs)
        parts.append((offset, Packed(f"<{code}").unpack_from, convert))

    def read(raw: bytes) -> tuple[Any, ...]:
        values = []
        for offset, unpack, convert in parts:
            value = unpack(raw, offset)[0]
            values.append(value if convert is None else convert(value))
        return tuple(values)

    return read


def converter(type_: Type, structs: Structs) -> Convert:
    """How exactly the bytes of one value become the value."""
    if code := scalar_code(type_):
        unpack = Packed(f"<{code}").unpack
        return lambda raw: unpack(raw)[0]
    match type_:
        case Str():
            return _before_nul
        case Buffer():
            return _buffer
        case Array():
            return _array(type_, structs)
        case Tuple() | Record():
            read = members_decoder(tuple(zip(offsets_of(type_), members_of(type_), strict=True)), structs)
            return lambda raw: read(raw, 0)
        case Struct():
            return _struct(type_, structs)
        case Stack():
            return _stack(type_)
        case Opaque(name="inet"):
            return _inet
        case Opaque(name="mac_address"):
            return bytes
        case Opaque(name=name):
            return _OPAQUE[name].unpack
    raise TypeError(f"no value of type {type_} crosses from the kernel")


@frozen
class Slot:
    """One value to read: its place, the `struct` code of its bytes, how many those are, and what to do with it."""

    offset: int
    code: str
    size: int
    convert: Callable[[Any], Any] | None = None


def slot_of(offset: int, type_: Type, structs: Structs) -> Slot:
    """How a value of the type is read at an offset."""
    size = size_of(type_)
    if code := scalar_code(type_):
        return Slot(offset, code, size)
    return Slot(offset, f"{size}s", size, converter(type_, structs))


def slots_decoder(slots: Sequence[Slot]) -> Read:
    """Reads several values at their offsets from a common start, all at once. They must not overlap."""
    order = sorted(range(len(slots)), key=lambda index: slots[index].offset)
    codes, at = ["<"], 0
    for index in order:
        slot = slots[index]
        codes.append(f"{slot.offset - at}x{slot.code}" if slot.offset > at else slot.code)
        at = slot.offset + slot.size
    unpack = Packed("".join(codes)).unpack_from
    if order == list(range(len(slots))) and not any(slot.convert for slot in slots):
        return unpack
    return _unpacker(unpack, order, [slot.convert for slot in slots])


def _unpacker(unpack: Read, order: Sequence[int], conversions: Sequence[Callable[[Any], Any] | None]) -> Read:
    """`unpack`, whose values come in another order, followed by the conversions.

    Written out as Python source for just these values, as `collections.namedtuple` does it: every record passes
    through here, and a loop over the values takes three times as long.
    """
    names = [f"v{index}" for index in order]
    results = [f"c{n}(v{n})" if convert else f"v{n}" for n, convert in enumerate(conversions)]
    source = (
        "def read(buffer, offset):\n"
        f"    {', '.join(names)}, = unpack(buffer, offset)\n"
        f"    return ({', '.join(results)},)\n"
    )
    scope: dict[str, Any] = {f"c{n}": convert for n, convert in enumerate(conversions)}
    scope["unpack"] = unpack
    exec(source, scope)
    read: Read = scope["read"]
    return read


def members_decoder(members: Sequence[tuple[int, Type]], structs: Structs) -> Read:
    """Reads the members of a tuple, or the fields of a record of the ring."""
    return slots_decoder([slot_of(offset, type_, structs) for offset, type_ in members])


def decoder(type_: Type, structs: Structs) -> Decoder:
    """Reads one value of the type. Strings and stacks, and tuples that end with a string, may end before their type
    does, as short keys do."""
    if isinstance(type_, Str | Stack):
        size, convert = size_of(type_), converter(type_, structs)
        return lambda buffer, offset: convert(bytes(buffer[offset : offset + size]))
    if isinstance(type_, Tuple | Record) and any(isinstance(last, Str) for last in members_of(type_)[-1:]):
        *head, (start, text) = zip(offsets_of(type_), members_of(type_), strict=True)
        first, end = members_decoder(head, structs), start + size_of(text)
        return lambda buffer, offset: (
            *first(buffer, offset), _before_nul(bytes(buffer[offset + start : offset + end]))
        )
    read = members_decoder(((0, type_),), structs)
    return lambda buffer, offset: read(buffer, offset)[0]


def zero_of(type_: Type, structs: Structs) -> Any:
    """The value whose bytes are all zero."""
    return converter(type_, structs)(bytes(size_of(type_)))


def divide(type_: Type, value: Any, by: int, structs: Structs) -> Any:
    """The value with every integer in it divided, toward zero (the `div` argument of `print`)."""
    match type_:
        case Int() | Aggregate():
            return value // by if value >= 0 else -(-value // by)
        case Array(elem=elem):
            return tuple(divide(elem, item, by, structs) for item in value)
        case Tuple() | Record():
            return tuple(divide(t, item, by, structs) for t, item in zip(members_of(type_), value, strict=True))
        case Struct() if type_ in structs:
            return tuple(divide(f.type, v, by, structs) for f, v in zip(structs[type_].fields, value, strict=True))
    return value
