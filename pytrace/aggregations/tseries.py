"""`tseries(n, interval, num, aggregation)`: a value for each of the last `num` intervals of time (LIBRARY 8.5).

A row of slots per CPU, used in turn: the slot of a moment is (TAI clock / interval) modulo num. A slot holds its value
and then, in its last word, when that belongs: for the last-value form the moment itself in nanoseconds, else the number
of the interval, plus one. (0 means that the slot was never used.) A slot with an older number is cleared before use.

A long row is cut into parts of `PART` bytes.

Between the check of that number and the clearing, an update that preempts this one on its CPU may lose its value: only
where programs are preempted (user-space probes), and only at the change of an interval.
"""

from __future__ import annotations

from pytrace.aggregations.aggregation import Aggregation, quotient, words, wrap
from pytrace.aggregations.cells import add, raise_to
from pytrace.aggregations.extreme import decode, encode
from pytrace.hints import TYPE_CHECKING, Sequence
from pytrace.semantics.types import Aggregate

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

Series = dict[int, tuple[int, ...]]
"""By the number of the interval since 1970 (TAI): (value, moment) for the last-value form, (total, count) for `avg`,
else (value,)."""

AGGREGATIONS = ("avg", "max", "min", "sum")


PART = 3584
"""Bytes of a part: with its key and the kernel's header, an element takes a page."""
MOST_INTERVALS = 1_000_000


class Tseries(Aggregation):
    name = "tseries"

    def value_size(self, type_: Aggregate) -> int:
        return _slots(type_) * 8 * self.row_words(type_)

    def parts(self, type_: Aggregate) -> int:
        return -(-_parameters(type_)[1] // _slots(type_))

    def prepare(self, e: Emitter, type_: Aggregate, args: Sequence[Value]) -> tuple[Value | None, Sequence[Value]]:
        value, *clock = args
        # A clock is given by the script in tests (`Config.dummy_ts_map`).
        now = clock[0] if clock else e.b.add(e.helper("ktime_get_boot_ns"), e.session("tai_offset"))
        interval, number, _ = _parameters(type_)
        if clock:  # in the first interval of 1970 bpftrace shows 0
            value = e.b.select(e.b.ult(now, interval), 0, value)
        if self.parts(type_) == 1:
            return None, (value, now)
        return e.b.udiv(e.b.urem(e.b.udiv(now, interval), number), _slots(type_)), (value, now)

    def row_words(self, type_: Aggregate) -> int:
        return _slot_words(_parameters(type_)[2])

    def update(self, e: Emitter, type_: Aggregate, at: Value, args: Sequence[Value]) -> None:
        b, (value, now) = e.b, args
        interval, number, aggregation = _parameters(type_)
        size, slots = 8 * _slot_words(aggregation), _slots(type_)
        current = b.udiv(now, interval)
        index = b.urem(current, number)
        if slots < number:
            index = b.urem(index, slots)
        slot = b.gep(at, b.mul(e.clamp(index, slots - 1), size))
        if not aggregation:
            b.store(value, slot)
            b.store(b.add(now, 1), slot, 8)
            return
        stamp = b.add(current, 1)

        def clear() -> None:
            for word in range(0, size - 8, 8):
                b.store(0, slot, word)
            b.store(stamp, slot, size - 8)

        e.when(b.ne(b.load("i64", slot, size - 8), stamp), clear)
        if aggregation in ("min", "max"):
            raise_to(e, slot, encode(e, _inner(type_), value))
            return
        add(e, slot, value)
        if aggregation == "avg":
            add(e, slot, 1, 8)

    def fold(self, type_: Aggregate, copies: Sequence[bytes | memoryview]) -> Series:
        interval, number, aggregation = _parameters(type_)
        width = _slot_words(aggregation)
        series: Series = {}
        for row in words(copies, _slots(type_) * width):
            for first in range(0, len(row), width):
                *parts, stamp = row[first : first + width]
                if not stamp:
                    continue
                if aggregation in ("min", "max"):
                    parts[0] = decode(_inner(type_), parts[0])
                elif not aggregation:
                    parts.append(stamp)
                when = stamp - 1 if aggregation else (stamp - 1) // interval
                value = (wrap(parts[0], type_.signed), *parts[1:])
                series[when] = _combine(type_, series[when], value) if when in series else value
        newest = max(series, default=0)
        return {when: series[when] for when in sorted(series) if when > newest - number}

    def merge(self, type_: Aggregate, left: Series, right: Series) -> Series:
        _, number, _ = _parameters(type_)
        both = dict(left)
        for when, value in right.items():
            both[when] = _combine(type_, both[when], value) if when in both else value
        newest = max(both, default=0)
        return {when: both[when] for when in sorted(both) if when > newest - number}

    def sort_key(self, type_: Aggregate, value: Series) -> int | None:
        return None

    def shown(self, type_: Aggregate, value: Series, div: int = 1) -> list[tuple[int, int]]:
        """(number of the interval, value) in order of time, for the intervals that have a value."""
        average = _parameters(type_)[2] == "avg"
        return [
            (when, quotient(value[when][0], value[when][1]) if average else value[when][0]) for when in sorted(value)
        ]

    def rows(self, type_: Aggregate, value: Series, newest: int) -> list[tuple[int, int | None]]:
        """What is drawn: for each interval of the window the nanoseconds (TAI) at which it starts, and its value or
        None. The window ends with `newest`, the newest interval of any key of the map (a number as in `Series`), and
        starts with the first one that this key has a value for."""
        interval, number, _ = _parameters(type_)
        values = {when: shown for when, shown in self.shown(type_, value) if newest - number < when <= newest}
        if not values:
            return []
        return [(when * interval, values.get(when)) for when in range(min(values), newest + 1)]


def _parameters(type_: Aggregate) -> tuple[int, int, str]:
    """Interval in nanoseconds, number of intervals, aggregation ("" for the last value)."""
    interval, number, *rest = type_.params
    return int(interval), int(number), str(rest[0]) if rest else ""


def _slot_words(aggregation: str) -> int:
    return 3 if aggregation == "avg" else 2


def _slots(type_: Aggregate) -> int:
    """How many slots a part has: all, if they fit into one."""
    _, number, aggregation = _parameters(type_)
    size = 8 * _slot_words(aggregation)
    return min(number, PART // size)


def _inner(type_: Aggregate) -> Aggregate:
    """The aggregation inside each interval."""
    return Aggregate(_parameters(type_)[2], type_.signed)


def _combine(type_: Aggregate, left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    """The values of two CPUs for one interval."""
    match _parameters(type_)[2]:
        case "":
            return max(left, right, key=lambda value: value[1])
        case "min":
            return min(left, right)
        case "max":
            return max(left, right)
    return (wrap(left[0] + right[0], type_.signed), *(a + b for a, b in zip(left[1:], right[1:], strict=True)))
