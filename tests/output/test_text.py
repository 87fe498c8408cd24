"""Values as text: OUTPUT 3 and 5."""

from __future__ import annotations

import pytest

from pytrace.output.text import escape_bytes
from pytrace.output.values import CapturedStack
from pytrace.semantics.types import (
    BOOL,
    CGROUP_PATH,
    I8,
    I64,
    INET,
    KSYM,
    MAC,
    TIMESTAMP,
    U64,
    USERNAME,
    USYM,
    VOID,
    Aggregate,
    Array,
    Buffer,
    Field,
    Pointer,
    Record,
    Stack,
    Str,
    Struct,
    StructDef,
    Tuple,
    Type,
)
from tests.output.common import COLOUR, text_values

STACK = Stack("kstack", "bpftrace", 3)


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        (I64, -5, b"-5"),
        (U64, 18446744073709551615, b"18446744073709551615"),
        (BOOL, True, b"true"),
        (BOOL, False, b"false"),
        (Str(16), b"\xff any \x01", b"\xff any \x01"),
        (Str(8), b"/bin/ech", b"/bin/ech.."),
        (Pointer(VOID), 0x1000, b"0x1000"),
        (Pointer(VOID), 0, b"0x0"),
        (COLOUR, 7, b"GREEN"),
        (COLOUR, 8, b"8"),
        (Tuple((I8, Str(8), Tuple((I8, I8)), BOOL)), (1, b"two", (3, 4), True), b"(1, two, (3, 4), true)"),
        (Tuple((I8,)), (1,), b"(1)"),
        (Record((("x", I8), ("name", Str(8)))), (3, b"gpoint"), b"{ .x = 3, .name = gpoint }"),
        (Record(()), (), b"{}"),
        (Array(I8, 4), (4, 3, 2, 1), b"[4,3,2,1]"),
        (Buffer(8), b"ab\n\x01z\\~\x7f\xff", b"ab\\x0a\\x01z\\~\\x7f\\xff"),
        (INET, (2, b"\x7f\0\0\1"), b"127.0.0.1"),
        (INET, (10, bytes(15) + b"\1"), b"::1"),
        (INET, (10, bytes.fromhex("20010db8000000000000000000000001")), b"2001:db8::1"),
        (INET, (99, bytes(16)), b""),
        (MAC, b"\0\x1a\xff\3\4\5", b"00:1A:FF:03:04:05"),
        (USERNAME, 0, b"root"),
        (KSYM, 0, b"0"),
        (USYM, (1, 2, 3), b"user_function"),
        (TIMESTAMP, (5, 1, 0), b"5/1/0"),
        (CGROUP_PATH, (5, 1), b"unified:/a"),
        (STACK, CapturedStack(0, 0, (1, 2)), b"\n        f1+1\n        f2+1\n"),
        (Aggregate("count"), 7, b"7"),
    ],
)
def test_value(type_: Type, value: object, text: bytes):
    assert text_values().of(type_)(value) == text


def test_structs_print_the_names_of_their_members():
    point = Struct("point", 12)
    structs = {point: StructDef(point, (Field("a", I8, 0), Field("b", Array(I8, 3), 1)))}
    show = text_values(structs).of(Array(point, 2))
    assert show(((3, (4, 5, 6)), (7, (8, 9, 10)))) == b"[{ .a = 3, .b = [4,5,6] },{ .a = 7, .b = [8,9,10] }]"


@pytest.mark.parametrize(
    ("type_", "key", "text"),
    [
        (Tuple((I8, Str(8), I8)), (1, b"two", 3), b"1, two, 3"),
        (Tuple((I8, Tuple((I8, I8)))), (1, (2, 3)), b"1, (2, 3)"),
        (Tuple((Tuple((I8, I8)), I8)), ((1, 2), 3), b"(1, 2), 3"),
        (Str(8), b"(x)", b"x"),
        (Str(8), b"()", b""),
        (Str(8), b"(", b"("),
        (Buffer(8), b"(a)", b"a"),
        (Array(I8, 2), (1, 2), b"[1,2]"),
        (STACK, CapturedStack(0, 0, (1,)), b"\n        f1+1\n"),
    ],
)
def test_key(type_: Type, key: object, text: bytes):
    assert text_values().key(type_)(key) == text


def test_every_byte_is_escaped_or_printable():
    assert escape_bytes(bytes(range(32, 127))) == bytes(range(32, 127))
    assert escape_bytes(b"\x00\x1f\x7f") == b"\\x00\\x1f\\x7f"
