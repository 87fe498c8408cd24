"""Format strings: how `printf` and its relatives read them (LIBRARY 3).

`parse` splits a format once, when the script is compiled; what travels to user space are its pieces, plain values that
an image can store:

* literal text as `bytes`;
* `("conv", flags, width, length, conversion, index)`: `flags` holds those of `- + space # 0` that were given, `width`
  is 0 where none was, `length` is one of "hh", "h", "" (32 bits) and "l" (64 bits), `conversion` is one of
  `d u o x X c p s r rx rh gr` (`i` becomes `d`), `index` counts the arguments from 0.

The rules differ from C's in what `%` may be followed by: what does not match is literal text, a precision is read and
dropped, and `*` takes no argument.
"""

from __future__ import annotations

from pytrace.hints import Sequence
from pytrace.lazy import pattern_of_bytes
from pytrace.semantics.types import (
    NOTHING,
    UNKNOWN,
    VOID,
    Aggregate,
    Bool,
    Buffer,
    Enum,
    Int,
    Pointer,
    Type,
)

Conversion = tuple[str, str, int, str, str, int]
Piece = bytes | Conversion

MAX_ARGUMENTS = 128
"""Of a formatting function, its format included."""

_SPECIFIER = pattern_of_bytes(
    rb"%(-?\+? ?#?0?)(\d*|\*)(?:\.(?:\d+|\*))?([hlLjzt]*)(gr|r[xh]?|[diuoxXcpseEfFgGaAn%])"
)
_LENGTHS = {"hh": "hh", "h": "h", "l": "l", "ll": "l", "j": "l", "z": "l", "t": "l"}
_REFUSED = frozenset("eEfFgGaAn")
LENGTH_BITS = {"hh": 8, "h": 16, "": 32, "l": 64}
NUMERIC = frozenset(("d", "u", "o", "x", "X", "c", "p", "gr"))
BUFFERS = frozenset(("r", "rx", "rh"))


class FormatError(ValueError):
    """The format string, or an argument for it, is not acceptable; the message is what the user gets."""


def parse(text: bytes) -> tuple[Piece, ...]:
    """The pieces of a format string. Raises `FormatError` for a conversion that is recognised but not supported."""
    pieces: list[Piece] = []
    literal = bytearray()
    at = index = 0
    for match in _SPECIFIER.finditer(text):
        flags, width, length, conversion = (group.decode("latin-1") for group in match.groups())
        literal += text[at : match.start()]
        at = match.end()
        if conversion == "%":
            literal += b"%"
            continue
        if conversion in _REFUSED:
            raise FormatError(f"unsupported format specifier: {conversion}")
        if literal:
            pieces.append(bytes(literal))
            literal.clear()
        if conversion == "i":
            conversion = "d"
        number = int(width) if width and width != "*" else 0
        pieces.append(("conv", flags, number, _LENGTHS.get(length, ""), conversion, index))
        index += 1
    literal += text[at:]
    if literal:
        pieces.append(bytes(literal))
    return tuple(pieces)


def conversions(pieces: Sequence[Piece]) -> list[Conversion]:
    """The pieces that take an argument, in order."""
    return [piece for piece in pieces if not isinstance(piece, bytes)]


def check_count(pieces: Sequence[Piece], given: int) -> None:
    """Raises `FormatError` unless there are as many arguments as conversions."""
    expected = len(conversions(pieces))
    if given < expected:
        raise FormatError(f"not enough arguments for format string ({given} supplied, {expected} expected)")
    if given > expected:
        raise FormatError(f"too many arguments for format string ({given} supplied, {expected} expected)")


def check_argument(piece: Conversion, type_: Type) -> None:
    """Raises `FormatError` if the conversion cannot show a value of the type."""
    conversion = piece[4]
    if type_ in (VOID, NOTHING):
        raise FormatError(f"unable to print none type for specifier: {conversion}")
    if type_ == UNKNOWN:
        return
    if conversion in NUMERIC:
        fits = isinstance(type_, Int | Bool | Enum | Pointer)
    elif conversion in BUFFERS:
        fits = isinstance(type_, Buffer)
    else:
        # The values of these maps are whole tables, which only `print` of the map shows.
        fits = not (isinstance(type_, Aggregate) and type_.name in ("hist", "lhist", "tseries"))
    if not fits:
        raise FormatError(f"unsupported format specifier for type '{type_}': {conversion}")


def format_integer(piece: Conversion, value: int) -> bytes:
    """The text of an integer by a conversion out of `d u o x X c p`, padded. The value may be signed or not: it is
    reduced to the width of the conversion first."""
    _, flags, _, length, conversion, _ = piece
    if conversion == "c":
        text = bytes((value & 0xFF,))
    elif conversion == "p":
        text = b"0x%x" % (value & 0xFFFF_FFFF_FFFF_FFFF) if value else b"0"
    else:
        bits = LENGTH_BITS[length]
        value &= (1 << bits) - 1
        alternate = "#" in flags
        if conversion == "d":
            value -= value >> (bits - 1) << bits
            text = b"%d" % value
            if "+" in flags and value >= 0:
                text = b"+" + text
        elif conversion == "u":
            text = b"%d" % value
        elif conversion == "o":
            text = (b"0" if alternate and value else b"") + b"%o" % value
        elif conversion == "x":
            text = (b"0x" if alternate and value else b"") + b"%x" % value
        else:
            text = (b"0X" if alternate and value else b"") + b"%X" % value
    return pad(piece, text)


def pad(piece: Conversion, text: bytes) -> bytes:
    """Text brought to the conversion's width. Zeros fill like any other character, also before a sign or a prefix and
    also on the right."""
    _, flags, width, _, _, _ = piece
    fill = b"0" if "0" in flags else b" "
    return text.ljust(width, fill) if "-" in flags else text.rjust(width, fill)


def format_literals(pieces: Sequence[Piece], values: Sequence[int | bytes | bool]) -> bytes:
    """The text for literal arguments, as the compiler needs it for its own messages (`fail`)."""
    text = bytearray()
    for piece in pieces:
        if isinstance(piece, bytes):
            text += piece
            continue
        value = values[piece[5]]
        if piece[4] != "s" and not isinstance(value, bytes):
            text += format_integer(piece, int(value))
        elif isinstance(value, bytes):
            text += pad(piece, value)
        else:
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            text += pad(piece, shown.encode())
    return bytes(text)
