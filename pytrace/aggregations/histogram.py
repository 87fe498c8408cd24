"""What `hist` and `lhist` share: a row of counters, one for each bucket."""

from __future__ import annotations

import struct
from abc import abstractmethod

from pytrace.aggregations.aggregation import MASK, Aggregation
from pytrace.aggregations.cells import add
from pytrace.frozen import frozen
from pytrace.hints import TYPE_CHECKING, Sequence
from pytrace.semantics.types import Aggregate

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

__all__ = ["Bucket", "Histogram", "label"]

_SUFFIXES = ("", "K", "M", "G", "T", "P", "E")


@frozen
class Bucket:
    """The values from `lower` to below `upper`; None: without bound. `label` is its text (OUTPUT 4.1)."""

    lower: int | None
    upper: int | None
    label: str


def label(lower: str | None, upper: str | None) -> str:
    """The text of a bucket from the texts of its bounds."""
    if lower is None:
        return f"(..., {upper})"
    if upper is None:
        return f"[{lower}, ...)"
    if lower.isdigit() and upper.isdigit() and int(lower) + 1 == int(upper):
        return f"[{lower}]"
    return f"[{lower}, {upper})"


def scaled(value: int, power: int) -> str:
    """`value` * 2^`power` with the suffix that belongs to the power alone: 3 * 2^10 is "3K", 6 * 2^9 is "3072"."""
    return f"{value << power % 10}{_SUFFIXES[power // 10]}"


class Histogram(Aggregation):
    @abstractmethod
    def bucket_count(self, type_: Aggregate) -> int:
        """How many buckets there are, the ones without bound included."""

    @abstractmethod
    def bucket(self, type_: Aggregate, index: int) -> Bucket:
        """The bounds of a bucket, counted from 0."""

    @abstractmethod
    def bucket_of(self, e: Emitter, type_: Aggregate, value: Value) -> Value:
        """Code that finds the bucket of a value: an i64 below `bucket_count`."""

    def value_size(self, type_: Aggregate) -> int:
        return 8 * self.bucket_count(type_)

    def row_words(self, type_: Aggregate) -> int:
        return 1

    def update(self, e: Emitter, type_: Aggregate, at: Value, args: Sequence[Value]) -> None:
        # LLVM knows that the number is in range and would delete the check by which the verifier learns it.
        index = e.b.barrier(self.bucket_of(e, type_, args[0]))
        e.when(
            e.b.ult(index, self.bucket_count(type_)),
            lambda: add(e, e.b.gep(at, e.b.shl(index, 3)), 1),
        )

    def fold(self, type_: Aggregate, copies: Sequence[bytes | memoryview]) -> list[int]:
        count = self.bucket_count(type_)
        if not copies:
            return [0] * count
        unpack = struct.Struct(f"={count}Q").unpack_from
        return [sum(column) & MASK for column in zip(*map(unpack, copies), strict=True)]

    def merge(self, type_: Aggregate, left: list[int], right: list[int]) -> list[int]:
        return [(a + b) & MASK for a, b in zip(left, right, strict=True)]

    def sort_key(self, type_: Aggregate, value: list[int]) -> int:
        return sum(value)

    def shown(self, type_: Aggregate, value: list[int], div: int = 1) -> list[int]:
        return value

    def rows(self, type_: Aggregate, counts: Sequence[int]) -> list[tuple[Bucket, int]]:
        """The buckets from the first to the last that counted anything, with their counts."""
        used = [index for index, count in enumerate(counts) if count]
        if not used:
            return []
        return [(self.bucket(type_, index), counts[index]) for index in range(used[0], used[-1] + 1)]


