"""A format string and the types of its arguments to code: what `output/printf.py` does, for the types that need no look
at this machine.

A value that is not among them makes the whole action one for Python (`fits`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytrace.codegen.builder import Builder
from pytrace.codegen.emitter import Value
from pytrace.codegen.native.library import LOWER, UPPER
from pytrace.frozen import frozen
from pytrace.hints import cast
from pytrace.semantics.types import Bool, Enum, Int, Pointer, Str, Type, size_of

__all__ = ["Format", "Literals", "fits", "most_bytes"]

_WIDTHS = {"hh": 1, "h": 2, "": 4, "l": 8}
"""Bytes that a length means."""
_LONGEST = 24
"""Bytes of the longest number: 22 octal digits and a prefix."""
_NARROW = 1 << 16
"""A format that pads to more than this is Python's."""

Piece = bytes | tuple[str, str, int, str, str, int]
Fields = Sequence[tuple[int, Type]]
Literals = Callable[[bytes], Value]
"""Gives the address of constant bytes."""


def _scalar(type_: Type) -> bool:
    return isinstance(type_, Int | Bool | Pointer | Enum)


def _conversion_fits(piece: tuple[str, str, int, str, str, int], type_: Type) -> bool:
    _, _, width, _, conversion, _ = piece
    if width > _NARROW:
        return False
    if conversion == "s":
        return isinstance(type_, Int | Bool | Pointer | Str)
    return conversion in ("d", "u", "o", "x", "X", "c", "p") and _scalar(type_)


def fits(pieces: Sequence[Piece], fields: Fields) -> bool:
    """Whether all of a format can be compiled."""
    return all(isinstance(piece, bytes) or _conversion_fits(piece, fields[piece[5]][1]) for piece in pieces)


def most_bytes(pieces: Sequence[Piece], fields: Fields, trailer: int) -> int:
    """How long the text can get at most."""
    total = 0
    for piece in pieces:
        if isinstance(piece, bytes):
            total += len(piece)
            continue
        type_ = fields[piece[5]][1]
        longest = size_of(type_) + trailer if isinstance(type_, Str) else _LONGEST
        total += max(longest, piece[2])
    return total


@frozen
class _Padding:
    width: int
    how: int
    """As the library takes it: the fill character, shifted by 8, and 1 if it goes behind."""


def _padding(flags: str, width: int) -> _Padding:
    return _Padding(width, ord("0" if "0" in flags else " ") << 8 | ("-" in flags))


class Format:
    """Writes one format. `tables` is the address of the library's tables, `trailer` marks a string that was cut."""

    def __init__(self, b: Builder, tables: Value, literals: Literals, trailer: bytes) -> None:
        self.b = b
        self.tables = tables
        self.literals = literals
        self.trailer = trailer

    def write(self, pieces: Sequence[Piece], fields: Fields, record: Value, to: Value) -> Value:
        """Appends the code that writes the text of `record` at `to`; gives where it ends."""
        for piece in pieces:
            if isinstance(piece, bytes):
                to = self.literal(piece, to)
            else:
                offset, type_ = fields[piece[5]]
                to = self._conversion(piece, type_, self.b.gep(record, offset), to)
        return to

    def literal(self, text: bytes, to: Value) -> Value:
        """A few bytes are stored as numbers, more are copied."""
        b = self.b
        if len(text) > 32:
            return self._call("copy", to, self.literals(text), b.const(len(text)))
        for start in range(0, len(text), 8):
            part = text[start : start + 8]
            b.store(b.const(int.from_bytes(part, "little")), b.gep(to, start))
        return self._moved(to, len(text))

    def _moved(self, pointer: Value, by: Value | int) -> Value:
        moved = self.b.gep(pointer, by)
        return Value(moved.text, "ptr", 1)

    def _call(self, name: str, *args: Value) -> Value:
        return self.b.call(f"@{name}", args, "ptr")

    def _conversion(self, piece: tuple[str, str, int, str, str, int], type_: Type, at: Value, to: Value) -> Value:
        _, flags, width, length, conversion, _ = piece
        padding = _padding(flags, width)
        match conversion:
            case "d" | "u" | "o" | "x" | "X":
                return self._integer(flags, length, conversion, type_, padding, at, to)
            case "c":
                return self._character(padding, at, to)
            case "p":
                value = self._whole(Int(1, False) if isinstance(type_, Bool) else type_, at)
                return self._pointer(value, self.b.select(self.b.eq(value, 0), 0, self.b.const(2)), padding, to)
        return self._default(type_, padding, at, to)

    def _whole(self, type_: Type, at: Value) -> Value:
        """A scalar in 64 bits."""
        size = size_of(type_)
        signed = isinstance(type_, Int) and type_.signed
        return self.b.resize(self.b.load(f"i{8 * size}", Value(at.text, "ptr", 1)), "i64", signed)

    def _integer(
        self, flags: str, length: str, conversion: str, type_: Type, padding: _Padding, at: Value, to: Value
    ) -> Value:
        """Reads no more than the conversion's width, and extends a narrower value by its own sign."""
        b, width, size = self.b, _WIDTHS[length], size_of(type_)
        signed = conversion == "d"
        by_sign = isinstance(type_, Int) and type_.signed if size < width else signed
        loaded = b.load(f"i{8 * min(size, width)}", Value(at.text, "ptr", 1))
        value = b.resize(loaded, "i64", by_sign)
        if by_sign and not signed and width < 8:
            value = b.and_(value, (1 << 8 * width) - 1)
        if conversion in ("d", "u"):
            return self._decimal(value, by_sign and signed, signed and "+" in flags, padding, to)
        prefix = {"o": b"0", "x": b"0x", "X": b"0X"}[conversion] if "#" in flags else b""
        shown = b.select(b.eq(value, 0), 0, b.const(len(prefix))) if prefix else b.const(0)
        return self._call(
            "radix", to, value, b.const(3 if conversion == "o" else 4),
            b.gep(self.tables, UPPER if conversion == "X" else LOWER), b.const(int.from_bytes(prefix, "little")), shown,
            b.const(padding.width), b.const(padding.how),
        )  # fmt: skip

    def _decimal(self, value: Value, signed: bool, plus: bool, padding: _Padding, to: Value) -> Value:
        b = self.b
        sign = b.const(ord("+") if plus else 0)
        if signed:
            negative = b.slt(value, 0)
            sign = b.select(negative, b.const(ord("-")), sign)
            value = b.select(negative, b.neg(value), value)
        return self._call("number", to, value, sign, b.const(padding.width), b.const(padding.how), self.tables)

    def _character(self, padding: _Padding, at: Value, to: Value) -> Value:
        b, gap, how = self.b, self.b.const(padding.width - 1), self.b.const(padding.how)
        to = self._call("before", to, gap, how)
        b.store(b.load("i8", Value(at.text, "ptr", 1)), to)
        return self._call("behind", self._moved(to, 1), gap, how)

    def _pointer(self, value: Value, prefix: Value, padding: _Padding, to: Value) -> Value:
        b = self.b
        return self._call(
            "radix", to, value, b.const(4), b.gep(self.tables, LOWER), b.const(int.from_bytes(b"0x", "little")),
            prefix, b.const(padding.width), b.const(padding.how),
        )  # fmt: skip

    def _default(self, type_: Type, padding: _Padding, at: Value, to: Value) -> Value:
        """`%s`: the text of a value by its type."""
        b = self.b
        match type_:
            case Str(size=size):
                return self._text(at, b.const(size), self.trailer, padding, to)
            case Bool():
                true = b.ne(b.load("i8", Value(at.text, "ptr", 1)), 0)
                word = b.result("ptr", f"select i1 {true.text}, ptr {self.literals(b'true').text}, "
                                       f"ptr {self.literals(b'false').text}")  # fmt: skip
                return self._text(word, b.select(true, b.const(4), b.const(5)), b"", padding, to)
            case Pointer():
                return self._pointer(self._whole(type_, at), b.const(2), padding, to)
        assert isinstance(type_, Int)
        return self._decimal(self._whole(type_, at), type_.signed, False, padding, to)

    def _text(self, at: Value, size: Value, trailer: bytes, padding: _Padding, to: Value) -> Value:
        b = self.b
        mark = self.literals(trailer) if trailer else self.tables
        return self._call(
            "text", to, at, size, mark, b.const(len(trailer)), b.const(padding.width), b.const(padding.how)
        )


def pieces_of(static: tuple[object, ...]) -> tuple[Sequence[Piece], bool]:
    """The pieces of a formatting action, and whether they are all there is to it."""
    pieces, refs = cast(tuple[Sequence[Piece], Sequence[object]], static)
    return pieces, not refs
