"""What is stored where (LANGUAGE 14.4): each source of a variable or map takes part in solving its type, and is checked
against it."""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    Aggregate,
    Int,
    Pointer,
    Record,
    Str,
    Tuple,
    Type,
    Unknown,
    Void,
    members_of,
    size_of,
)
from pytrace.semantics.typing.cells import Cell
from pytrace.semantics.typing.constants import literal_of
from pytrace.semantics.typing.lattice import fits, join, stored

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper

__all__ = ["changes", "locked", "source", "suits"]


def source(t: ProbeTyper, cell: Cell, type_: Type, span: Span, kind: str, value: core.Expr | None = None) -> bool:
    """Enter a source of a variable (`kind` "variable") or map ("map"); False if it does not suit, which is reported.

    `value` is the expression that is stored, if there is one: literals have to fit.
    """
    type_ = stored(type_)
    if _inside(cell.type, type_):
        t.error(span, f"Could not resolve the type of this {kind}")
        return False
    agreed = True
    if t.contributes(cell):
        agreed = cell.add(t.number, type_)
    have = t.type_in(cell)
    if isinstance(have, Unknown) or isinstance(type_, Unknown):
        return True
    joined = join(have, type_)
    if isinstance(have, Aggregate) != isinstance(type_, Aggregate):
        joined = None
    if joined is None and cell.fixed is not None and _void_pointers(cell.fixed, type_):
        return True
    widens = joined is not None and changes(cell, joined)
    if widens and not cell.shared:
        locked(t, cell, type_, span)
        return False
    if joined is None or widens or not agreed or not suits(have, type_, value):
        t.error(
            span,
            f"Type mismatch for {cell.name}: trying to assign value of type '{type_}' "
            f"when {kind} already has a type '{have}'",
        )
        return False
    return True


def _inside(type_: Type, of: Type) -> bool:
    """Whether a tuple or record is a member of another, at any depth: `$a = (1, $a)` would never come to an end, and
    `$a = ($a, $a)` double with each round."""
    if not isinstance(type_, Tuple | Record) or not isinstance(of, Tuple | Record):
        return False
    return any(member == type_ or _inside(type_, member) for member in members_of(of))


def _void_pointers(declared: Type, given: Type) -> bool:
    """Whether one of two pointers is `void *`, which a declared variable takes for, and gives to, all others."""
    while isinstance(declared, Pointer) and isinstance(given, Pointer):
        declared, given = declared.pointee, given.pointee
        if isinstance(declared, Void) or isinstance(given, Void):
            return True
    return False


def locked(t: ProbeTyper, cell: Cell, type_: Type, span: Span) -> core.Expr:
    """Report that a type would change after a compile-time condition relied on it."""
    return t.error(
        span,
        f"Type mismatch for {cell.name}: this type has been locked because it was used in another part of the type "
        "graph that was already resolved (e.g. `sizeof`, `typeinfo`, etc.). "
        f"The new type '{type_}' doesn't fit into the locked type '{cell.locked}'",
    )


def changes(cell: Cell, joined: Type) -> bool:
    """Whether a type differs from the one that is locked. In a map that others use too it is the size that counts:
    integers of any sign are as well kept there."""
    lock = cell.locked
    if lock is None or (cell.fixed is not None and not cell.shared):
        return False
    if cell.shared and isinstance(lock, Int) and isinstance(joined, Int):
        return joined.size != lock.size
    return joined != lock


def suits(have: Type, type_: Type, value: core.Expr | None) -> bool:
    """Whether a value of a compatible type may be stored as `have`: texts have to be short enough (for a declared
    type), and literals small enough; other integers are cut, with a warning."""
    match have, type_:
        case Str(), Str():
            return size_of(type_) <= size_of(have)
        case Int(), Int():
            literal = None if value is None else literal_of(value)
            return not isinstance(literal, int) or isinstance(literal, bool) or fits(literal, have)
        case Tuple(), Tuple():
            items = value.items if isinstance(value, core.MakeTuple) else (None,) * len(type_.elems)
            return all(map(suits, have.elems, type_.elems, items))
        case Record(), Record():
            given = value.items if isinstance(value, core.MakeTuple) else (None,) * len(type_.fields)
            members = {name: (member, item) for (name, member), item in zip(type_.fields, given, strict=True)}
            return all(suits(member, *members[name]) for name, member in have.fields)
    return True
