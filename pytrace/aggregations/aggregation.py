"""What an aggregation is: one file for each map function, with everything about it.

How it is updated in the kernel, how the per-CPU copies fold to one value, how two hosts' values merge, how it sorts
and what it shows.

A value is stored per CPU as `value_size` bytes; all-zero bytes are "nothing yet". Reading folds the copies to a plain
Python value (its shape is the aggregation's own affair) from which `shown` makes what is printed.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod

from pytrace.hints import TYPE_CHECKING, Any, Callable, ClassVar, Iterator, Protocol, Sequence
from pytrace.semantics.types import Aggregate

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

__all__ = ["MASK", "Aggregation", "Copies", "Step", "quotient", "words", "wrap"]

MASK = (1 << 64) - 1

Step = Callable[[Sequence["Value"], "Value"], Sequence["Value"]]


class Copies(Protocol):
    """The per-CPU copies of one value, as code that reads them sees them."""

    def fold(self, initial: Sequence[Value], step: Step) -> Sequence[Value]:
        """Runs `step(accumulators, copy)` for each possible CPU, `copy` pointing to its value; gives the accumulators
        (i64 each). Without a value nothing runs."""


class Aggregation(ABC):
    name: ClassVar[str]

    @abstractmethod
    def value_size(self, type_: Aggregate) -> int:
        """Bytes per CPU and key (of each part, if there are several), a multiple of 8."""

    def parts(self, type_: Aggregate) -> int:
        """How many pieces a value may consist of, each an element of the map of its own that is made when it is
        needed: for what is larger than a value can be."""
        return 1

    def prepare(self, e: Emitter, type_: Aggregate, args: Sequence[Value]) -> tuple[Value | None, Sequence[Value]]:
        """Where there are several parts, the number of the one that an update belongs to (i64), and the arguments for
        `update`."""
        return None, args

    @abstractmethod
    def update(self, e: Emitter, type_: Aggregate, at: Value, args: Sequence[Value]) -> None:
        """Code that adds `args` (i64) to this CPU's value at `at`. Runs on one CPU only, in place; where an update may
        be interrupted by another one (`e.exclusive` is False) it adds atomically."""

    def reduce(self, e: Emitter, type_: Aggregate, copies: Copies) -> Value:
        """Code that reads a castable aggregation as an integer (i64)."""
        raise TypeError(f"{self.name} is not castable")

    @abstractmethod
    def fold(self, type_: Aggregate, copies: Sequence[bytes | memoryview]) -> Any:
        """One value from the per-CPU copies of all parts, each of `value_size` bytes at least."""

    def row_words(self, type_: Aggregate) -> int:
        """Words of a row, if a value is a table of them; else 0. The last word of a row is not 0 once it was used."""
        return 0

    @abstractmethod
    def merge(self, type_: Aggregate, left: Any, right: Any) -> Any:
        """One value from those of two hosts."""

    @abstractmethod
    def sort_key(self, type_: Aggregate, value: Any) -> int | None:
        """What entries of a map are ordered by (OUTPUT 4); None: by their keys."""

    @abstractmethod
    def shown(self, type_: Aggregate, value: Any, div: int = 1) -> Any:
        """What is printed, divided by `div` where `print(@m, top, div)` divides: an integer; for stats (count, average,
        total); for histograms the list of bucket counts; for a time series its (interval, value) pairs."""


def words(copies: Sequence[bytes | memoryview], count: int) -> Iterator[tuple[int, ...]]:
    """The first `count` unsigned 64-bit words of each copy."""
    unpack = struct.Struct(f"={count}Q").unpack_from
    for copy in copies:
        yield unpack(copy)


def wrap(value: int, signed: bool) -> int:
    """An integer modulo 2^64."""
    value &= MASK
    return value - (1 << 64) if signed and value >> 63 else value


def quotient(dividend: int, divisor: int) -> int:
    """Integer division toward zero; 0 for a divisor of 0."""
    if divisor == 0:
        return 0
    result = abs(dividend) // abs(divisor)
    return result if (dividend < 0) == (divisor < 0) else -result
