"""`count()`: how many times it was called. One word per CPU."""

from __future__ import annotations

from pytrace.aggregations.aggregation import Aggregation, Copies, quotient, words, wrap
from pytrace.aggregations.cells import add
from pytrace.hints import TYPE_CHECKING, Sequence
from pytrace.semantics.types import Aggregate

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value


class Count(Aggregation):
    name = "count"

    def value_size(self, type_: Aggregate) -> int:
        return 8

    def update(self, e: Emitter, type_: Aggregate, at: Value, args: Sequence[Value]) -> None:
        add(e, at, 1)

    def reduce(self, e: Emitter, type_: Aggregate, copies: Copies) -> Value:
        return copies.fold([e.const(0)], lambda sums, copy: [e.b.add(sums[0], e.b.load("i64", copy))])[0]

    def fold(self, type_: Aggregate, copies: Sequence[bytes | memoryview]) -> int:
        return wrap(sum(word for (word,) in words(copies, 1)), type_.as_int.signed)

    def merge(self, type_: Aggregate, left: int, right: int) -> int:
        return wrap(left + right, type_.as_int.signed)

    def sort_key(self, type_: Aggregate, value: int) -> int:
        return value

    def shown(self, type_: Aggregate, value: int, div: int = 1) -> int:
        return quotient(value, div)
