"""`lhist(n, min, max, step)`: a histogram of equal buckets (LIBRARY 8.4).

Bucket 0 holds what is below `min`, the last one what is at or above min + step * ((max - min) / step).
"""

from __future__ import annotations

from pytrace.aggregations.histogram import Bucket, Histogram, label
from pytrace.hints import TYPE_CHECKING
from pytrace.once import cache
from pytrace.semantics.types import Aggregate

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

MAX_BUCKETS = 1000
"""Not counting the two without bound."""


class Lhist(Histogram):
    name = "lhist"

    def bucket_count(self, type_: Aggregate) -> int:
        lowest, highest, step = _bounds(type_)
        return (highest - lowest) // step + 2

    def bucket(self, type_: Aggregate, index: int) -> Bucket:
        return _bucket(_bounds(type_), index)

    def bucket_of(self, e: Emitter, type_: Aggregate, value: Value) -> Value:
        b = e.b
        lowest, highest, step = _bounds(type_)
        above = b.sub(value, lowest)
        if step & (step - 1) == 0:
            number = b.lshr(above, step.bit_length() - 1) if step > 1 else above
        else:
            number = b.udiv(above, step)
        number = b.add(b.umin(number, (highest - lowest) // step), 1)
        return b.select(b.slt(value, lowest), 0, number)


def _bounds(type_: Aggregate) -> tuple[int, int, int]:
    lowest, highest, step = map(int, type_.params)
    return lowest, highest, step


@cache
def _bucket(bounds: tuple[int, int, int], index: int) -> Bucket:
    lowest, highest, step = bounds
    last = (highest - lowest) // step + 1
    lower = None if index == 0 else lowest + step * (index - 1)
    upper = None if index == last else lowest + step * index
    return Bucket(lower, upper, label(_text(lower, step), _text(upper, step)))


def _text(bound: int | None, step: int) -> str | None:
    if bound is None:
        return None
    if step % 1024 == 0 and bound:
        if bound % (1 << 20) == 0:
            return f"{bound >> 20}M"
        if bound % (1 << 10) == 0:
            return f"{bound >> 10}K"
    return str(bound)
