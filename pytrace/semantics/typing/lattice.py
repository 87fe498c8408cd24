"""How types combine: which agree, what their common type is, which conversions keep every value (LANGUAGE 14.1–14.4).

`join` is the one operation that the solver needs: the type that a variable, a map or a branch gets from two sources. It
has no upper end: None means that the types do not agree. `UNKNOWN` agrees with everything.

The remarks on types (`Int.flexible`, `Int.space`, `Pointer.trusted`) take no part in equality, so that the solver
compares with `exact` where a remark matters.
"""

from __future__ import annotations

from pytrace.frozen import replace
from pytrace.semantics.types import (
    U64,
    Aggregate,
    Array,
    Bool,
    Buffer,
    Enum,
    Int,
    Pointer,
    Record,
    Space,
    Str,
    Struct,
    Tuple,
    Type,
    Unknown,
)

__all__ = [
    "exact", "fits", "integral", "join", "known", "literal_int", "places", "preserves", "remarked", "stored",
    "with_space",
]

_LITERALS = tuple(Int(size, True, flexible=True) for size in (1, 2, 4, 8))
_BIG_LITERAL = Int(8, False, flexible=True)


def literal_int(value: int) -> Int:
    """The type of an integer literal: the smallest signed one that holds it, flexible unless it is negative.

    Literals from 2^63 on are uint64; they carry the remark too, which marks them as literals.
    """
    if value < 0:
        return next(Int(size, True) for size in (1, 2, 4, 8) if value >= -(1 << (size * 8 - 1)))
    for type_ in _LITERALS:
        if value < 1 << (type_.size * 8 - 1):
            return type_
    return _BIG_LITERAL


def fits(value: int, type_: Int) -> bool:
    """Whether an integer type holds a value."""
    bits = type_.size * 8
    return -(1 << (bits - 1)) <= value < 1 << (bits - 1) if type_.signed else 0 <= value < 1 << bits


def preserves(source: Int, to: Int) -> bool:
    """Whether every value of `source` exists in `to`. A flexible source is known not to be negative."""
    if source.signed == to.signed or (source.signed and source.flexible):
        return to.size >= source.size
    return to.signed and to.size > source.size


def known(type_: Type) -> bool:
    """Whether a type is solved, in all its parts."""
    match type_:
        case Unknown():
            return False
        case Tuple(elems=elems):
            return all(map(known, elems))
        case Record(fields=fields):
            return all(known(t) for _, t in fields)
        case Pointer(pointee=inner) | Array(elem=inner):
            return known(inner)
    return True


def exact(a: Type, b: Type) -> bool:
    """Equality that sees the remarks."""
    if a is b:
        return True
    match a, b:
        case Int(), Int():
            return a == b and (a.flexible, a.space, a.clock) == (b.flexible, b.space, b.clock)
        case Tuple(), Tuple():
            return len(a.elems) == len(b.elems) and all(map(exact, a.elems, b.elems))
        case Record(), Record():
            return len(a.fields) == len(b.fields) and all(
                x == y and exact(s, t) for (x, s), (y, t) in zip(a.fields, b.fields, strict=True)
            )
        case Pointer(), Pointer():
            return a.space is b.space and a.trusted == b.trusted and exact(a.pointee, b.pointee)
        case Array(), Array():
            return a.count == b.count and exact(a.elem, b.elem)
    return a == b


def with_space(type_: Type, space: Space) -> Type:
    """The type with the address space that its values point into; only integers and pointers have one."""
    if isinstance(type_, (Int, Pointer)) and type_.space is not space:
        return replace(type_, space=space)
    return type_


def stored(type_: Type) -> Type:
    """The type as a variable or map holds it: the verifier does not follow pointers through memory."""
    match type_:
        case Pointer(trusted=True):
            return replace(type_, trusted=False)
        case Tuple(elems=elems):
            return Tuple(tuple(map(stored, elems)))
        case Record(fields=fields):
            return Record(tuple((name, stored(t)) for name, t in fields))
    return type_


def integral(type_: Type) -> Int | None:
    """The integer that a value counts as in arithmetic: booleans as 0 and 1, enumerators as their numbers."""
    match type_:
        case Int():
            return type_
        case Bool():
            return Int(1, False)
        case Enum():
            return U64
        case Aggregate() if type_.castable:
            return type_.as_int
    return None


def _spaces(a: Space, b: Space) -> Space:
    return b if a is Space.NONE else a


def _ints(a: Int, b: Int) -> Int:
    size = max(a.size, b.size)
    if a.signed == b.signed:
        return remarked(Int(size, a.signed, a.flexible and b.flexible), a, b)
    signed, unsigned = (a, b) if a.signed else (b, a)
    if signed.flexible:
        return remarked(Int(size, False), a, b)
    if signed.size > unsigned.size:
        return remarked(Int(signed.size, True), a, b)
    return remarked(Int(min(2 * size, 8), True), a, b)


def remarked(type_: Int, a: Int, b: Int) -> Int:
    """A type made of two others, with what is known about either: an address plus an offset is an address, a time
    plus a duration is a time of the same clock."""
    space, clock = _spaces(a.space, b.space), a.clock or b.clock
    return type_ if space is Space.NONE and not clock else replace(type_, space=space, clock=clock)


def _pointers(a: Pointer, b: Pointer) -> Type | None:
    pointee = join(a.pointee, b.pointee)
    return None if pointee is None else Pointer(pointee, _spaces(a.space, b.space), a.trusted and b.trusted)


def _tuples(a: Tuple, b: Tuple) -> Type | None:
    if len(a.elems) != len(b.elems):
        return None
    elems = [join(x, y) for x, y in zip(a.elems, b.elems, strict=True)]
    known_elems = tuple(t for t in elems if t is not None)
    return Tuple(known_elems) if len(known_elems) == len(elems) else None


def _records(a: Record, b: Record) -> Type | None:
    others = dict(b.fields)
    if len(a.fields) != len(b.fields) or any(name not in others for name, _ in a.fields):
        return None
    fields = []
    for name, type_ in a.fields:
        joined = join(type_, others[name])
        if joined is None:
            return None
        fields.append((name, joined))
    return Record(tuple(fields))


def join(a: Type, b: Type) -> Type | None:
    """The common type of two sources, `a` being the earlier one (records keep its order); None if they disagree."""
    if a is b or isinstance(b, Unknown):
        return a
    if isinstance(a, Unknown):
        return b
    match a, b:
        case Int(), Int():
            return _ints(a, b)
        case Enum(), Enum():
            return a if a == b else U64
        case (Enum(), Int()) | (Int(), Enum()):
            other = b if isinstance(b, Int) else a
            return _ints(U64, other) if isinstance(other, Int) else None
        case Str(), Str():
            return a if a.size >= b.size else b
        case Buffer(), Buffer():
            return a if a.capacity >= b.capacity else b
        case Pointer(), Pointer():
            return _pointers(a, b)
        case Tuple(), Tuple():
            return _tuples(a, b)
        case Record(), Record():
            return _records(a, b)
        case Array(), Array():
            return a if a == b else None
        case Struct(), Struct():
            return a if (a.kind, a.name, a.size) == (b.kind, b.name, b.size) else None
        case Aggregate(), Aggregate():
            if (a.name, a.params) != (b.name, b.params):
                return None
            return a if a.signed >= b.signed else b
        case (Aggregate(), Int()) | (Int(), Aggregate()):
            ints = integral(a), integral(b)
            return None if ints[0] is None or ints[1] is None else _ints(ints[0], ints[1])
    return a if a == b else None


def places(type_: Type) -> Type:
    """What a type is once it has a place of its own (a variable, a member, a key): castable aggregations become
    integers."""
    return type_.as_int if isinstance(type_, Aggregate) and type_.castable else type_
