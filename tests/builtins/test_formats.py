"""Format strings (LIBRARY 3): what is a conversion, what fits it, and how integers are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.builtins import formats
from pytrace.semantics.types import (
    BOOL,
    I8,
    KSYM,
    NOTHING,
    U64,
    UNKNOWN,
    VOID,
    Aggregate,
    Buffer,
    Enum,
    Pointer,
    Str,
    Tuple,
    Type,
)  # fmt: skip


def shown(text: bytes, *values: int | bytes | bool) -> bytes:
    return formats.format_literals(formats.parse(text), values)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (b"", ()),
        (b"plain", (b"plain",)),
        (b"100%%", (b"100%",)),
        (b"%5%", (b"%",)),
        (b"%k", (b"%k",)),
        (b"%#-5x", (b"%#-5x",)),
        (b"%", (b"%",)),
        (b"a%db", (b"a", ("conv", "", 0, "", "d", 0), b"b")),
        (b"%i", (("conv", "", 0, "", "d", 0),)),
        (b"%-+ #08llx", (("conv", "-+ #0", 8, "l", "x", 0),)),
        (b"%*.*d%hhu", (("conv", "", 0, "", "d", 0), ("conv", "", 0, "hh", "u", 1))),
        (b"%12.3s", (("conv", "", 12, "", "s", 0),)),
        (b"%r%rx%rh%gr", tuple(("conv", "", 0, "", c, n) for n, c in enumerate(("r", "rx", "rh", "gr")))),
        (b"%hhhd%lhd%Ld", tuple(("conv", "", 0, "", "d", n) for n in range(3))),
        (b"%jd%zd%td", tuple(("conv", "", 0, "l", "d", n) for n in range(3))),
        (b"\xff%c\n", (b"\xff", ("conv", "", 0, "", "c", 0), b"\n")),
    ],
)  # fmt: skip
def test_parse(text: bytes, pieces: tuple[formats.Piece, ...]) -> None:
    """Flags stand in a fixed order; what does not match is text."""
    assert formats.parse(text) == pieces


@given(st.binary())
def test_any_bytes_are_a_format_or_refused(text: bytes) -> None:
    """Nothing but `FormatError` is raised, and without `%` the text stays what it is."""
    try:
        pieces = formats.parse(text)
    except formats.FormatError:
        return
    if b"%" not in text:
        assert b"".join(piece for piece in pieces if isinstance(piece, bytes)) == text
    assert [piece[5] for piece in formats.conversions(pieces)] == list(range(len(formats.conversions(pieces))))


@pytest.mark.parametrize("conversion", "eEfFgGaAn")
def test_recognised_but_refused(conversion: str) -> None:
    with pytest.raises(formats.FormatError, match=f"unsupported format specifier: {conversion}$"):
        formats.parse(f"%5{conversion}".encode())


@pytest.mark.parametrize(
    ("text", "values", "result"),
    [
        (b"%05d", (-42,), b"00-42"), (b"%-05d", (42,), b"42000"), (b"%+05d", (42,), b"00+42"),
        (b"%#010x", (255,), b"0000000xff"), (b"%05s", (b"ab",), b"000ab"), (b"%.2s", (b"abcdef",), b"abcdef"),
        (b"%.3d", (5,), b"5"), (b"%5c", (65,), b"    A"), (b"%-5c|", (65,), b"A    |"), (b"%u", (-1,), b"4294967295"),
        (b"%lu", (-1,), b"18446744073709551615"), (b"%d %d", (True, False), b"1 0"), (b"%s", (True,), b"true"),
        (b"%#x %#o %#X %#o", (0, 8, 255, 0), b"0 010 0XFF 0"), (b"%p %5p", (0, 255), b"0  0xff"),
        (b"%+d %+u %+x", (0, 5, 5), b"+0 5 5"), (b"% d", (5,), b"5"),
        (b"%hhd %hhu %hd", (200, -1, 70000), b"-56 255 4464"),
        (b"%lx %x", (-1, -1), b"ffffffffffffffff ffffffff"), (b"%c", (300,), b","),
        (
            b"%hhd %hd %d %ld %hhx %hx %x %lx", (0x12345678ABCDEF,) * 8,
            b"-17 -12817 2024525295 5124095577148911 ef cdef 78abcdef 12345678abcdef",
        ),
    ],
)  # fmt: skip
def test_text_of_literals(text: bytes, values: tuple[int | bytes | bool, ...], result: bytes) -> None:
    """The samples of LIBRARY 3."""
    assert shown(text, *values) == result


@pytest.mark.parametrize(
    ("conversions", "type_", "fits"),
    [
        ("d u o x X c p gr", I8, True), ("d u o x X c p gr", BOOL, True), ("d u o x X c p gr", Enum("E"), True),
        ("d u o x X c p gr", Pointer(VOID), True), ("d u o x X c p gr", Str(3), False),
        ("d x", Aggregate("count", False), False), ("s", Aggregate("count", False), True),
        ("s", Aggregate("stats"), True),
        ("s", Aggregate("hist"), False), ("s", Aggregate("tseries"), False), ("s", Tuple((U64, Str(2))), True),
        ("s", KSYM, True), ("s", Buffer(3), True), ("r rx rh", Buffer(3), True), ("r rx rh", Str(3), False),
        ("d", Buffer(3), False), ("d s r", UNKNOWN, True), ("d s", NOTHING, False), ("d s", VOID, False),
    ],
)  # fmt: skip
def test_types_of_arguments(conversions: str, type_: Type, fits: bool) -> None:
    for conversion in conversions.split():
        piece = ("conv", "", 0, "", conversion, 0)
        if fits:
            formats.check_argument(piece, type_)
        else:
            with pytest.raises(formats.FormatError):
                formats.check_argument(piece, type_)


def test_counts_of_arguments() -> None:
    pieces = formats.parse(b"%d %s")
    formats.check_count(pieces, 2)
    with pytest.raises(formats.FormatError, match=r"not enough arguments for format string \(1 supplied, 2 expected\)"):
        formats.check_count(pieces, 1)
    with pytest.raises(formats.FormatError, match=r"too many arguments for format string \(3 supplied, 2 expected\)"):
        formats.check_count(pieces, 3)
