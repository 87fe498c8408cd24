"""Whole maps as text (OUTPUT 4)."""

from __future__ import annotations

from pytrace.hints import Any, Callable
from pytrace.output.charts import histogram, time_series
from pytrace.output.contents import (
    Contents,
    Entries,
    aggregation_of,
    histogram_rows,
    is_plain,
    newest_interval,
)
from pytrace.output.text import TextValues
from pytrace.semantics.types import Aggregate, Enum, Int

__all__ = ["TextMaps"]


class TextMaps:
    """`tai_offset` is what the TAI clock is ahead of UTC, in nanoseconds."""

    def __init__(self, text: TextValues, tai_offset: int) -> None:
        self.text = text
        self.entries = Entries(text.meaning.structs)
        self.tai_offset = tai_offset

    def render(self, contents: Contents, top: int = 0, div: int = 1) -> bytes:
        """The lines of a map; none if it has no entries."""
        name, show = contents.name.encode("latin-1"), self._value(contents, div)
        if contents.key is None:
            return b"".join([name + show(value) for _, value in contents.items])
        numbers = is_plain(contents.value) and not isinstance(contents.value, Enum)
        if numbers and div == 1 and isinstance(contents.key, Int):  # such maps grow large
            line = name.replace(b"%", b"%%") + b"[%d]: %d\n"
            return b"".join([line % entry for entry in self.entries.of(contents, top)])
        key = self.text.key(contents.key)
        return b"".join([b"%s[%s]%s" % (name, key(k), show(v)) for k, v in self.entries.of(contents, top)])

    def _value(self, contents: Contents, div: int) -> Callable[[Any], bytes]:
        """What stands behind the name, or the key, of an entry."""
        type_ = contents.value
        if not isinstance(type_, Aggregate):
            show, divided = self.text.of(type_), self.entries.divided
            return lambda value: b": " + show(divided(type_, value, div)) + b"\n"
        if type_.name in ("hist", "lhist"):
            return lambda value: b":\n%s\n" % histogram(
                [(bucket.label.encode(), count) for bucket, count in histogram_rows(type_, value, div)]
            )
        if type_.name == "tseries":
            newest = newest_interval(contents)
            return lambda value: b":\n" + self._series(type_, value, newest)
        shown = aggregation_of(type_).shown
        line = b": { .count = %d, .average = %d, .total = %d }\n" if type_.name == "stats" else b": %d\n"
        return lambda value: line % shown(type_, value, div)

    def _series(self, type_: Aggregate, value: Any, newest: int) -> bytes:
        from pytrace.aggregations import Tseries

        aggregation = aggregation_of(type_)
        assert isinstance(aggregation, Tseries)
        rows = [(start - self.tai_offset, shown) for start, shown in aggregation.rows(type_, value, newest)]
        # Only a chart has an empty line behind it.
        return time_series(rows, signed=type_.signed) + (b"\n" if rows else b"")
