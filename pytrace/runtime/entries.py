"""The lines of large maps by machine code (`codegen/native/entries.py`).

A million entries as Python's objects take seconds and hundreds of MiB. Here they stay the columns of bytes that the
kernel gave: keys packed one after another, and values, which code compiled for just these types adds up, sorts and
writes. It is compiled when the first such map is printed, and kept in the cache.
"""

from __future__ import annotations

import os

from pytrace.codegen.image import ScriptMap
from pytrace.hints import TYPE_CHECKING, Any, Callable, Iterator, Sequence
from pytrace.kernel.clib import addressof, c_char
from pytrace.kernel.code import Code
from pytrace.runtime.maps import Column
from pytrace.semantics.types import Aggregate, Int

if TYPE_CHECKING:
    from pytrace.cache import Cache

__all__ = ["LargeMaps", "Lines"]

# As `codegen.native.entries` has them, which is not imported in order to run.
_WORDS = (
    "what", "count", "copies", "source", "target", "pairs", "spare", "at", "text", "room", "used", "tables", "first",
    "second", "split",
)  # fmt: skip
_FOLD, _KEYS, _VALUES, _SORT, _WRITE = range(5)
_COUNTS = 8 * 256 * 8
_SLACK = 64
"""Bytes that are read, and may be written, beyond the end of a text."""
_ROOM = 1 << 18


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
        value = map_.value
        if isinstance(value, Aggregate):
            fits = value.name in ("count", "sum") and stored == 8 * copies
        else:
            fits = isinstance(value, Int) and copies == 1 and stored == 8
        if not fits:
            return None
        made = self._code(map_, [column.key_size for column in columns])
        return Lines(*made, columns, copies) if made is not None else None

    def _code(self, map_: ScriptMap, sizes: list[int]) -> tuple[Code, bytes, int] | None:
        name = map_.name.encode("latin-1")
        what = (repr(name), repr(map_.key), repr(sizes), repr(map_.value), repr(self._trailer))
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
            if isinstance(found, tuple):
                return found
        from pytrace.codegen.native.compile import compile_entries

        assert map_.key is not None
        compiled = compile_entries(name, map_.key, sizes, map_.value, self._trailer)
        if self._cached:
            cache.store(key, compiled)
        return compiled


class Lines:
    """The sorted entries of a map as lines of text. `most` are the bytes that a line needs at most."""

    def __init__(self, code: Code, tables: bytes, most: int, columns: Sequence[Column], copies: int) -> None:
        self._code = code
        self._tables = bytearray(tables)
        self._most = most
        self._columns = columns
        self._copies = copies
        self._state = bytearray(8 * len(_WORDS))
        self._view = memoryview(self._state).cast("Q")
        self._count = sum(column.count for column in columns)

    def _call(self, what: int, **words: int | bytearray) -> int:
        for name, word in (("what", what), *words.items()):
            self._view[_WORDS.index(name)] = word if isinstance(word, int) else addressof(c_char.from_buffer(word))
        return int(self._code.call(addressof(c_char.from_buffer(self._state))))

    def _word(self, name: str) -> int:
        return self._view[_WORDS.index(name)]

    def __call__(self, top: int = 0) -> Iterator[bytes]:
        """Pieces of the text; with `top` only so many of the last lines."""
        values = self._folded()
        order = self._sorted(values)
        text = bytearray(max(_ROOM, 2 * self._most) + _SLACK)
        for column in self._columns:
            column.keys.extend(bytes(_SLACK))
        keys = [column.keys for column in self._columns]
        view, at = memoryview(text), max(self._count - top, 0) if top else 0
        while at < self._count:
            self._call(
                _WRITE, count=self._count, at=at, pairs=order, source=values, text=text, room=len(text) - _SLACK,
                tables=self._tables, first=keys[0], second=keys[-1], split=self._columns[0].count,
            )  # fmt: skip
            at = self._word("at")
            yield bytes(view[: self._word("used")])

    def _folded(self) -> bytearray:
        """One word for each entry."""
        if self._copies == 1 and len(self._columns) == 1:
            return self._columns[0].values
        values = bytearray()
        for column in self._columns:
            if self._copies == 1:
                values += column.values
            elif column.count:
                folded = bytearray(8 * column.count)
                self._call(_FOLD, count=column.count, copies=self._copies, source=column.values, target=folded)
                values += folded
        return values

    def _sorted(self, values: bytearray) -> bytearray:
        """The pairs, in the order of values, and of keys where these are equal."""
        pairs, spare, counts = (bytearray(size) for size in (16 * self._count, 16 * self._count, _COUNTS))
        at = 0
        for column in self._columns:
            if column.count:
                self._call(_KEYS, count=column.count, at=at, source=column.keys, pairs=pairs)
            at += column.count
        for fill in (False, True):
            if fill:
                self._call(_VALUES, count=self._count, source=values, pairs=pairs)
            if self._call(_SORT, count=self._count, pairs=pairs, spare=spare, source=counts):
                pairs, spare = spare, pairs
        return pairs
