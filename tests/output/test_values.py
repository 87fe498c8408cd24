"""Bytes from the kernel become the values that were stored."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.output.values import CapturedStack, decoder, divide, members_decoder, zero_of
from pytrace.semantics.types import (
    BOOL,
    CGROUP_PATH,
    I8,
    I16,
    I32,
    I64,
    INET,
    MAC,
    TIMESTAMP,
    U8,
    U16,
    U32,
    U64,
    USYM,
    VOID,
    Array,
    Buffer,
    Enum,
    Field,
    Int,
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


@pytest.mark.parametrize(
    ("type_", "data", "value"),
    [
        (I8, b"\xff", -1),
        (U8, b"\xff", 255),
        (I16, b"\xfe\xff", -2),
        (U32, b"\xff\xff\xff\xff", 0xFFFFFFFF),
        (I64, b"\xff" * 8, -1),
        (U64, b"\xff" * 8, (1 << 64) - 1),
        (BOOL, b"\0", False),
        (BOOL, b"\1", True),
        (Enum("e"), struct.pack("<Q", 7), 7),
        (Pointer(VOID), struct.pack("<Q", 0x1000), 0x1000),
        (Str(6), b"ab\0xyz", b"ab"),
        (Str(3), b"abc", b"abc"),
        (Str(3), b"\0\0\0", b""),
        (Buffer(4), b"\2\0\0\0abcd", b"ab"),
        (Buffer(4), b"\x09\0\0\0abcd", b"abcd"),
        (Array(U16, 3), b"\1\0\2\0\3\0", (1, 2, 3)),
        (Array(Str(2), 2), b"a\0bc", (b"a", b"bc")),
        (Array(I8, 0), b"", ()),
        (INET, struct.pack("<Q4s12x", 2, b"\x7f\0\0\1"), (2, b"\x7f\0\0\1")),
        (INET, struct.pack("<Q16s", 10, bytes(15) + b"\1"), (10, bytes(15) + b"\1")),
        (MAC, b"\0\1\2\3\4\5", b"\0\1\2\3\4\5"),
        (TIMESTAMP, struct.pack("<QII", 5, 3, 1), (5, 3, 1)),
        (CGROUP_PATH, struct.pack("<QQ", 9, 2), (9, 2)),
        (USYM, struct.pack("<QII", 0x10, 42, 1), (0x10, 42, 1)),
        (Stack("kstack", "bpftrace", 3), struct.pack("<Q3Q", 2, 10, 20, 99), CapturedStack(0, 0, (10, 20))),
        (Stack("ustack", "raw", 2), struct.pack("<QII2Q", 9, 5, 6, 1, 2), CapturedStack(5, 6, (1, 2))),
        (
            Stack("ustack", "build_id", 2), struct.pack("<QII32s32s", 1, 5, 6, b"a" * 32, b"b" * 32),
            CapturedStack(5, 6, (b"a" * 32,)),
        ),
        (Tuple((I8, Tuple((I32, Str(4))))), b"\1\0\0\0\2\0\0\0ab\0\0", (1, (2, b"ab"))),
        (Record((("x", U8), ("y", U64))), b"\5" + bytes(7) + b"\6" + bytes(7), (5, 6)),
        (Tuple(()), b"", ()),
    ],
)  # fmt: skip
def test_a_value(type_: Type, data: bytes, value: object):
    assert size_of(type_) == len(data)
    assert decoder(type_, {})(data, 0) == value
    assert decoder(type_, {})(memoryview(b"..." + data), 3) == value


def test_a_struct_is_read_member_by_member_and_bit_fields_are_unsigned():
    inner, outer = Struct("inner", 8), Struct("outer", 24)
    structs = {
        inner: StructDef(inner, (Field("a", I32, 0), Field("b", Str(2), 4))),
        outer: StructDef(outer, (
            Field("i", inner, 0), Field("low", I32, 8, 0, 4), Field("high", U32, 8, 4, 3), Field("u", U64, 16),
            Field("v", U8, 16),
        )),
    }  # fmt: skip
    data = struct.pack("<i2sxxIxxxxQ", -3, b"xy", 0b1011101, 0x1234)
    assert decoder(outer, structs)(data, 0) == ((-3, b"xy"), 13, 0b101, 0x1234, 0x34)


def test_a_bit_field_at_the_end_of_a_packed_struct():
    packed = Struct("packed", 3, 1)
    structs = {packed: StructDef(packed, (Field("a", U8, 0), Field("b", U32, 1, 0, 12)))}
    assert decoder(packed, structs)(b"\1\xbc\x0a", 0) == (1, 0xABC)


def test_a_struct_without_a_definition_has_no_members():
    assert decoder(Struct("opaque", 8), {})(bytes(8), 0) == ()


@given(st.permutations(range(4)))
def test_fields_come_in_the_order_that_was_asked_for(order: list[int]):
    fields = [(0, U8), (2, Str(2)), (4, I32), (16, U64)]
    values = (7, b"a", -1, 9)
    record = struct.pack("<Bx2siQQ", 7, b"a\0", -1, 0, 9)
    assert members_decoder([fields[n] for n in order], {})(record, 0) == tuple(values[n] for n in order)


scalars = st.builds(Int, st.sampled_from([1, 2, 4, 8]), st.booleans())
leaves = st.one_of(scalars, st.just(BOOL), st.builds(Str, st.integers(1, 9)))
types = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Tuple, st.lists(inner, min_size=1, max_size=4).map(tuple)),
        st.builds(Array, inner, st.integers(1, 3)),
    ),
    max_leaves=8,
)


def encode(type_: Type, data: st.DataObject) -> tuple[bytes, object]:
    """Bytes and the value that they mean."""
    match type_:
        case Int(size=size, signed=signed):
            low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if signed else (0, (1 << 8 * size) - 1)
            value = data.draw(st.integers(low, high))
            return value.to_bytes(size, "little", signed=signed), value
        case Str(size=size):
            text = data.draw(st.binary(max_size=size)).replace(b"\0", b"x")
            return text.ljust(size, b"\0"), text
        case Array(elem=elem, count=count):
            parts = [encode(elem, data) for _ in range(count)]
            return b"".join(raw for raw, _ in parts), tuple(value for _, value in parts)
        case Tuple():
            raw = bytearray(data.draw(st.binary(min_size=size_of(type_), max_size=size_of(type_))))
            values = []
            for offset, member in zip(offsets_of(type_), members_of(type_), strict=True):
                part, value = encode(member, data)
                raw[offset : offset + len(part)] = part
                values.append(value)
            return bytes(raw), tuple(values)
    flag = data.draw(st.booleans())
    return bytes([flag]), flag


@given(types, st.data())
def test_any_value_is_read_back(type_: Type, data: st.DataObject):
    raw, value = encode(type_, data)
    assert decoder(type_, {})(raw, 0) == value


@given(types)
def test_the_zero_value_is_that_of_zero_bytes(type_: Type):
    assert zero_of(type_, {}) == decoder(type_, {})(bytes(size_of(type_)), 0)


def test_division_goes_toward_zero_and_into_members():
    assert divide(I64, -7, 2, {}) == -3
    assert divide(Tuple((I8, Str(2), Array(U8, 2))), (9, b"a", (4, 5)), 2, {}) == (4, b"a", (2, 2))
    assert divide(BOOL, True, 2, {}) is True
    assert divide(Enum("e"), 6, 2, {}) == 6
    thing = Struct("s", 8)
    assert divide(thing, (8,), 4, {thing: StructDef(thing, (Field("a", I64, 0),))}) == (2,)
