"""Aggregations by keys that are short: each CPU keeps the values of some keys where they are found at once.

`@[pid] = count()` spends most of its time in the kernel's hash. So in front of the per-CPU hash each CPU has a table:
the key's bits tell the one row where its value may be. While a key has the row, the row is what counts, and this CPU's
copy in the hash is what it was when the key got the row; user space puts the one in the place of the other. A key gets
a row after its element in the hash was made and updated: so the hash has all the keys, and is full when it should be.

A row: the value, the key, and a word with two numbers: how often another key came, and, in its upper half,
whose round the row belongs to (0: it is being changed). Each sixteenth time another key comes it gets the row, and the
value goes back to the hash. `clear` and `zero` begin a new round by counting up one number, and all rows of all CPUs
are void at once. Of such maps, rows keep their keys for the round: what goes back to the hash could come too late.

All this is for maps whose updates never interrupt each other on a CPU (`Emitter.exclusive`): the programs of a CPU have
its table for themselves. User space reads at any time, and sees by that word, read before and after, whether it can
believe a row (`runtime/cached.py`). Hence the order of the stores.

What costs is memory that is not in the CPU's cache: system calls leave little there. So the tables of all CPUs are one
array that programs reach without a call, and a row of a number and a string is one line of the cache. Keys that may be
long, strings and stacks, are in `wide_keys.py`.
"""

from __future__ import annotations

from pytrace.aggregations import AGGREGATIONS
from pytrace.codegen.control import symbol_of
from pytrace.codegen.emitter import Value
from pytrace.codegen.features import Offers
from pytrace.codegen.image import MapImage, ScriptMap
from pytrace.codegen.layout import align_up, pieces
from pytrace.codegen.maps import Located, Maps
from pytrace.codegen.storage import SHORT_STACK, by_cpu, short_size, text_at
from pytrace.codegen.visit import nodes
from pytrace.frozen import frozen, replace
from pytrace.hints import Iterable, Mapping
from pytrace.kernel.abi import MapFlags
from pytrace.semantics import program as core
from pytrace.semantics.types import Aggregate, size_of

__all__ = [
    "MIX", "Cached", "Candidate", "Row", "cached_maps", "row_key", "row_of", "with_table",
]  # fmt: skip

TEXT = 48
"""Bytes of a key that ends with a string, in a row, zeros behind it. With a number it fills a line of the cache; and
programs keep it on their stack, which is in the cache, as long as that has less than 64 bytes: larger ones are
elsewhere (Linux 6.13)."""
_LEAST = 32
"""How many of these are for the string at least."""
_KEY, _VALUE = 32, 600
"""Bytes of a key and of a value that are worth it, at most: `hist()` is."""
_LARGEST = 4096
"""Bytes that a string may have at most: each CPU has as many at hand to make keys of the hash."""
_TABLE, _ROWS = 20 << 10, 128
"""Bytes of a table, and its rows, at most. They are to stay in the CPU's cache."""
_ALL = 4 << 20
"""Bytes of the tables of all CPUs, at most: older kernels allow a value of an array no more (KMALLOC_MAX_SIZE,
kernel/bpf/arraymap.c). The largest tables are for two hundred CPUs, those of `@[tid] = count()` for 1,365."""
MIX = 0x9E3779B97F4A7C15
_PATIENCE = 16
"""Every so many misses the row changes hands. A power of two."""


def cached_maps(
    program: core.Program, updaters: Mapping[int, bool], split: frozenset[int], features: Offers
) -> dict[int, bool]:
    """The maps with such tables, by their indices, each with whether it is ever cleared: aggregations that programs
    only update, and always exclusively, as `updaters` tells. `split` are those that are stored as two."""
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
        and (0 < size_of(map_.key) <= _KEY or (map_.index in split and _is_wide(map_)))
        and isinstance(map_.value, Aggregate)
        and AGGREGATIONS[map_.value.name].value_size(map_.value) <= _VALUE
        and not by_cpu(map_, features.cpus)
        and features.cpus_in_a_row
        and row_of(map_).table * features.cpus <= _ALL
    }


def _is_wide(map_: core.Map) -> bool:
    """Whether the keys are of those in `wide_keys.py`."""
    assert map_.key is not None
    start = text_at(map_.key)
    return start is None or (start <= _KEY and size_of(map_.key) <= _LARGEST)


def cached_symbol(map_: core.Map) -> str:
    return f"{symbol_of(map_)}.cached"


def round_symbol(map_: core.Map) -> str:
    return f"{symbol_of(map_)}.round"


@frozen
class Row:
    """Where things are in a row, and its size, in bytes; how many rows a table has, a power of two; and the bytes of a
    table, with what it has behind them to make keys of the hash."""

    key: int
    meta: int
    size: int
    count: int
    table: int

    @property
    def area(self) -> int:
        """Where the memory for making keys is."""
        return self.count * self.size


def row_key(map_: core.Map) -> int:
    """Bytes of the keys in rows."""
    assert map_.key is not None
    if not short_size(map_.key):
        return align_up(size_of(map_.key))
    start = text_at(map_.key)
    if start is None:
        return SHORT_STACK
    return TEXT if start + _LEAST <= TEXT else align_up(start + _LEAST)


def row_of(map_: core.Map) -> Row:
    assert isinstance(map_.value, Aggregate) and map_.key is not None
    key = AGGREGATIONS[map_.value.name].value_size(map_.value)
    meta = key + row_key(map_)
    size = meta + 8
    count = min(_ROWS, 1 << (_TABLE // size).bit_length() - 1)
    short = short_size(map_.key) if text_at(map_.key) is not None else 0
    area = align_up(size_of(map_.key)) + align_up(short) + 8 if short else 0
    return Row(key, meta, size, count, align_up(count * size + area, 64))


@frozen
class Candidate:
    """The row that a key may have; with `nullable` it is null for keys that have none. `hit` is the row where it was
    found. `now` is the round of the map (i32)."""

    row: Value
    hit: Value
    now: Value
    nullable: bool = False


def with_table(script: ScriptMap, map_: core.Map, cleared: bool, cpus: int) -> tuple[ScriptMap, tuple[MapImage, ...]]:
    """A map of the script with its table, and the BPF maps for that."""
    row = row_of(map_)
    table = MapImage(cached_symbol(map_), "array", 4, row.table * cpus, 1, MapFlags.MMAPABLE)
    script = replace(script, cached=table.symbol, table=(row.table, row.count, row_key(map_)))
    if not cleared:
        return script, (table,)
    first = (1).to_bytes(8, "little")
    round_ = MapImage(round_symbol(map_), "array", 4, 8, 1, MapFlags.MMAPABLE, initial=first)
    return replace(script, round=round_.symbol), (table, round_)


class Cached(Maps):
    def find_key(self, map_: core.Map, key: core.Expr | None, found: str, never: str) -> tuple[Located, Candidate]:
        """Goes to the block `found` if the row that the key may have is the key's, and else on. `never` is the block
        for a CPU that has no table, which does not happen."""
        assert map_.key is not None
        at = self.located(map_, key)
        table, now = self.find_table(map_, never), self.round_of(map_)
        return at, self.find_row(map_, table, now, self.words(at.key, pieces(size_of(map_.key), at.key.align)), found)

    def round_of(self, map_: core.Map) -> Value:
        """The number of the round (i32)."""
        if not self.module.cached[map_.index]:
            return self.const(1, "i32")
        return self.b.load("i32", self.module.data(round_symbol(map_)), volatile=True)

    def find_table(self, map_: core.Map, never: str) -> Value:
        """The table of this CPU."""
        b, size, have = self.b, row_of(map_).table, self.b.block("table")
        cpu = b.barrier(self.helper("get_smp_processor_id"))
        b.cond_br(b.ult(cpu, self.features.cpus), have, never)
        b.place(have)
        return b.gep(self.module.data(cached_symbol(map_)), b.mul(cpu, size))

    def row_at(self, map_: core.Map, table: Value, mixed: Value) -> Value:
        """The row for a key whose bits were mixed."""
        b, layout = self.b, row_of(map_)
        index = b.lshr(b.mul(mixed, MIX), 64 - layout.count.bit_length() + 1)
        return b.gep(table, b.mul(index, layout.size))

    def find_row(self, map_: core.Map, table: Value, now: Value, words: list[Value], found: str) -> Candidate:
        """`find_key` for a key of these words."""
        b, layout = self.b, row_of(map_)
        # A polynomial, whose products do not wait for each other.
        powers = [pow(MIX, len(words) - 1 - n, 1 << 64) for n in range(len(words))]
        mixed = b.mul(words[0], powers[0])
        for word, power in zip(words[1:], powers[1:], strict=True):
            mixed = b.add(mixed, b.mul(word, power))
        row = self.row_at(map_, table, mixed)
        round_ = b.load("i32", row, layout.meta + 4, volatile=True)
        differ = b.zext(b.xor(round_, now))
        for offset, word in enumerate(words):
            differ = b.or_(differ, b.xor(word, b.load("i64", row, layout.key + 8 * offset)))
        miss = b.block("miss")
        b.cond_br(b.eq(differ, 0), found, miss)
        b.place(miss)
        return Candidate(row, row, now)

    def take_row(self, map_: core.Map, candidate: Candidate, key: Value, element: Value) -> None:
        """Gives the row to the key in memory, whose element was updated, unless another key has it and keeps it."""
        b, layout, row = self.b, row_of(map_), candidate.row
        take, done = b.block("take"), b.block("taken")
        if candidate.nullable:
            fits = b.block("fits")
            b.cond_br(b.is_null(row), done, fits)
            b.place(fits)
        round_ = b.load("i32", row, layout.meta + 4, volatile=True)
        owned, misses = b.eq(round_, candidate.now), self.const(0)
        if self.module.cached[map_.index]:
            b.cond_br(owned, done, take)
            b.place(take)
        else:
            miss, give, back, stay = b.block("missed"), b.block("give"), b.block("back"), b.block("stay")
            before = b.current
            b.cond_br(owned, miss, take)
            b.place(miss)
            more = b.add(b.load("i32", row, layout.meta, volatile=True), self.const(1, "i32"))
            b.cond_br(b.eq(b.and_(more, _PATIENCE - 1), 0), give, stay)
            b.place(stay)
            b.store(more, row, layout.meta, volatile=True)
            b.br(done)
            b.place(give)
            owner = self.owner(map_, row, done)
            b.cond_br(b.is_null(owner), done, back)
            b.place(back)
            self.copy(owner, row, layout.key)
            counted = b.zext(more)
            b.barrier(b.exchange(row, counted, layout.meta))
            end = b.current
            b.place(take)
            misses = b.phi((misses, before), (counted, end))
        self.copy(row, element, layout.key)
        self.copy_key(map_, row, key)
        b.barrier(b.exchange(row, b.or_(b.shl(b.zext(candidate.now), 32), misses), layout.meta))
        b.place(done)

    def owner(self, map_: core.Map, row: Value, never: str) -> Value:
        """The element in the hash of the key that has a row."""
        return self.pointer_helper("map_lookup_elem", self.map_pointer(map_), self.b.gep(row, row_of(map_).key))

    def copy_key(self, map_: core.Map, row: Value, key: Value) -> None:
        assert map_.key is not None
        size = min(size_of(map_.key), row_key(map_))
        for offset, word in enumerate(self.words(key, pieces(size, key.align))):
            self.b.store(word, row, row_of(map_).key + 8 * offset, volatile=True)

    def words(self, key: Value, accesses: Iterable[tuple[int, int]]) -> list[Value]:
        """The bits of a key in memory as words, the last one filled up with zeros."""
        words: list[Value] = []
        for offset, width in accesses:
            part = self.b.zext(self.b.load(f"i{8 * width}", key, offset))
            if offset % 8:
                words[-1] = self.b.or_(words[-1], self.b.shl(part, 8 * (offset % 8)))
            else:
                words.append(part)
        return words
