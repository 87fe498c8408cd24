"""`min(n)` and `max(n)`: the smallest and the greatest value seen.

Two words per CPU: the value in a form in which greater means "more extreme" and 0 is the least of all, so that zeroed
memory needs no special case, and whether there is one. In that form a signed value has its sign bit inverted (which
orders it like an unsigned one), and the values of `min` have all bits inverted.
"""

from __future__ import annotations

from pytrace.aggregations.aggregation import MASK, Aggregation, Copies, quotient, words, wrap
from pytrace.aggregations.cells import raise_to
from pytrace.hints import TYPE_CHECKING, Sequence
from pytrace.semantics.types import Aggregate

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

_SIGN = 1 << 63


def _flips(type_: Aggregate) -> int:
    """The bits that differ between a value and its stored form."""
    return (_SIGN if type_.signed else 0) ^ (MASK if type_.name == "min" else 0)


class Extreme(Aggregation):
    def value_size(self, type_: Aggregate) -> int:
        return 16

    def update(self, e: Emitter, type_: Aggregate, at: Value, args: Sequence[Value]) -> None:
        raise_to(e, at, encode(e, type_, args[0]))
        e.b.store(1, at, 8)

    def reduce(self, e: Emitter, type_: Aggregate, copies: Copies) -> Value:
        def step(seen: Sequence[Value], copy: Value) -> Sequence[Value]:
            return [e.b.umax(seen[0], e.b.load("i64", copy)), e.b.or_(seen[1], e.b.load("i64", copy, 8))]

        most, present = copies.fold([e.const(0), e.const(0)], step)
        flips = _flips(type_)
        value = e.b.xor(most, flips) if flips else most
        return e.b.select(e.b.ne(present, 0), value, 0)

    def fold(self, type_: Aggregate, copies: Sequence[bytes | memoryview]) -> int | None:
        found = [most for most, present in words(copies, 2) if present]
        return decode(type_, max(found)) if found else None

    def merge(self, type_: Aggregate, left: int | None, right: int | None) -> int | None:
        if left is None or right is None:
            return right if left is None else left
        return min(left, right) if type_.name == "min" else max(left, right)

    def sort_key(self, type_: Aggregate, value: int | None) -> int:
        return (value or 0) & MASK

    def shown(self, type_: Aggregate, value: int | None, div: int = 1) -> int:
        return quotient(value or 0, div)


class Min(Extreme):
    name = "min"


class Max(Extreme):
    name = "max"


def encode(e: Emitter, type_: Aggregate, value: Value) -> Value:
    """The stored form of a value: code."""
    flips = _flips(type_)
    return e.b.xor(value, flips) if flips else value


def decode(type_: Aggregate, stored: int) -> int:
    """The value of a stored form."""
    return wrap(stored ^ _flips(type_), type_.signed)
