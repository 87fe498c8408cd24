"""The lines of large maps by machine code (`codegen/native/entries.py`).

A million entries as Python's objects take seconds and hundreds of MiB. Here they stay the columns of bytes that the
kernel gave: keys packed one after another, and values, which code compiled for just these types adds up, sorts and
writes. It is compiled when the first such map is printed, and kept in the cache.
"""

from __future__ import annotations

import mmap
import os

from pytrace.codegen.image import ScriptMap
from pytrace.hints import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Sequence
from pytrace.kernel.code import Code
from pytrace.kernel.syscall import address_of_buffer
from pytrace.output.contents import TIES, aggregation_of, is_plain
from pytrace.runtime.columns import Column
from pytrace.semantics.types import Aggregate, Int, size_of

if TYPE_CHECKING:
    from pytrace.cache import Cache

__all__ = ["LargeMaps", "Lines"]

# As `codegen.native.entries` has them, which is not imported in order to run.
_WORDS = (
    "what", "count", "copies", "first", "first_values", "second", "second_values", "split", "pairs", "spare", "counts",
    "at", "text", "room", "used", "tables", "wanted", "mask", "rows", "stride",
)  # fmt: skip
_FIND, _MERGE, _KEYS, _SORT_KEYS, _VALUES, _SORT_VALUES, _WRITE = range(7)
_COUNTS = 256 * 8
_FOUND_SIZE = 64
_SLACK = 64
"""Bytes that are read, and may be written, beyond the end of a text."""
_ROOM = 1 << 18
_HUGE = 1 << 21
"""Bytes from which memory comes in large pages: to get it in small ones takes as long as to sort it."""
_ABSENT = (1 << 64) - 1


def _memory(size: int) -> mmap.mmap:
    """Zeros."""
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if size >= _HUGE:
        try:  # noqa: SIM105  # contextlib takes a millisecond to import
            memory.madvise(mmap.MADV_HUGEPAGE)
        except (AttributeError, OSError):
            pass  # a system without
    return memory


class LargeMaps:
    """Gives maps their `Lines`. `trailer` marks strings that were cut; `cached` is whether code may be taken from the
    cache and kept; `tell` gets a remark when there is none to be had."""

    def __init__(self, trailer: str, *, cached: bool, tell: Callable[[str], None]) -> None:
        self._trailer = trailer.encode("latin-1")
        self._cached = cached
        self._tell = tell
        self._compiled: dict[tuple[str, ...], tuple[Code, bytes, int] | None] = {}

    def lines(self, map_: ScriptMap, columns: Sequence[Column], copies: int, stored: int) -> Lines | None:
        """How the entries of a map, at least one, are written, if machine code can. `stored` are the bytes of an
        element, with all its copies."""
        made = self._code(map_, columns, copies, stored)
        return Lines(*made, columns, copies, stored) if made is not None else None

    def places(
        self, map_: ScriptMap, column: Column, wanted: Iterable[bytes], copies: int, stored: int
    ) -> dict[bytes, int] | None:
        """Where in a column some keys are; None if machine code cannot find them."""
        found = column.key_size <= _FOUND_SIZE and is_plain(map_.value)
        made = self._code(map_, [column], copies, stored) if found else None
        return Lines(*made, [column], copies, stored).find(list(wanted)) if made is not None else None

    def merged(
        self, map_: ScriptMap, column: Column, numbers: bytearray, count: int, stored: int
    ) -> bytearray | None:
        """The sums of the histograms in a column that have equal numbers, in the order of these, of which there are
        `count`; None if machine code cannot add them up."""
        whole = Column(size_of(map_.key), column.keys, column.values, count) if map_.key is not None else column
        made = self._code(map_, [whole], 1, stored)
        return Lines(*made, [column], 1, stored).merge(numbers, count) if made is not None else None

    def _code(
        self, map_: ScriptMap, columns: Sequence[Column], copies: int, stored: int
    ) -> tuple[Code, bytes, int] | None:
        value, count = map_.value, sum(column.count for column in columns)
        if isinstance(value, Aggregate):
            if value.name in ("hist", "lhist"):
                # Few enough entries are in the order of their keys, also where these are no integers.
                fits = stored == copies * aggregation_of(value).value_size(value)
                fits = fits and (isinstance(map_.key, Int) or count > TIES)
            else:
                fits = value.name in ("count", "sum") and stored % (8 * copies) == 0
        else:
            fits = isinstance(value, Int) and copies == 1 and stored == 8
        if not fits:
            return None
        name, sizes = map_.name.encode("latin-1"), [column.key_size for column in columns]
        what = (repr(name), repr(map_.key), repr(sizes), repr(value), repr(self._trailer))
        if what not in self._compiled:
            try:
                compiled = self._compile(what, map_, name, sizes)
                self._compiled[what] = (Code(*compiled[:2]), *compiled[2:]) if compiled[0] else None
            except (RuntimeError, ValueError, OSError, ImportError) as error:
                self._compiled[what] = None
                self._tell(f"Large maps are formatted in Python: {error}")
        return self._compiled[what]

    def close(self) -> None:
        """No `Lines` may be asked for more afterwards."""
        for made in self._compiled.values():
            if made is not None:
                made[0].close()
        self._compiled.clear()

    def _compile(self, what: tuple[str, ...], map_: ScriptMap, name: bytes, sizes: list[int]) -> Any:
        if self._cached:
            from pytrace.cache import Cache

            cache: Cache = Cache()
            key = cache.key(("entries", os.uname().machine, *what))
            found = cache.load(key)
            if isinstance(found, tuple) and len(found) == 4:
                return found
        from pytrace.codegen.native.compile import compile_entries

        assert map_.key is not None
        compiled = compile_entries(name, map_.key, sizes, map_.value, self._trailer)
        if self._cached:
            cache.store(key, compiled)
        return compiled


class Lines:
    """The sorted entries of a map as lines of text. `most` are the bytes that an entry needs at most, `stored` those of
    its value with all copies."""

    def __init__(
        self, code: Code, tables: bytes, most: int, columns: Sequence[Column], copies: int, stored: int
    ) -> None:
        self._code = code
        self._tables = bytearray(tables)
        self._most = most
        self._state = bytearray(8 * len(_WORDS))
        self._view = memoryview(self._state).cast("Q")
        self._count = sum(column.count for column in columns)
        first, second = columns[0], columns[-1]
        self._columns = columns
        self._rows = bytearray(stored // copies)
        self._given: dict[str, int | bytearray] = {
            "count": self._count, "copies": copies, "first": first.keys, "first_values": first.values,
            "second": second.keys, "second_values": second.values, "split": first.count, "tables": self._tables,
            "rows": self._rows, "stride": stored // copies // 8,
        }  # fmt: skip

    def _call(self, what: int, **words: int | bytearray | mmap.mmap) -> int:
        for name, word in (*self._given.items(), ("what", what), *words.items()):
            self._view[_WORDS.index(name)] = word if isinstance(word, int) else address_of_buffer(word)
        return int(self._code.call(address_of_buffer(self._state)))

    def _word(self, name: str) -> int:
        return self._view[_WORDS.index(name)]

    def _extend(self) -> None:
        """Makes the bytes beyond the last key readable."""
        for column in self._columns:
            missing = column.count * column.key_size + _SLACK - len(column.keys)
            column.keys.extend(bytes(max(missing, 0)))

    def find(self, wanted: Sequence[bytes]) -> dict[bytes, int]:
        """Where those of some keys are that are in the first column."""
        size = 1 << (2 * len(wanted)).bit_length()
        places = bytearray(b"\xff" * 8 * len(wanted))
        self._extend()
        self._call(
            _FIND, count=self._columns[0].count, at=len(wanted), wanted=bytearray(b"".join((*wanted, bytes(_SLACK)))),
            spare=bytearray(4 * size), mask=size - 1, pairs=places,
        )  # fmt: skip
        self._columns[0].keys[self._columns[0].count * self._columns[0].key_size :] = b""
        found = zip(wanted, memoryview(places).cast("Q"), strict=True)
        return {key: place for key, place in found if place != _ABSENT}

    def merge(self, numbers: bytearray, count: int) -> bytearray:
        """The sums of the values that have equal numbers, from 0 up to `count`."""
        sums = bytearray(count * len(self._rows))
        self._call(_MERGE, pairs=numbers, second_values=sums)
        return sums

    def __call__(self, top: int = 0) -> Iterator[bytes]:
        """Pieces of the text; with `top` only so many of the last lines."""
        self._extend()
        order = self._sorted()
        text = bytearray(max(_ROOM, 2 * self._most) + _SLACK)
        view, at = memoryview(text), max(self._count - top, 0) if top else 0
        while at < self._count:
            self._call(_WRITE, at=at, pairs=order, text=text, room=len(text) - _SLACK)
            at = self._word("at")
            yield bytes(view[: self._word("used")])

    def _sorted(self) -> mmap.mmap:
        """The pairs, in the order of values, and of keys where these are equal."""
        pairs, spare, counts = _memory(16 * self._count), _memory(16 * self._count), bytearray(_COUNTS)
        self._call(_KEYS, pairs=pairs)
        for values, sort in ((False, _SORT_KEYS), (True, _SORT_VALUES)):
            if values:
                self._call(_VALUES, pairs=pairs)
            if self._call(sort, pairs=pairs, spare=spare, counts=counts):
                pairs, spare = spare, pairs
        return pairs
