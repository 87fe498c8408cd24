"""Whole maps as JSON (OUTPUT 6)."""

from __future__ import annotations

import time

from pytrace.hints import Any, Callable
from pytrace.output.contents import Contents, Entries, aggregation_of, histogram_rows, newest_interval
from pytrace.output.json import JsonValues, event, number, quote
from pytrace.semantics.types import Aggregate

__all__ = ["JsonMaps"]

_KINDS = {"hist": b"hist", "lhist": b"hist", "avg": b"stats", "stats": b"stats", "tseries": b"tseries"}
_BILLION = 1_000_000_000


class JsonMaps:
    """`tai_offset` as for `TextMaps`."""

    def __init__(self, json: JsonValues, tai_offset: int) -> None:
        self.json = json
        self.entries = Entries(json.text.meaning.structs)
        self.tai_offset = tai_offset

    def render(self, contents: Contents, top: int = 0, div: int = 1) -> bytes:
        """The line of a map; nothing if it has no entries."""
        show = self._value(contents, div)
        if not contents.items:
            return b""
        if contents.key is None:
            data = show(contents.items[0][1])
        else:
            key = self.json.key(contents.key)
            members = [key(k) + b": " + show(v) for k, v in self.entries.of(contents, top)]
            data = b"{" + b", ".join(members) + b"}"
        kind = _KINDS.get(contents.value.name, b"map") if isinstance(contents.value, Aggregate) else b"map"
        return event(kind, b"{" + quote(contents.name.encode("latin-1")) + b": " + data + b"}")

    def _value(self, contents: Contents, div: int) -> Callable[[Any], bytes]:
        type_ = contents.value
        if not isinstance(type_, Aggregate):
            show, divided = self.json.of(type_), self.entries.divided
            return lambda value: show(divided(type_, value, div))
        if type_.name in ("hist", "lhist"):
            return lambda value: _histogram(type_, value, div)
        if type_.name == "tseries":
            newest = newest_interval(contents)
            return lambda value: self._series(type_, value, newest)
        shown = aggregation_of(type_).shown
        if type_.name == "stats":
            return lambda value: b'{"count": %s, "average": %s, "total": %s}' % tuple(
                map(number, shown(type_, value, div))
            )
        return lambda value: number(shown(type_, value, div))

    def _series(self, type_: Aggregate, value: Any, newest: int) -> bytes:
        from pytrace.aggregations import Tseries

        aggregation = aggregation_of(type_)
        assert isinstance(aggregation, Tseries)
        points = [
            b'{"interval_start":"%s","value":%s}' % (_moment(start - self.tai_offset), number(shown))
            for start, shown in aggregation.rows(type_, value, newest)
            if shown is not None
        ]
        return b"[" + b",".join(points) + b"]"


def _histogram(type_: Aggregate, counts: Any, div: int) -> bytes:
    rows = []
    for bucket, count in histogram_rows(type_, counts, div):
        bounds = b""
        if bucket.lower is not None:
            bounds += b'"min": %s, ' % number(bucket.lower)
        if bucket.upper is not None:
            bounds += b'"max": %s, ' % number(bucket.upper - 1)
        rows.append(b'{%s"count": %s}' % (bounds, number(count)))
    return b"[" + b",".join(rows) + b"]"


def _moment(nanoseconds: int) -> bytes:
    """A moment in UTC, with nanoseconds."""
    seconds, fraction = divmod(nanoseconds, _BILLION)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seconds))}.{fraction:09d}".encode()
