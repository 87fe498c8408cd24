"""Format strings at work (LIBRARY 3).

A format is compiled once for the types of its arguments: to one `struct` that reads all of them, an optional
conversion for each, and a template for Python's bytes formatting. Integers are cut to the width of their conversion
for free, by reading only their low bytes.

The rules are bpftrace's, not C's: the fill character is put in front of sign and prefix, `-` and `0` together fill
with zeros on the right, a precision does nothing, a width applies to the first piece of a tuple or record only, and
the plus sign of `%+s` to every signed integer in it.
"""

from __future__ import annotations

from pytrace.frozen import frozen, replace
from pytrace.hints import Any, Callable, Sequence, cast
from pytrace.output.gfp import gfp_flags
from pytrace.output.text import TextValues, escape_bytes
from pytrace.output.values import Buffered, Slot, slot_of, slots_decoder
from pytrace.semantics.types import Array, Bool, Int, Record, Str, Struct, Tuple, Type, size_of

__all__ = ["Conversion", "Render", "compile_format", "show_text"]

Render = Callable[[Buffered], bytes]
"""Gives the text for a record."""

_WIDTHS = {"hh": 1, "h": 2, "": 4, "l": 8}
"""Bytes that a length means."""
_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}
_SIGNED = {1: "b", 2: "h", 4: "i", 8: "q"}
_ALL_BITS = (1 << 64) - 1


@frozen
class Conversion:
    """A conversion of a format, as `builtins.formats` parsed it, and the number of the argument that it shows."""

    mark: str
    flags: str
    width: int
    length: str
    conversion: str
    argument: int


def _padded(show: Callable[[Any], bytes], width: int, flags: str) -> Callable[[Any], bytes]:
    fill = b"0" if "0" in flags else b" "
    if "-" in flags:
        return lambda value: show(value).ljust(width, fill)
    return lambda value: show(value).rjust(width, fill)


def _padded_first(show: Callable[[Any], bytes], first: int, width: int, flags: str) -> Callable[[Any], bytes]:
    """Pads the opening piece, `first` bytes long, of a value made of several."""
    padding = (b"0" if "0" in flags else b" ") * (width - first)
    if "-" not in flags:
        return lambda value: padding + show(value)

    def left(value: Any) -> bytes:
        text = show(value)
        return text[:first] + padding + text[first:]

    return left


def _integer(conv: Conversion, offset: int, type_: Type) -> tuple[Slot, bytes]:
    """The slot and template of `d u o x X`."""
    kind = "d" if conv.conversion in "du" else conv.conversion
    signed = conv.conversion == "d"
    width, size = _WIDTHS[conv.length], size_of(type_)
    narrow = size < width
    source_signed = isinstance(type_, Int) and type_.signed if narrow else signed
    slot = Slot(offset, (_SIGNED if source_signed else _UNSIGNED)[min(size, width)], min(size, width))
    mask = (1 << 8 * width) - 1 if narrow and source_signed and not signed else 0
    plus = "+" if signed and "+" in conv.flags else ""
    prefix = {"o": b"0", "x": b"0x", "X": b"0X"}.get(kind, b"") if "#" in conv.flags else b""
    if "0" not in conv.flags and not prefix:
        width_text = f"{'-' if '-' in conv.flags else ''}{conv.width or ''}"
        if mask:
            slot = replace(slot, convert=lambda value: value & mask)
        return slot, f"%{plus}{width_text}{kind}".encode()

    template = f"%{plus}{kind}".encode()

    def show(value: int) -> bytes:
        if mask:
            value &= mask
        return prefix + template % value if value else template % value

    return replace(slot, convert=_padded(show, conv.width, conv.flags)), b"%s"


def _character(conv: Conversion, offset: int) -> tuple[Slot, bytes]:
    show: Callable[[int], bytes] = b"%c".__mod__
    return Slot(offset, "B", 1, _padded(show, conv.width, conv.flags)), b"%s"


def _pointer(value: int) -> bytes:
    return b"0x%x" % (value & _ALL_BITS) if value else b"0"


def _each_byte(value: bytes) -> bytes:
    return b"".join([b"\\x%02x" % n for n in value])


def _hex_bytes(value: bytes) -> bytes:
    return value.hex(" ").encode()


_SHOWN: dict[str, Callable[[Any], bytes]] = {
    "p": _pointer, "r": escape_bytes, "rx": _each_byte, "rh": _hex_bytes, "gr": gfp_flags,
}


def _converted(slot: Slot, show: Callable[[Any], bytes]) -> Slot:
    convert = slot.convert
    return replace(slot, convert=show if convert is None else lambda raw: show(convert(raw)))


def _string(trailer: bytes) -> Callable[[bytes], bytes]:
    """The text of a string from its bytes, in one step: this is what most records hold."""

    def show(raw: bytes) -> bytes:
        text, nul, _ = raw.partition(b"\0")
        return text if nul else raw + trailer

    return show


def _value(conv: Conversion, offset: int, type_: Type, text: TextValues) -> tuple[Slot, bytes]:
    """`%s`, and the conversions that have a text of their own."""
    if "+" in conv.flags:
        text = TextValues(text.meaning, plus=True)
    show = _SHOWN.get(conv.conversion) or text.of(type_)
    slot = slot_of(offset, type_, text.meaning.structs)
    if conv.conversion == "s":
        if isinstance(type_, Str) and "0" not in conv.flags:
            width = f"{'-' if '-' in conv.flags else ''}{conv.width or ''}"
            return replace(slot, convert=_string(text.meaning.trailer)), f"%{width}s".encode()
        first = {Tuple: 1, Array: 1, Record: 2, Struct: 2}.get(type(type_), 0)
        if first:
            if conv.width > first:
                show = _padded_first(show, first, conv.width, conv.flags)
            return _converted(slot, show), b"%s"
    if conv.width:
        show = _padded(show, conv.width, conv.flags)
    return _converted(slot, show), b"%s"


def _convert(conv: Conversion, offset: int, type_: Type, text: TextValues) -> tuple[Slot, bytes]:
    if conv.conversion == "c":
        return _character(conv, offset)
    if conv.conversion in ("d", "u", "o", "x", "X"):
        return _integer(conv, offset, type_)
    if conv.conversion == "p" and isinstance(type_, Bool):
        type_ = Int(1, False)
    return _value(conv, offset, type_, text)


def show_text(piece: object, text: Render) -> Render:
    """The renderer of a `%s` whose text comes from elsewhere, padded as a record is."""
    conv = Conversion(*cast(tuple[str, str, int, str, str, int], piece))
    return _padded_first(text, 2, conv.width, conv.flags) if conv.width > 2 else text


def compile_format(
    pieces: Sequence[object], fields: Sequence[tuple[int, Type]], text: TextValues
) -> Render:
    """The renderer of a format: `pieces` are literal bytes and conversions as plain tuples, `fields` the offsets and
    types of its arguments in a record."""
    slots, template = [], []
    for piece in pieces:
        if isinstance(piece, bytes):
            template.append(piece.replace(b"%", b"%%"))
            continue
        conv = Conversion(*cast(tuple[str, str, int, str, str, int], piece))
        slot, part = _convert(conv, *fields[conv.argument], text)
        slots.append(slot)
        template.append(part)
    whole = b"".join(template)
    if not slots:
        constant = b"".join([piece for piece in pieces if isinstance(piece, bytes)])
        return lambda record: constant
    read, fill = slots_decoder(slots), whole.__mod__
    return lambda record: fill(read(record, 0))
