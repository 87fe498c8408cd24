"""A format string and the types of its arguments to code: what `output/printf.py` does, for the types that need no look
at this machine.

A value that is not among them makes the whole action one for Python (`fits`).
"""

from __future__ import annotations

from collections.abc import Sequence

from pytrace.codegen.builder import Builder
from pytrace.codegen.emitter import Value
from pytrace.codegen.native.library import LOWER, TABLES, UPPER
from pytrace.frozen import frozen
from pytrace.hints import cast
from pytrace.semantics.types import (
    Array,
    Bool,
    Enum,
    Int,
    Pointer,
    Record,
    Str,
    Tuple,
    Type,
    members_of,
    offsets_of,
    size_of,
)

__all__ = ["Format", "Literals", "fits", "has_text", "most_bytes"]

_WIDTHS = {"hh": 1, "h": 2, "": 4, "l": 8}
"""Bytes that a length means."""
_LONGEST = 24
"""Bytes of the longest number: 22 octal digits and a prefix."""
_UNROLLED = 16
"""Arrays of more elements are Python's."""
_NARROW = 1 << 16
"""A format that pads to more than this is Python's."""

Piece = bytes | tuple[str, str, int, str, str, int]
Fields = Sequence[tuple[int, Type]]


class Literals:
    """Gives the address of constant bytes, which stand behind the tables."""

    def __init__(self, b: Builder, tables: Value) -> None:
        self.b, self.tables = b, tables
        self.data = bytearray(TABLES)
        self._places: dict[bytes, int] = {}

    def __call__(self, text: bytes) -> Value:
        if text not in self._places:
            self._places[text] = len(self.data)
            self.data += text
        return self.b.gep(self.tables, self._places[text])


def has_text(type_: Type) -> bool:
    """Whether the default text of a value can be made here: of numbers, strings, and what is put together from them."""
    match type_:
        case Tuple() | Record():
            return all(map(has_text, members_of(type_)))
        case Array(elem=elem, count=count):
            return count <= _UNROLLED and has_text(elem)
    return isinstance(type_, Int | Bool | Pointer | Str)


def _longest_text(type_: Type, trailer: int) -> int:
    """How long that text can get, with what separates it from the next."""
    match type_:
        case Str(size=size):
            return size + trailer + 2
        case Record(fields=members):
            return 4 + sum(len(name) + 4 + _longest_text(member, trailer) for name, member in members)
        case Tuple(elems=elems):
            return 2 + sum(_longest_text(member, trailer) for member in elems)
        case Array(elem=elem, count=count):
            return 2 + count * _longest_text(elem, trailer)
    return _LONGEST


def _scalar(type_: Type) -> bool:
    return isinstance(type_, Int | Bool | Pointer | Enum)


def _conversion_fits(piece: tuple[str, str, int, str, str, int], type_: Type) -> bool:
    _, _, width, _, conversion, _ = piece
    if width > _NARROW:
        return False
    if conversion == "s":
        # Padding goes to the first piece of a value made of several: Python knows how.
        return has_text(type_) and (not width or not isinstance(type_, Tuple | Record | Array))
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
        total += max(_longest_text(fields[piece[5]][1], trailer), piece[2])
    return total


@frozen
class _Padding:
    width: int
    how: int
    """As the library takes it: the fill character, shifted by 8, and 1 if it goes behind."""


def _padding(flags: str, width: int) -> _Padding:
    return _Padding(width, ord("0" if "0" in flags else " ") << 8 | ("-" in flags))


class Format:
    """Writes formats. `tables` is the address of the library's tables, `trailer` marks a string that was cut."""

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

    def number(self, value: Value, signed: bool, to: Value) -> Value:
        """A number of 64 bits."""
        return self._decimal(value, signed, False, _padding("", 0), to)

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
        return self._default(type_, padding, "+" in flags, at, to)

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

    def _default(self, type_: Type, padding: _Padding, plus: bool, at: Value, to: Value) -> Value:
        """`%s`: the text of a value by its type. With `plus`, signed numbers have a sign in any case."""
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
            case Tuple(elems=elems):
                return self._several(b"(", b", ", b")", offsets_of(type_), elems, None, plus, at, to)
            case Record(fields=members):
                names = [b"." + name.encode("latin-1") + b" = " for name, _ in members]
                return self._several(b"{ ", b", ", b" }", offsets_of(type_), members_of(type_), names, plus, at, to)
            case Array(elem=elem, count=count):
                offsets = [size_of(elem) * index for index in range(count)]
                return self._several(b"[", b",", b"]", offsets, [elem] * count, None, plus, at, to)
        assert isinstance(type_, Int)
        return self._decimal(self._whole(type_, at), type_.signed, plus and type_.signed, padding, to)

    def _several(
        self, before: bytes, between: bytes, after: bytes, offsets: Sequence[int], types: Sequence[Type],
        names: Sequence[bytes] | None, plus: bool, at: Value, to: Value,
    ) -> Value:  # fmt: skip
        """The default texts of members, with what stands around them. Without members a record is `{}`."""
        if names is not None and not names:
            return self.literal(b"{}", to)
        for index, (offset, type_) in enumerate(zip(offsets, types, strict=True)):
            name = names[index] if names is not None else b""
            to = self.literal((between if index else before) + name, to)
            to = self._default(type_, _padding("", 0), plus, self.b.gep(at, offset), to)
        return self.literal(after if types else before + after, to)

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
