"""What CPUs hold in tables of their own, in front of the hash of an aggregation (`codegen/cached.py`), read while they
use them."""

from __future__ import annotations

from pytrace.codegen.image import MapImage, ScriptMap
from pytrace.frozen import frozen
from pytrace.hints import Mapping
from pytrace.kernel import bpf

__all__ = ["Snapshot", "Tables", "tables_of"]

_WORD = 8
_HANDS = 4
"""Bits of a row's last word that do not tell that the row has changed hands."""
_ROUND = 32
"""The bits before the number of the round in that word."""


@frozen
class Snapshot:
    """What tables held: by key, the values by CPU; and the CPUs where it had a row, or was about to get or lose one."""

    values: dict[bytes, dict[int, memoryview]]
    seen: dict[bytes, set[int]]


class Tables:
    """The tables of a map, one for each CPU, as `layout` tells (`ScriptMap.table`). `fd` is the array that holds them,
    `size` its bytes, `key_size` and `value_size` those of a key in the hash and of a value; `round_fd` the array with
    the number of the round, if it changes."""

    def __init__(
        self, fd: int, size: int, layout: tuple[int, ...], key_size: int, value_size: int, round_fd: int | None
    ) -> None:
        self._stride, self._rows, self._width = layout
        self._key, self._value = key_size, value_size
        self._row = value_size + self._width + _WORD
        self._memory = memoryview(bpf.map_memory(fd, size, writable=False))[:size]
        self._round = None if round_fd is None else memoryview(bpf.map_memory(round_fd, _WORD))[:_WORD].cast("Q")

    def snapshot(self) -> Snapshot:
        """A row counts if it had the same owner before and after its value was read.

        What tells that, the key and the last word, is read before all values, and again after them. Programs change
        the word before they change anything else of a row, and again when they are done, and never to what it was.
        """
        now = 1 if self._round is None else self._round[0] & 0xFFFFFFFF
        first, second, third = self._read(), self._read(), self._read()
        values: dict[bytes, dict[int, memoryview]] = {}
        seen: dict[bytes, set[int]] = {}
        rest, row = bytes(max(self._key - self._width, 0)), self._row
        for cpu, (one, two, three) in enumerate(zip(first, second, third, strict=True)):
            words, again = one.cast("Q"), three.cast("Q")
            step = row // _WORD
            metas = zip(words[step - 1 :: step].tolist(), again[step - 1 :: step].tolist(), strict=True)
            for number, (before, after) in enumerate(metas):
                if now not in (before >> _ROUND, after >> _ROUND):
                    continue
                at = number * row
                start = at + self._value
                cut = slice(start, start + min(self._key, self._width))
                key, key_after = bytes(one[cut]) + rest, bytes(three[cut]) + rest
                seen.setdefault(key, set()).add(cpu)
                if before >> _HANDS == after >> _HANDS and key == key_after:
                    values.setdefault(key, {})[cpu] = two[at:start]
                else:
                    seen.setdefault(key_after, set()).add(cpu)
        return Snapshot(values, seen)

    def _read(self) -> list[memoryview]:
        """What the rows of each CPU hold."""
        starts = range(0, len(self._memory), self._stride)
        return [memoryview(bytes(self._memory[start : start + self._rows * self._row])) for start in starts]

    def drop(self) -> None:
        """All rows are void from now on. To be called before the hash is emptied, and again when it is: what was in a
        row is then gone with it, and so is what rows got from elements that were not yet emptied."""
        assert self._round is not None
        self._round[0] += 1


def tables_of(
    map_: ScriptMap, images: Mapping[str, MapImage], fds: Mapping[str, int], value_size: int
) -> Tables | None:
    """The tables of a map, if it has some."""
    if not map_.cached:
        return None
    round_fd, table = fds[map_.round] if map_.round else None, images[map_.cached]
    key_size = images[map_.short or map_.symbol].key_size
    return Tables(fds[map_.cached], table.value_size, map_.table, key_size, value_size, round_fd)
