"""What an aggregation is: one file for each map function, with everything about it.

How it is updated in the kernel, how the per-CPU copies fold to one value, how two hosts' values merge, how it prints.

A value is stored per CPU as `value_size` bytes; all-zero bytes are "nothing yet". Reading folds the copies to a plain
Python value: an int, a tuple of ints, or a list of bucket counts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pytrace.semantics.types import Aggregate

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value


class Aggregation(ABC):
    name: ClassVar[str]

    @abstractmethod
    def value_size(self, type_: Aggregate) -> int:
        """Bytes per CPU and key, a multiple of 8."""

    @abstractmethod
    def update(self, e: Emitter, type_: Aggregate, at: Value, args: Sequence[Value]) -> None:
        """Code that adds `args` (i64) to this CPU's value at `at`. Runs on one CPU only, in place."""

    def reduce(self, e: Emitter, type_: Aggregate, copies: Any) -> Value:
        """Code that reads a castable aggregation as an integer: see `codegen/maps.py` for what `copies` offers."""
        raise TypeError(f"{self.name} is not castable")

    @abstractmethod
    def fold(self, type_: Aggregate, copies: Sequence[bytes]) -> Any:
        """One value from the per-CPU copies."""

    @abstractmethod
    def merge(self, type_: Aggregate, left: Any, right: Any) -> Any:
        """One value from those of two hosts."""

    @abstractmethod
    def sort_key(self, type_: Aggregate, value: Any) -> Any:
        """What entries of a map are ordered by (OUTPUT 4)."""
