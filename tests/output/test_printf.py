"""Format strings: the samples of LIBRARY 3, and what bpftrace 0.27 prints."""

from __future__ import annotations

import struct

import pytest

from pytrace.builtins.formats import parse
from pytrace.output.gfp import gfp_flags
from pytrace.output.printf import compile_format
from pytrace.output.values import CapturedStack
from pytrace.semantics.types import (
    BOOL,
    I8,
    I32,
    I64,
    U8,
    U64,
    Array,
    Buffer,
    Int,
    Record,
    Stack,
    Str,
    Tuple,
    Type,
    align_of,
    size_of,
)
from tests.output.common import COLOUR, text_values

Arg = tuple[Type, bytes]


def integer(value: int) -> Arg:
    """A literal: of the smallest signed type that fits, or unsigned beyond."""
    if value >= 1 << 63:
        return U64, value.to_bytes(8, "little")
    size = next(s for s in (1, 2, 4, 8) if -(1 << 8 * s - 1) <= value < 1 << 8 * s - 1)
    return Int(size, True), value.to_bytes(size, "little", signed=True)


def wide(value: int) -> Arg:
    return I64, value.to_bytes(8, "little", signed=True)


def string(text: bytes) -> Arg:
    return Str(len(text) + 1), text + b"\0"


def buffer(data: bytes) -> Arg:
    return Buffer(len(data)), len(data).to_bytes(4, "little") + data


PAIR: Arg = (Tuple((I8, I8)), b"\1\2")
TRUE: Arg = (BOOL, b"\1")
BIG = wide(0x12345678ABCDEF)


def printf(format_: bytes, *args: Arg) -> bytes:
    fields, record = [], bytearray(4)
    for type_, data in args:
        record += bytes(-len(record) % align_of(type_))
        fields.append((len(record), type_))
        record += data.ljust(size_of(type_), b"\0")
    return compile_format(parse(format_), fields, text_values())(bytes(record))


@pytest.mark.parametrize(
    ("format_", "args", "text"),
    [
        (b"100%% %k %5%", [], b"100% %k %"),
        (b"%5d|%-5s|%x|%s", [integer(42), string(b"ab"), wide(255), PAIR], b"   42|ab   |ff|(1, 2)"),
        (b"%hhd %hd %d %ld %lld", [BIG] * 5, b"-17 -12817 2024525295 5124095577148911 5124095577148911"),
        (b"%hhx %hx %x %lx %jx", [BIG] * 5, b"ef cdef 78abcdef 12345678abcdef 12345678abcdef"),
        (b"%x %lx %d %u %o", [integer(-1)] * 5, b"ffffffff ffffffffffffffff -1 4294967295 37777777777"),
        (b"%u %lu", [integer(-1)] * 2, b"4294967295 18446744073709551615"),
        (b"%hhd %d", [(U8, b"\xc8")] * 2, b"-56 200"),
        (b"%ld", [integer((1 << 64) - 1)], b"-1"),
        (b"%d %d %x %s", [TRUE, (BOOL, b"\0"), TRUE, TRUE], b"1 0 1 true"),
        (b"%d %s", [(COLOUR, struct.pack("<Q", 7))] * 2, b"7 GREEN"),
        (b"%05d|%-05d|%+05d|%+d|% d", [integer(-42), integer(42), integer(42), integer(5), integer(5)],
         b"00-42|42000|00+42|+5|5"),
        (b"%+u %+x", [integer(5)] * 2, b"5 5"),
        (b"%#o %#x %#X %#o %#x|%#5x", [integer(8), wide(255), wide(255), *[integer(0)] * 3],
         b"010 0xff 0XFF 0 0|    0"),
        (b"%#010x|%-#08x|%#08X", [wide(255)] * 3, b"0000000xff|0xff0000|00000XFF"),
        (b"%.2s|%.3d", [string(b"abcdef"), integer(5)], b"abcdef|5"),
        (b"%05s|%5s|%-5s|", [string(b"ab")] * 3, b"000ab|   ab|ab   |"),
        (b"%5s", [(Str(3), b"abc")], b"abc.."),
        (b"[%5s]", [TRUE], b"[ true]"),
        (b"[%10s] [%-10s] [%010s]", [PAIR] * 3, b"[         (1, 2)] [(         1, 2)] [000000000(1, 2)]"),
        (b"%5s", [(Record((("a", I8),)), b"\1")], b"   { .a = 1 }"),
        (b"%-5s", [(Record((("a", I8),)), b"\1")], b"{    .a = 1 }"),
        (b"%3s|%1s", [(Array(U8, 2), b"\1\2")] * 2, b"  [1,2]|[1,2]"),
        (b"%c%c|%5c|%-5c|%05c", [integer(65), wide(256 + 66), *[integer(65)] * 3], b"AB|    A|A    |0000A"),
        (b"%p %p %p|%8p|%-8p|%08p", [integer(0), wide(4096), integer(-1), *[wide(255)] * 3],
         b"0 0x1000 0xffffffffffffffff|    0xff|0xff    |00000xff"),
        (b"%r %rx %rh", [buffer(b"a\n")] * 3, b"a\\x0a \\x61\\x0a 61 0a"),
        (b"%5r|%-4r|%09rx|%rh", [*[buffer(b"ab")] * 3, buffer(b"")], b"   ab|ab  |0\\x61\\x62|"),
        (b"%gr %gr %20gr", [integer(1), wide(0xCC0), wide(0xCC0)], b"GFP_DMA GFP_KERNEL           GFP_KERNEL"),
        (b"%s", [(Stack("kstack", "bpftrace", 2), struct.pack("<Q2Q", 1, 7, 0))], b"\n        f7+1\n"),
    ],
)  # fmt: skip
def test_format(format_: bytes, args: list[Arg], text: bytes):
    assert printf(format_, *args) == text


def test_a_record_may_hold_fields_in_another_order_than_the_format():
    render = compile_format(parse(b"%d %s %d"), [(16, I32), (8, Str(4)), (4, I32)], text_values())
    assert render(struct.pack("<iixxxx", 0, 1)[:8] + b"ab\0\0" + bytes(4) + struct.pack("<i", 3)) == b"3 ab 1"


def test_a_captured_stack_is_one_piece():
    assert text_values().of(Stack("kstack", "raw", 1))(CapturedStack(0, 0, ())) == b"\n"


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (0, b"0"),
        (1, b"GFP_DMA"),
        (8, b"0x8"),
        (0xCC0, b"GFP_KERNEL"),
        (0x4CC0, b"GFP_KERNEL|__GFP_RETRY_MAYFAIL"),
        (0x100CC0 | 0x8000000, b"GFP_USER|0x8000000"),
    ],
)
def test_gfp_flags(value: int, names: bytes):
    assert gfp_flags(value) == names
