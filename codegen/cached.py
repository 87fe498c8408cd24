"""Aggregations by short keys: each CPU keeps the values of a few keys where they are found at once.

`@[pid] = count()` spends most of its time in the kernel's hash. So in front of the per-CPU hash each CPU has a table:
the key's bits tell the one row where its value may be. While a key has the row, the row is what counts, and this CPU's
copy in the hash is what it was when the key got the row; user space puts the one in the place of the other. A key gets
a row after its element in the hash was made and updated: so the hash has all the keys, and is full when it should be.

A row: the value, the key, how often another key came (`MISSES`), and a word that says whose round it belongs to (0: it
is being changed). Each sixteenth time another key comes it gets the row, and the value goes back to the hash. `clear`
and `zero` begin a new round by counting up one number, and all rows of all CPUs are void at once. Of such maps, rows
keep their keys for the round: what goes back to the hash could come too late.

All this is for maps whose updates never interrupt each other on a CPU (`Emitter.exclusive`): the programs of a CPU have
its table for themselves. User space reads at any time, and sees by the round and the misses, read before and after,
whether it can believe a row (`runtime/cached.py`). Hence the order of the stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from pytrace.aggregations import AGGREGATIONS
from pytrace.codegen.control import symbol_of
from pytrace.codegen.emitter import Value
from pytrace.codegen.features import Offers
from pytrace.codegen.image import MapImage, ScriptMap
from pytrace.codegen.layout import align_up, pieces
from pytrace.codegen.maps import Located, Maps
from pytrace.codegen.storage import by_cpu
from pytrace.codegen.visit import nodes
from pytrace.frozen import frozen, replace
from pytrace.kernel.abi import MapFlags
from pytrace.semantics import program as core
from pytrace.semantics.types import Aggregate, size_of

__all__ = ["Cached", "cached_maps", "with_table"]

_KEY, _VALUE = 32, 600
"""Bytes of a key and of a value that are worth it, at most: `hist()` is."""
_TABLE, _ROWS = 20 << 10, 128
"""Bytes of a table, and its rows, at most. They are to stay in the CPU's cache."""
_MIX = 0x9E3779B97F4A7C15
_PATIENCE = 16
"""Every so many misses the row changes hands. A power of two."""


def cached_maps(program: core.Program, updaters: Mapping[int, bool], features: Offers) -> dict[int, bool]:
    """The maps with such tables, by their indices, each with whether it is ever cleared: aggregations that programs
    only update, and always exclusively, as `updaters` tells."""
    if program.shared:
        return {}
    unfit, cleared = set(), set()
    for probe in program.probes:
        for node in nodes(probe.body):
            match node:
                case core.Emit(kind="clear" | "zero", static=(str() as name, *_)):
                    cleared |= {map_.index for map_ in program.maps if map_.name == name}
                case core.Emit(kind="print_element", static=(str() as name, *_)):
                    unfit |= {map_.index for map_ in program.maps if map_.name == name}
                case core.ReadMap(map=map_) | core.MapCall(map=map_) | core.MapLoop(map=map_):
                    unfit.add(map_.index)
                case core.AddressOf(of=core.Map() as map_):
                    unfit.add(map_.index)
    return {
        map_.index: map_.index in cleared
        for map_ in program.maps
        if updaters.get(map_.index)
        and map_.index not in unfit
        and not map_.kind
        and map_.key is not None
        and 0 < size_of(map_.key) <= _KEY
        and isinstance(map_.value, Aggregate)
        and AGGREGATIONS[map_.value.name].value_size(map_.value) <= _VALUE
        and not by_cpu(map_, features.cpus)
    }


def cached_symbol(map_: core.Map) -> str:
    return f"{symbol_of(map_)}.cached"


def round_symbol(map_: core.Map) -> str:
    return f"{symbol_of(map_)}.round"


@frozen
class Row:
    """Where things are in a row, and its size, in bytes; and how many rows a table has, a power of two."""

    key: int
    misses: int
    round: int
    size: int
    count: int


def row_of(map_: core.Map) -> Row:
    assert isinstance(map_.value, Aggregate) and map_.key is not None
    key = AGGREGATIONS[map_.value.name].value_size(map_.value)
    misses = key + align_up(size_of(map_.key))
    size = misses + 16
    return Row(key, misses, misses + 8, size, min(_ROWS, 1 << (_TABLE // size).bit_length() - 1))


@frozen
class Candidate:
    """The row that a key may have: where it is, and what its round and the round of the map were."""

    row: Value
    round: Value
    now: Value


def with_table(script: ScriptMap, map_: core.Map, cleared: bool) -> tuple[ScriptMap, tuple[MapImage, ...]]:
    """A map of the script with its table, and the BPF maps for that."""
    row = row_of(map_)
    table = MapImage(cached_symbol(map_), "percpu_array", 4, row.count * row.size, 1)
    if not cleared:
        return replace(script, cached=table.symbol), (table,)
    first = (1).to_bytes(8, "little")
    round_ = MapImage(round_symbol(map_), "array", 4, 8, 1, MapFlags.MMAPABLE, initial=first)
    return replace(script, cached=table.symbol, round=round_.symbol), (table, round_)


class Cached(Maps):
    def find_row(self, map_: core.Map, at: Located, found: str, never: str) -> Candidate:
        """Goes to the block `found` if the row that the key at `at` may have is the key's, and else on. `never` is the
        block for a table that is not there."""
        b, layout = self.b, row_of(map_)
        words = self._words(map_, at.key)
        mixed = reduce(lambda sum_, word: b.add(b.mul(sum_, _MIX), word), words)
        index = b.lshr(b.mul(mixed, _MIX), 64 - layout.count.bit_length() + 1)
        cell = self.scratch(4)
        b.store(self.const(0, "i32"), cell)
        table = self.pointer_helper("map_lookup_elem", self.module.map(cached_symbol(map_)), cell)
        have, miss = b.block("table"), b.block("miss")
        b.cond_br(b.is_null(table), never, have)
        b.place(have)
        row, now = b.gep(table, b.mul(index, layout.size)), self._now(map_)
        round_ = b.load("i64", row, layout.round, volatile=True)
        differ = b.xor(round_, now)
        for offset, word in enumerate(words):
            differ = b.or_(differ, b.xor(word, b.load("i64", row, layout.key + 8 * offset)))
        b.cond_br(b.eq(differ, 0), found, miss)
        b.place(miss)
        return Candidate(row, round_, now)

    def take_row(self, map_: core.Map, candidate: Candidate, at: Located, element: Value) -> None:
        """Gives the row to the key, whose element was updated, unless another key has it and keeps it."""
        b, layout, row = self.b, row_of(map_), candidate.row
        take, done = b.block("take"), b.block("taken")
        owned = b.eq(candidate.round, candidate.now)
        if self.module.cached[map_.index]:
            b.cond_br(owned, done, take)
        else:
            miss, give, back = b.block("missed"), b.block("give"), b.block("back")
            b.cond_br(owned, miss, take)
            b.place(miss)
            misses = b.add(b.load("i64", row, layout.misses, volatile=True), 1)
            stay = b.block("stay")
            b.cond_br(b.eq(b.and_(misses, _PATIENCE - 1), 0), give, stay)
            b.place(stay)
            b.store(misses, row, layout.misses, volatile=True)
            b.br(done)
            b.place(give)
            owner = self.pointer_helper("map_lookup_elem", self.map_pointer(map_), b.gep(row, layout.key))
            b.cond_br(b.is_null(owner), done, back)
            b.place(back)
            self.copy(owner, row, layout.key)
            b.barrier(b.exchange(row, 0, layout.round))
            b.store(misses, row, layout.misses, volatile=True)
            b.br(take)
        b.place(take)
        self.copy(row, element, layout.key)
        for offset, word in enumerate(self._words(map_, at.key)):
            b.store(word, row, layout.key + 8 * offset, volatile=True)
        b.barrier(b.exchange(row, candidate.now, layout.round))
        b.place(done)

    def _words(self, map_: core.Map, key: Value) -> list[Value]:
        """The bits of a key in memory as words, the last one filled up with zeros."""
        assert map_.key is not None
        words = [self.const(0) for _ in range(0, size_of(map_.key), 8)]
        for offset, width in pieces(size_of(map_.key), key.align):
            part = self.b.zext(self.b.load(f"i{8 * width}", key, offset))
            word = self.b.shl(part, 8 * (offset % 8)) if offset % 8 else part
            words[offset // 8] = self.b.or_(words[offset // 8], word) if offset % 8 else word
        return words

    def _now(self, map_: core.Map) -> Value:
        if not self.module.cached[map_.index]:
            return self.const(1)
        return self.b.load("i64", self.module.data(round_symbol(map_)), volatile=True)
