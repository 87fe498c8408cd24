"""Single values as text (OUTPUT 3). Output is bytes: a string of the script may hold any."""

from __future__ import annotations

from pytrace.hints import Any, Callable
from pytrace.output.meaning import Meaning
from pytrace.semantics.types import (
    Aggregate,
    Array,
    Bool,
    Buffer,
    Context,
    Enum,
    Int,
    Opaque,
    Pointer,
    Record,
    Stack,
    Str,
    Struct,
    Tuple,
    Type,
    members_of,
)

__all__ = ["Show", "TextValues", "escape_bytes"]

Show = Callable[[Any], bytes]

_ESCAPED = [bytes([n]) if 32 <= n <= 126 else b"\\x%02x" % n for n in range(256)]


def escape_bytes(data: bytes) -> bytes:
    """Printable ASCII as it is, other bytes as `\\xNN`."""
    return b"".join([_ESCAPED[n] for n in data])


def _address(value: tuple[int, bytes]) -> bytes:
    family, data = value
    if family not in (2, 10):
        return b""
    from _socket import inet_ntop  # the C module alone: `socket` takes milliseconds to import

    return str(inet_ntop(family, data)).encode()


def _mac(value: bytes) -> bytes:
    return value.hex(":").upper().encode()


def _bool(value: bool) -> bytes:
    return b"true" if value else b"false"


class TextValues:
    """Makes the functions that turn values into text: one for each type, made once. With `plus`, signed integers that
    are not negative have a plus sign, also those inside of other values (`%+s`)."""

    def __init__(self, meaning: Meaning, *, plus: bool = False) -> None:
        self.meaning = meaning
        self.plus = plus
        self._made: dict[Type, Show] = {}

    def of(self, type_: Type) -> Show:
        show = self._made.get(type_)
        if show is None:
            show = self._made[type_] = self._make(type_)
        return show

    def key(self, type_: Type) -> Show:
        """The text of a map's key: as of the value, without the outermost parentheses."""
        show = self.of(type_)
        if isinstance(type_, Int | Bool | Pointer):
            return show

        def bare(value: Any) -> bytes:
            text = show(value)
            return text[1:-1] if text[:1] == b"(" and text[-1:] == b")" else text

        return bare

    def field_names(self, type_: Record | Struct) -> tuple[tuple[str, Type], ...]:
        """The names and types of the members that a value has."""
        if isinstance(type_, Record):
            return type_.fields
        definition = self.meaning.structs.get(type_)
        return tuple((field.name, field.type) for field in definition.fields) if definition is not None else ()

    def _make(self, type_: Type) -> Show:
        match type_:
            case Int() | Aggregate():
                return (b"%+d" if self.plus and type_.signed else b"%d").__mod__
            case Bool():
                return _bool
            case Enum():
                names = self.meaning.names(type_)
                return lambda value: names.get(value) or b"%d" % value
            case Pointer() | Context():
                return b"0x%x".__mod__
            case Str(size=size):
                trailer = self.meaning.trailer
                return lambda value: value if len(value) < size else value + trailer
            case Buffer():
                return escape_bytes
            case Array(elem=elem):
                element = self.of(elem)
                return lambda value: b"[" + b",".join(map(element, value)) + b"]"
            case Tuple():
                return self._tuple(type_)
            case Record() | Struct():
                return self._fields(type_)
            case Stack():
                resolver = self.meaning.resolver
                return lambda value: resolver.stack(type_, value)
            case Opaque(name=name):
                return self._opaque(name)
        raise TypeError(f"type {type_} has no text")

    def _tuple(self, type_: Tuple) -> Show:
        members = [self.of(member) for member in members_of(type_)]

        def show(value: Any) -> bytes:
            return b"(" + b", ".join([member(item) for member, item in zip(members, value, strict=True)]) + b")"

        return show

    def _fields(self, type_: Record | Struct) -> Show:
        fields = self.field_names(type_)
        if not fields:
            return lambda value: b"{}"
        members = [(b"." + name.encode("latin-1") + b" = ", self.of(member)) for name, member in fields]

        def show(value: Any) -> bytes:
            shown = [head + member(item) for (head, member), item in zip(members, value, strict=True)]
            return b"{ " + b", ".join(shown) + b" }"

        return show

    def _opaque(self, name: str) -> Show:
        resolver = self.meaning.resolver
        match name:
            case "inet":
                return _address
            case "mac_address":
                return _mac
            case "timestamp":
                return lambda value: resolver.timestamp(*value)
            case "cgroup_path_t":
                return lambda value: resolver.cgroup_path(*value)
            case "ksym_t":
                return resolver.ksym
            case "usym_t":
                return lambda value: resolver.usym(*value)
        return resolver.username
