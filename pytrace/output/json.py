"""Values and events as JSON: one object a line, in one fixed spelling (OUTPUT 6).

The standard library's encoder is used for strings only: it spells neither the spacing nor the numbers this way, and it
wants text where a script has bytes.
"""

from __future__ import annotations

from json.encoder import encode_basestring

from pytrace.hints import Any, Callable
from pytrace.output.text import TextValues
from pytrace.semantics.types import (
    Aggregate,
    Array,
    Bool,
    Buffer,
    Context,
    Enum,
    Int,
    Pointer,
    Record,
    Struct,
    Tuple,
    Type,
    members_of,
)

__all__ = ["JsonValues", "event", "number", "quote"]

Show = Callable[[Any], bytes]

_EXACT = 1 << 53

_ESCAPES: dict[int, str] = {n: f"\\u{n:04x}" for n in range(32)}
_ESCAPES |= {ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}
# A byte that is not part of valid UTF-8 arrives as U+DC80 … U+DCFF (PEP 383).
_ESCAPES |= {0xDC00 + n: f"\\u{n:04x}" for n in range(128, 256)}


def quote(text: bytes) -> bytes:
    """A JSON string. UTF-8 stays as it is; any other byte from 0x80 becomes the code point of its number."""
    if b"\b" not in text and b"\f" not in text:  # which the standard library spells in its own way
        try:
            return encode_basestring(text.decode()).encode()
        except UnicodeDecodeError:
            pass
    return b'"' + text.decode("utf-8", "surrogateescape").translate(_ESCAPES).encode() + b'"'


def number(value: int) -> bytes:
    """A number, or a string of its digits where a reader that uses doubles would get another number."""
    if -_EXACT <= value <= _EXACT or int(float(value)) == value:
        return b"%d" % value
    return b'"%d"' % value


def event(kind: bytes, data: bytes) -> bytes:
    """The line for `data`, which is JSON already."""
    return b'{"type": "' + kind + b'", "data": ' + data + b"}\n"


def _bool(value: bool) -> bytes:
    return b"true" if value else b"false"


def _buffer(value: bytes) -> bytes:
    return b"[" + b",".join([b"%d" % (n - 256 if n > 127 else n) for n in value]) + b"]"


class JsonValues:
    """Makes the functions that turn values into JSON: one for each type, made once."""

    def __init__(self, text: TextValues) -> None:
        self.text = text
        self._made: dict[Type, Show] = {}

    def of(self, type_: Type) -> Show:
        show = self._made.get(type_)
        if show is None:
            show = self._made[type_] = self._make(type_)
        return show

    def key(self, type_: Type) -> Show:
        """The member name that stands for a map's key."""
        show = self.text.key(type_)
        return lambda value: quote(show(value).replace(b" ", b""))

    def _make(self, type_: Type) -> Show:
        match type_:
            case Int() | Enum() | Pointer() | Context() | Aggregate():
                return number
            case Bool():
                return _bool
            case Buffer():
                return _buffer
            case Array(elem=elem):
                element = self.of(elem)
                return lambda value: b"[" + b",".join(map(element, value)) + b"]"
            case Tuple():
                members = [self.of(member) for member in members_of(type_)]
                return lambda value: (
                    b"[" + b",".join([member(item) for member, item in zip(members, value, strict=True)]) + b"]"
                )
            case Record() | Struct():
                fields = [
                    (quote(name.encode("latin-1")) + b": ", self.of(member))
                    for name, member in self.text.field_names(type_)
                ]
                return lambda value: (
                    b"{" + b", ".join([h + show(item) for (h, show), item in zip(fields, value, strict=True)]) + b"}"
                )
        show = self.text.of(type_)
        return lambda value: quote(show(value))
