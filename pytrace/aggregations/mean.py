"""`avg(n)` and `stats(n)`: total and number of the values, and what follows from them.

Two words per CPU: total (modulo 2^64) and count. The average is total / count, toward zero.
"""

from __future__ import annotations

from pytrace.aggregations.aggregation import Aggregation, Copies, quotient, words, wrap
from pytrace.aggregations.cells import add
from pytrace.hints import TYPE_CHECKING, Sequence
from pytrace.semantics.types import Aggregate

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

Moments = tuple[int, int]
"""Total and count."""


class Mean(Aggregation):
    def value_size(self, type_: Aggregate) -> int:
        return 16

    def update(self, e: Emitter, type_: Aggregate, at: Value, args: Sequence[Value]) -> None:
        add(e, at, args[0])
        add(e, at, 1, 8)

    def fold(self, type_: Aggregate, copies: Sequence[bytes | memoryview]) -> Moments:
        total = count = 0
        for part, number in words(copies, 2):
            total += part
            count += number
        return wrap(total, type_.signed), wrap(count, False)

    def merge(self, type_: Aggregate, left: Moments, right: Moments) -> Moments:
        return wrap(left[0] + right[0], type_.signed), wrap(left[1] + right[1], False)

    def sort_key(self, type_: Aggregate, value: Moments) -> int:
        return quotient(*value)


class Avg(Mean):
    name = "avg"

    def reduce(self, e: Emitter, type_: Aggregate, copies: Copies) -> Value:
        def step(sums: Sequence[Value], copy: Value) -> Sequence[Value]:
            return [e.b.add(sums[0], e.b.load("i64", copy)), e.b.add(sums[1], e.b.load("i64", copy, 8))]

        total, count = copies.fold([e.const(0), e.const(0)], step)
        # Where nothing was counted the total is 0, and so is the average.
        count = e.b.umax(count, 1)
        return e.b.sdiv(total, count) if type_.signed else e.b.udiv(total, count)

    def shown(self, type_: Aggregate, value: Moments, div: int = 1) -> int:
        return quotient(quotient(*value), div)


class Stats(Mean):
    name = "stats"

    def shown(self, type_: Aggregate, value: Moments, div: int = 1) -> tuple[int, int, int]:
        """Count, average, total; only the average is divided."""
        total, count = value
        return count, quotient(quotient(total, count), div), total
