"""The types of a tracepoint's fields, from the C of its format file."""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING
from pytrace.semantics.types import (
    BOOL,
    I64,
    VOID,
    Array,
    Bool,
    Enum,
    Int,
    Pointer,
    Space,
    Str,
    Type,
    TypeTable,
    size_of,
)

if TYPE_CHECKING:
    from pytrace.kernel.tracefs import FormatField

__all__ = ["field_type"]

_QUALIFIERS = frozenset(("const", "volatile", "restrict", "__user", "__rcu", "__force"))
_INTEGERS = frozenset((
    "int", "unsigned", "signed", "long", "short", "char", "uint", "size_t", "ssize_t", "pid_t", "uid_t", "gid_t",
    "dev_t", "ino_t", "loff_t", "off_t", "umode_t", "gfp_t", "sector_t",
    *(f"{prefix}{sign}{bits}" for prefix in ("", "__") for sign in "us" for bits in (8, 16, 32, 64)),
    *(f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)),
))  # fmt: skip
"""Words of integer types: their size and signedness stand in the format, so that kernel types need not be searched."""


def _base(words: list[str], types: TypeTable) -> Type | None:
    """The type that words without stars name; None if unknown."""
    if words[:1] == ["struct"] or words[:1] == ["union"]:
        return types.struct(words[0], " ".join(words[1:]))
    if words[:1] == ["enum"]:
        return types.enum(" ".join(words[1:]))
    if words == ["void"]:
        return VOID
    if words in (["bool"], ["_Bool"]):
        return BOOL
    return types.named(" ".join(words))


def _pointer(text: str, types: TypeTable, space: Space) -> Pointer:
    words = [word for word in text.replace("*", " * ").split() if word not in _QUALIFIERS]
    stars = words.count("*")
    # Function pointers and what is unknown can be passed on, not followed.
    pointee = None if "(" in text else _base([word for word in words if word != "*"], types)
    result = Pointer(pointee or VOID, space)
    for _ in range(stars - 1):
        result = Pointer(result, space)
    return result


def field_type(field: FormatField, types: TypeTable, space: Space) -> Type:
    """The type of a field (PROBES 2.5)."""
    if field.data_loc or field.rel_loc:
        return I64
    if "*" in field.type:
        return _pointer(field.type, types, space)
    words = [word for word in field.type.split() if word not in _QUALIFIERS]
    if field.count is not None:
        if words == ["char"]:
            return Str(field.size)
        size = field.size // field.count if field.count else 1
        return Array(_scalar(words, size, field.signed, types, space), field.count)
    return _scalar(words, field.size, field.signed, types, space)


def _scalar(words: list[str], size: int, signed: bool, types: TypeTable, space: Space) -> Type:
    fits = size in (1, 2, 4, 8)
    known = None if fits and _INTEGERS.issuperset(words) else _base(words, types)
    if isinstance(known, Pointer):
        return Pointer(known.pointee, space)
    if isinstance(known, Enum | Bool) and fits:
        return known
    if known is not None and not isinstance(known, Int) and size_of(known) == size:
        return known
    # An integer, or something the kernel does not describe, such as a structure of a header that is not compiled in.
    return Int(size, signed) if fits else Array(Int(1, False), size)
