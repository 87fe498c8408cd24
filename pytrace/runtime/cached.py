"""What CPUs hold in tables of their own, in front of the hash of an aggregation (`codegen/cached.py`), read while they
use them."""

from __future__ import annotations

from pytrace.codegen.image import MapImage, ScriptMap
from pytrace.frozen import frozen
from pytrace.hints import Mapping
from pytrace.kernel import bpf

__all__ = ["Snapshot", "Tables", "tables_of"]

_FIRST = bytes(4)
_WORD = 8
_HANDS = 4
"""Bits of the misses that do not tell that a row has changed hands."""


@frozen
class Snapshot:
    """What tables held: by key, the values by CPU; and the CPUs where it had a row, or was about to get or lose one."""

    values: dict[bytes, dict[int, memoryview]]
    seen: dict[bytes, set[int]]


class Tables:
    """The tables of a map, one for each CPU. `fd` is the array that holds them, `size` the bytes of one, `key_size` and
    `value_size` those of a key and a value; `round_fd` the array with the number of the round, if it changes."""

    def __init__(self, fd: int, size: int, key_size: int, value_size: int, round_fd: int | None) -> None:
        self._fd, self._size, self._key, self._value = fd, size, key_size, value_size
        self._row = value_size + (key_size + _WORD - 1) // _WORD * _WORD + 2 * _WORD
        self._rows = size // self._row
        self._round = None if round_fd is None else memoryview(bpf.map_memory(round_fd, _WORD))[:_WORD].cast("Q")

    def snapshot(self) -> Snapshot:
        """A row counts if it had the same owner before and after its value was read.

        The kernel copies a row in its order, value, key, misses, round; programs change it in an order that leaves a
        trace in one of the last three.
        """
        now = 1 if self._round is None else self._round[0]
        first, second = self._read(), self._read()
        values: dict[bytes, dict[int, memoryview]] = {}
        seen: dict[bytes, set[int]] = {}
        words, step = first.cast("Q"), self._row // _WORD
        again = second.cast("Q")
        rounds = zip(words[step - 1 :: step].tolist(), again[step - 1 :: step].tolist(), strict=True)
        for number, (before, after) in enumerate(rounds):
            if now not in (before, after):
                continue
            cpu, at, misses = number // self._rows, number * self._row, number * step + step - 2
            start = at + self._value
            key, key_after = bytes(first[start : start + self._key]), bytes(second[start : start + self._key])
            seen.setdefault(key, set()).add(cpu)
            if before == after and key == key_after and words[misses] >> _HANDS == again[misses] >> _HANDS:
                values.setdefault(key, {})[cpu] = second[at:start]
            else:
                seen.setdefault(key_after, set()).add(cpu)
        return Snapshot(values, seen)

    def _read(self) -> memoryview:
        stored = self._size * bpf.possible_cpus()
        return memoryview(bpf.map_lookup(self._fd, _FIRST, stored) or bytes(stored))

    def drop(self) -> None:
        """All rows are void from now on. To be called before the hash is emptied: what was in a row is then gone with
        it, and what is counted from now on is in the hash."""
        assert self._round is not None
        self._round[0] += 1


def tables_of(
    map_: ScriptMap, images: Mapping[str, MapImage], fds: Mapping[str, int], value_size: int
) -> Tables | None:
    """The tables of a map, if it has some."""
    if not map_.cached:
        return None
    round_fd = fds[map_.round] if map_.round else None
    return Tables(fds[map_.cached], images[map_.cached].value_size, images[map_.symbol].key_size, value_size, round_fd)
