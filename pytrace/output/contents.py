"""What maps held when they were read, and in which order their entries are shown (OUTPUT 4)."""

from __future__ import annotations

from _operator import itemgetter
from struct import unpack

from pytrace.frozen import frozen
from pytrace.hints import TYPE_CHECKING, Any, Callable, Iterator, Sequence
from pytrace.output.values import Decoder, Structs, decoder, divide, scalar_code
from pytrace.semantics.types import Aggregate, Array, Enum, Int, Record, Stack, Struct, Tuple, Type, members_of

if TYPE_CHECKING:
    from pytrace.aggregations import Aggregation, Bucket

TIES = 1 << 14
"""Entries with equal values are in the order of their keys, unless there are more than this: then that takes too long.
"""

__all__ = [
    "TIES", "Contents", "Entries", "aggregation_of", "histogram_rows", "is_plain", "newest_interval",
]


@frozen
class Contents:
    """What a map held. `key` is None for a scalar map, whose only item, if any, has an empty key.

    Keys are bytes as stored; values are decoded, those of an aggregation as its `fold` gives them. Large maps may have
    `lines`, which gives pieces of their text in order; with an argument above 0 only so many of the last lines.
    """

    name: str
    key: Type | None
    value: Type
    items: Sequence[tuple[bytes, Any]]
    lines: Callable[[int], Iterator[bytes]] | None = None


def aggregation_of(type_: Aggregate) -> Aggregation:
    from pytrace.aggregations import AGGREGATIONS

    return AGGREGATIONS[type_.name]


def _rank(type_: Type) -> Callable[[Any], Any] | None:
    """What keys of a type are ordered by; None: by themselves. What has no order of its own is equal."""
    match type_:
        case Int(size=size, signed=False):
            half, whole = 1 << 8 * size - 1, 1 << 8 * size
            return lambda key: key - whole if key >= half else key
        case Tuple() | Record():
            ranks = [_rank(member) for member in members_of(type_)]
            if not any(ranks):
                return None
            return lambda key: tuple(
                [item if rank is None else rank(item) for rank, item in zip(ranks, key, strict=True)]
            )
        case Struct() | Array() | Stack():
            return lambda key: 0
    return None


class Entries:
    """Chooses, orders and divides the entries of maps."""

    def __init__(self, structs: Structs) -> None:
        self.structs = structs
        self._decoders: dict[Type, Decoder] = {}

    def of(self, contents: Contents, top: int) -> list[tuple[Any, Any]]:
        """(key, value) in ascending order; at most the last `top` of them if that is not 0."""
        type_, items = contents.value, list(contents.items)
        order = self._order(type_)
        if isinstance(type_, Aggregate) and type_.name == "tseries":
            items.sort(key=itemgetter(0))
        elif order is None or len(items) <= TIES:
            entries = self._decoded(contents, items)
            rank = _rank(contents.key) if contents.key is not None else None
            entries.sort(key=itemgetter(0) if rank is None else lambda entry: rank(entry[0]))
            if order is not None:
                entries.sort(key=order)
            return entries[-top:]
        else:
            items.sort(key=order)
        return self._decoded(contents, items[-top:])

    @staticmethod
    def _order(type_: Type) -> Callable[[tuple[Any, Any]], Any] | None:
        """What entries are sorted by, given the type of their values; None: by their keys."""
        if is_plain(type_):
            return itemgetter(1)
        if isinstance(type_, Aggregate):
            sort_key = aggregation_of(type_).sort_key
            return lambda item: sort_key(type_, item[1])
        return None

    def _decoded(self, contents: Contents, items: list[tuple[bytes, Any]]) -> list[tuple[Any, Any]]:
        """The items with their keys as values; keys that are plain numbers are read all at once."""
        assert contents.key is not None
        if code := scalar_code(contents.key):
            keys: Sequence[Any] = unpack(f"<{len(items)}{code}", b"".join([key for key, _ in items]))
        else:
            decode = self._decoder(contents.key)
            keys = [decode(key, 0) for key, _ in items]
        return list(zip(keys, [value for _, value in items], strict=True))

    def _decoder(self, type_: Type) -> Decoder:
        if type_ not in self._decoders:
            self._decoders[type_] = decoder(type_, self.structs)
        return self._decoders[type_]

    def divided(self, type_: Type, value: Any, div: int) -> Any:
        """A value that is no aggregation, with its integers divided."""
        return divide(type_, value, div, self.structs) if div != 1 else value


def is_plain(type_: Type) -> bool:
    """Whether values of the type are integers that are sorted as they are: also counts and sums, once they are
    folded."""
    return isinstance(type_, Int | Enum) or (isinstance(type_, Aggregate) and type_.name in ("count", "sum"))


def histogram_rows(type_: Aggregate, counts: Any, div: int) -> list[tuple[Bucket, int]]:
    """The buckets to show, with their counts, which only those of `hist` have divided. Which buckets these are does not
    depend on the division."""
    from pytrace.aggregations import Histogram

    aggregation = aggregation_of(type_)
    assert isinstance(aggregation, Histogram)
    rows = aggregation.rows(type_, counts)
    return [(bucket, count // div) for bucket, count in rows] if type_.name == "hist" and div != 1 else rows


def newest_interval(contents: Contents) -> int:
    """The newest interval that any series of the map has a value for."""
    return max((max(series) for _, series in contents.items if series), default=0)
