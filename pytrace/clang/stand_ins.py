"""Types of the kernel for C that uses them without defining them (LANGUAGE 21).

Only what the compiler missed is declared, and only as room of the right size: what is inside is known from BTF. So
nothing of it can clash with what headers define.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from pytrace.clang.parsed import Complaint, Place
from pytrace.semantics.types import Bool, Enum, Int, Pointer, Type, TypeTable, align_of, size_of

__all__ = ["StandIns"]

_UNKNOWN = re.compile(r"^(?:unknown type name|use of undeclared identifier) '(\w+)'")
_INCOMPLETE = re.compile(r"incomplete.*'[^']*\b(struct|union|enum) (\w+)[^']*'")
_UNSAID = re.compile(r"specifier|without types|^expected")
_LONG_LONG = re.compile(r"_*[su]64|__[bl]e64")
"""The kernel's own 64-bit types are all `long long` (include/uapi/asm-generic/int-ll64.h)."""


class StandIns:
    """The declarations so far, as the `text` of a header."""

    def __init__(self, types: TypeTable) -> None:
        self._types = types
        self._known: dict[str, str] = {}

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self._known.values())

    def add(self, complaints: Iterable[Complaint], word: Callable[[Place], str]) -> bool:
        """Declare what the complaints are about and the kernel knows; tells whether there was anything new. `word` is
        what stands at a place, for complaints that do not say it."""
        before = len(self._known)
        for complaint in complaints:
            if found := _UNKNOWN.search(complaint.message):
                self._name(found[1])
            elif found := _INCOMPLETE.search(complaint.message):
                self._tagged(found[1], found[2])
            elif _UNSAID.search(complaint.message):
                self._name(word(complaint.place))
        return len(self._known) > before

    def _name(self, name: str) -> None:
        if not name or name in self._known:
            return
        if (type_ := self._types.named(name)) is not None:
            self._known[name] = f"typedef {_room(name, type_)};"
        elif (constant := self._types.enumerator(name)) is not None:
            value = constant[1]
            self._known[name] = f"enum {{ {name} = {value if value < 2**63 else value - 2**64} }};"

    def _tagged(self, kind: str, name: str) -> None:
        key = f"{kind} {name}"
        if key in self._known:
            return
        if kind == "enum":
            if self._types.enum(name) is not None:
                self._known[key] = f"enum {name} {{ __pytrace_{name} }};"
        elif (struct := self._types.struct(kind, name)) is not None and struct.size:
            self._known[key] = f"{kind} {name} {_bytes(struct)};"


def _room(name: str, type_: Type) -> str:
    """A declaration of a name whose type takes the same room."""
    match type_:
        case Bool():
            return f"_Bool {name}"
        case Int(size=size, signed=signed):
            longest = "long long" if _LONG_LONG.fullmatch(name) else "long"
            word = {1: "char", 2: "short", 4: "int", 8: longest}[size]
            return f"{'signed' if signed else 'unsigned'} {word} {name}"
        case Enum():
            return f"unsigned int {name}"
        case Pointer():
            return f"void *{name}"
    return f"struct {_bytes(type_)} {name}"


def _bytes(type_: Type) -> str:
    return f"{{ char __room[{size_of(type_)}]; }} __attribute__((aligned({max(align_of(type_), 1)})))"
