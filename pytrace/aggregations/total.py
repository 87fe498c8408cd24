"""`sum(n)`: the total, modulo 2^64. Folded like a count that grows by n.

Two words per CPU: the total, and whether there is one, since a total of 0 is something else than nothing.
"""

from __future__ import annotations

from pytrace.aggregations.cells import add
from pytrace.aggregations.count import Count
from pytrace.hints import TYPE_CHECKING, Sequence
from pytrace.semantics.types import Aggregate

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value


class Sum(Count):
    name = "sum"

    def value_size(self, type_: Aggregate) -> int:
        return 16

    def update(self, e: Emitter, type_: Aggregate, at: Value, args: Sequence[Value]) -> None:
        add(e, at, args[0])
        e.b.store(1, at, 8)
