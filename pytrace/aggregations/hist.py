"""`hist(n, k)`: a histogram whose buckets grow with the value (LIBRARY 8.3).

Each power of two is divided into 2^k buckets. Bucket 0 holds negative values; then 2^(k+1) buckets hold one value
each. With x = n >> k and l = the position of the highest set bit of x | 1, the bucket of n >= 0 is (l << k) + (n >> l)
+ 1: up to there, l is 0 and each value has its own; from there on, n >> l runs from 2^k to 2^(k+1) - 1 in each power.
"""

from __future__ import annotations

from pytrace.aggregations.aggregation import quotient
from pytrace.aggregations.histogram import Bucket, Histogram, label, scaled
from pytrace.hints import TYPE_CHECKING
from pytrace.once import cache
from pytrace.semantics.types import Aggregate

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

MAX_BITS = 5


class Hist(Histogram):
    name = "hist"

    def bucket_count(self, type_: Aggregate) -> int:
        return _count(_bits(type_))

    def bucket(self, type_: Aggregate, index: int) -> Bucket:
        return _bucket(_bits(type_), index)

    def bucket_of(self, e: Emitter, type_: Aggregate, value: Value) -> Value:
        b, bits = e.b, _bits(type_)
        highest = b.sub(63, b.ctlz(b.or_(b.lshr(value, bits) if bits else value, 1)))
        number = b.add(b.add(b.shl(highest, bits) if bits else highest, b.lshr(value, highest)), 1)
        # All ones for a negative value, whose number becomes 0: cheaper than a branch.
        negative = b.ashr(value, 63)
        return b.and_(number, b.not_(negative))

    def shown(self, type_: Aggregate, value: list[int], div: int = 1) -> list[int]:
        return [quotient(count, div) for count in value] if div != 1 else value


def _bits(type_: Aggregate) -> int:
    return int(type_.params[0]) if type_.params else 0


def _count(bits: int) -> int:
    return ((64 - bits) << bits) + 1


@cache
def _bucket(bits: int, index: int) -> Bucket:
    if index == 0:
        return Bucket(None, 0, label(None, "0"))
    lower, upper = _bound(bits, index - 1), _bound(bits, index)
    return Bucket(lower[0], upper[0], label(lower[1], upper[1]))


def _bound(bits: int, index: int) -> tuple[int, str]:
    """The lower bound of a bucket, counted without the negative one, and its text."""
    if index < 2 << bits:
        return index, str(index)
    power = (index >> bits) - 1
    mantissa = (1 << bits) + (index & ((1 << bits) - 1))
    return mantissa << power, scaled(mantissa, power)
