"""The script's maps as user space reads and changes them.

How they are stored is decided in `codegen/storage.py`: a scalar map without aggregation is an array of one cell, whose
last word says whether it was written; other scalar maps are arrays of one element; keyed ones are hashes, and so are
those whose values are in parts. Where the kernel keeps a copy for each CPU, the copies are folded here.
"""

from __future__ import annotations

import struct

from pytrace.codegen.image import MapImage, ScriptMap
from pytrace.frozen import record
from pytrace.hints import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Sequence
from pytrace.kernel import bpf
from pytrace.once import cached_property
from pytrace.output.contents import Contents, aggregation_of, is_plain
from pytrace.output.values import decoder, scalar_code
from pytrace.runtime.cached import Tables, tables_of
from pytrace.runtime.columns import Column, places_in, put_into, read_column, without_tails
from pytrace.runtime.loading import Loaded
from pytrace.runtime.slots import slot_elements, slot_words
from pytrace.semantics.types import I64, U64, Aggregate, Record, Stack, frames_within, size_of

if TYPE_CHECKING:
    from pytrace.runtime.entries import LargeMaps

__all__ = ["STATS", "MapStore"]

STATS = Record((("count", U64), ("average", I64), ("total", I64)))
"""How a value of `stats` is printed where it stands alone."""

MANY, MANY_CHARTS = 1 << 15, 1 << 11
"""Entries from which machine code pays: numbers, and histograms."""
_FIRST = bytes(4)
_EXIST = 2
"""BPF_EXIST: only change an element that is there."""
_WORD = 8


def _words(size: int) -> int:
    return (size + _WORD - 1) // _WORD * _WORD


Buffer = bytes | bytearray | memoryview


@record
class _Store:
    """A script's map and the BPF map behind it. `stored` are the bytes of an element as user space gets it, of which
    each of the `copies` takes `stride`. `marked`: the last word of the value says whether it was written."""

    map: ScriptMap
    image: MapImage
    fd: int
    stored: int
    copies: int
    marked: bool
    short: tuple[int, int] | None = None
    """Descriptor and size of keys of the map for short keys."""
    slots: memoryview | None = None
    """The words of the array that holds elements instead of the hash (`codegen/slots.py`)."""
    tables: Tables | None = None
    """What CPUs have instead of the hash."""
    zeroed: bool = False

    @property
    def hashes(self) -> tuple[tuple[int, int], ...]:
        """Descriptors and sizes of keys of the hashes behind a keyed map."""
        return ((self.fd, self.image.key_size), *((self.short,) if self.short else ()))

    def hash_of(self, key: bytes) -> tuple[int, bytes]:
        """The descriptor of the hash in which a key would be, and the key as it is there."""
        if self.short is not None:
            fd, size = self.short
            type_ = self.map.key
            if isinstance(type_, Stack):
                fits = int.from_bytes(key[:_WORD], "little") <= frames_within(type_, size)
            else:
                fits = not key[size - 1]
            if fits:
                return fd, key[:size]
        return self.fd, key

    @property
    def stride(self) -> int:
        return self.stored // self.copies

    @property
    def scalar(self) -> bool:
        """Whether the map is one element of an array."""
        return self.map.key is None and not self.map.by_cpu


class _Later(Sequence[tuple[bytes, Any]]):
    """So many entries, made when they are asked for."""

    def __init__(self, count: int, make: Callable[[], list[tuple[bytes, Any]]]) -> None:
        self._count = count
        self._make = make

    @cached_property
    def _items(self) -> list[tuple[bytes, Any]]:
        return self._make()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]


def _many(store: _Store) -> int:
    """From how many entries on machine code writes a map; 0: never."""
    type_ = store.map.value
    if store.map.key is None:
        return 0
    if isinstance(type_, Aggregate) and type_.name in ("hist", "lhist"):
        return MANY_CHARTS
    return MANY if is_plain(type_) and not store.map.by_cpu else 0


class MapStore:
    def __init__(self, loaded: Loaded) -> None:
        self.structs = loaded.image.structs
        images = {image.symbol: image for image in loaded.image.maps}
        self.large: Callable[[], LargeMaps] | None = None
        """What writes large maps by machine code."""
        self._stores: dict[str, _Store] = {}
        for map_ in loaded.image.script_maps:
            image = images.get(map_.symbol)
            if image is None:
                continue  # no program uses it
            short = (loaded.maps[map_.short], images[map_.short].key_size) if map_.short else None
            slots = slot_words(loaded.maps[map_.slots], images[map_.slots].value_size) if map_.slots else None
            tables = tables_of(map_, images, loaded.maps, self._value_size(map_))
            self.add(map_, image, loaded.maps[map_.symbol], short, slots, tables)

    def add(
        self,
        map_: ScriptMap,
        image: MapImage,
        fd: int,
        short: tuple[int, int] | None = None,
        slots: memoryview | None = None,
        tables: Tables | None = None,
    ) -> None:
        """Makes a map known. `fd`, and that of the map for `short` keys, stay their owner's."""
        per_cpu = bpf.MapType.of(image.type).per_cpu
        stored = bpf.stored_size(image.type, image.value_size)
        marked = map_.key is None and image.value_size >= _words(self._value_size(map_)) + _WORD
        copies = bpf.possible_cpus() if per_cpu else 1
        self._stores[map_.name] = _Store(map_, image, fd, stored, copies, marked, short, slots, tables)

    def forget(self, name: str) -> None:
        """Does not know a map any more."""
        self._stores.pop(name, None)

    @staticmethod
    def _value_size(map_: ScriptMap) -> int:
        if isinstance(map_.value, Aggregate):
            return aggregation_of(map_.value).value_size(map_.value)
        return size_of(map_.value)

    # reading

    def all(self) -> Iterator[Contents]:
        """What all maps hold, by the bytes of their names; only those that hold something."""
        for name in sorted(self._stores, key=lambda name: name.encode("latin-1")):
            contents = self.contents(name)
            if len(contents.items):
                yield contents

    def contents(self, name: str, *, default: bool = False) -> Contents:
        """What a map holds. With `default` a scalar map that holds nothing gives its zero value, unless that is a
        table."""
        store = self._stores[name]
        if not store.scalar:
            return self._keyed(store)
        return Contents(name, None, store.map.value, self._scalar(store, default))

    def _scalar(self, store: _Store, default: bool) -> list[tuple[bytes, Any]]:
        data = bpf.map_lookup(store.fd, _FIRST, store.stored) or bytes(store.stored)
        type_ = store.map.value
        if store.marked:
            written = any(any(copy[-_WORD:]) for copy in self._copies(store, data, 0))
        else:
            written = any(data)
        table = isinstance(type_, Aggregate) and type_.name in ("hist", "lhist", "tseries")
        if not (written or store.zeroed or (default and not table)):
            return []
        return [(b"", self._value(store, data, 0))]

    @staticmethod
    def _copies(store: _Store, data: Buffer, at: int) -> list[memoryview]:
        view, stride = memoryview(data), store.stride
        return [view[at + n * stride : at + (n + 1) * stride] for n in range(store.copies)]

    def _value(self, store: _Store, data: Buffer, at: int) -> Any:
        """The value of the element that starts at an offset."""
        type_ = store.map.value
        if isinstance(type_, Aggregate):
            return aggregation_of(type_).fold(type_, self._copies(store, data, at))
        return decoder(type_, self.structs)(data, at)

    def _put_together(self, store: _Store) -> list[tuple[bytes, Any]]:
        """The entries of a map whose values are in parts, for each CPU apart."""
        found: dict[bytes, list[memoryview]] = {}
        type_, size = store.map.value, size_of(store.map.key) if store.map.key is not None else 0
        assert isinstance(type_, Aggregate)
        for key, data in bpf.map_items(store.fd, store.image.key_size, store.stored):
            found.setdefault(key[:size], []).extend(self._copies(store, data, 0))
        fold = aggregation_of(type_).fold
        return [(key, fold(type_, copies)) for key, copies in found.items()]

    def _keyed(self, store: _Store) -> Contents:
        """What all hashes hold. Short keys have fewer bytes than their type."""
        map_ = store.map
        name, key, value = map_.name, map_.key, map_.value
        many = _many(store) if self.large is not None else 0
        if not many and store.tables is None and store.slots is None:
            return Contents(name, key, value, list(self._items(store)))
        columns = self._columns(store) if not store.map.by_cpu else self._merged(store)
        if not columns:
            return Contents(name, key, value, list(self._items(store)))

        def make() -> list[tuple[bytes, Any]]:
            return [item for c in columns for item in self._decoded(store, c.key_size, c.keys, c.values, c.count)]

        later = _Later(sum(column.count for column in columns), make)
        if many and len(later) >= many and self.large is not None:
            lines = self.large().lines(map_, columns, store.copies, store.stored)
            if lines is not None:
                return Contents(name, key, value, later, lines)
        return Contents(name, key, value, make())

    def _columns(self, store: _Store) -> list[Column]:
        """What all hashes hold, and what stands before them."""
        if store.tables is not None:
            *long, hash_ = store.hashes
            tables = self._with_tables(store, store.tables, *hash_)
            return [*(read_column(*each, store.stored) for each in long), tables]
        columns = [read_column(*hash_, store.stored) for hash_ in store.hashes]
        if store.slots is not None:
            # A key that moved meanwhile may have been seen in both.
            found = dict(slot_elements(store.slots, store.image.key_size))
            elements = {key: word[: store.stored] for key, word in found.items()}
            put_into(columns[0], places_in(columns[0], elements), elements, store.stored)
        return columns

    def _merged(self, store: _Store) -> list[Column]:
        """What a hash with elements of each CPU held, put together by machine code; empty if it cannot do that."""
        map_, column = store.map, read_column(store.fd, store.image.key_size, store.stored)
        assert map_.key is not None and self.large is not None
        keys, numbers, count = without_tails(column, size_of(map_.key))
        if count < MANY_CHARTS:
            return []
        values = self.large().merged(map_, column, numbers, count, store.stored)
        return [Column(size_of(map_.key), keys, values, count)] if values is not None else []

    def _with_tables(self, store: _Store, tables: Tables, fd: int, key_size: int) -> Column:
        """What a hash holds, with what CPUs have in their tables instead. Keys that have lost their rows meanwhile
        are looked up again: what they had in them is then in the hash."""
        before = tables.snapshot()
        column, after = read_column(fd, key_size, store.stored), tables.snapshot()
        keys, stored = before.seen.keys() | after.seen.keys(), store.stored
        places = self._places(store, column, keys)
        changed: dict[bytes, bytes] = {}
        for key in keys:
            rows = after.values.get(key, {})
            had = before.seen.get(key, set()) | after.seen.get(key, set())
            place = places.get(key)
            if place is None or not had <= rows.keys():
                data = bpf.map_lookup(fd, key, stored)
                if data is None and not rows:
                    continue
                value = bytearray(data or bytes(stored))  # without an element: it is being cleared
            else:
                value = column.values[place * stored : (place + 1) * stored]
            for cpu, row in rows.items():
                value[cpu * store.stride : cpu * store.stride + len(row)] = row
            changed[key] = bytes(value)
        put_into(column, places, changed, stored)
        return column

    def _places(self, store: _Store, column: Column, keys: Iterable[bytes]) -> dict[bytes, int]:
        places = None
        if column.count >= MANY and self.large is not None:
            places = self.large().places(store.map, column, keys, store.copies, store.stored)
        return places if places is not None else places_in(column, keys)

    def _items(self, store: _Store) -> Iterator[tuple[bytes, Any]]:
        """The entries of all hashes."""
        if store.map.by_cpu:
            yield from self._put_together(store)
            return
        for fd, key_size in store.hashes:
            try:
                for keys, values, count in bpf.map_batches(fd, key_size, store.stored):
                    yield from self._decoded(store, key_size, keys, values, count)
            except bpf.BpfError:  # a kernel without batches
                for key, data in bpf.map_items(fd, key_size, store.stored):
                    yield key, self._value(store, data, 0)

    def _decoded(
        self, store: _Store, key_size: int, keys: Buffer, values: Buffer, count: int
    ) -> Iterator[tuple[bytes, Any]]:
        packed = bytes(keys)
        cut = [packed[n : n + key_size] for n in range(0, count * key_size, key_size)]
        return zip(cut, self._values(store, values, count), strict=True)

    def _values(self, store: _Store, values: Buffer, count: int) -> list[Any]:
        """The values of so many elements; those of common types all at once."""
        type_, copies = store.map.value, store.copies
        if isinstance(type_, Aggregate):
            if type_.name in ("count", "sum") and store.stride == _WORD:
                from pytrace.aggregations.aggregation import wrap

                words, signed = memoryview(values).cast("Q"), type_.as_int.signed
                sums = map(sum, zip(*[words[n::copies] for n in range(copies)], strict=True))
                return [wrap(total, signed) for total in sums]
        elif (code := scalar_code(type_)) and size_of(type_) == store.stored:
            return list(struct.unpack(f"<{count}{code}", values))
        data = bytes(values)
        return [self._value(store, data, n * store.stored) for n in range(count)]

    def stats(self, name: str, key: bytes) -> tuple[int, int, int]:
        """Count, average and total of an element of a map of `stats`; zeros where there is none."""
        store = self._stores[name]
        type_ = store.map.value
        assert isinstance(type_, Aggregate)
        fd, key = (store.fd, _FIRST) if store.scalar else store.hash_of(key)
        data = bpf.map_lookup(fd, key, store.stored) or bytes(store.stored)
        aggregation = aggregation_of(type_)
        shown: tuple[int, int, int] = aggregation.shown(type_, self._value(store, data, 0))
        return shown

    # changing

    def clear(self, name: str) -> None:
        """Removes all entries."""
        store = self._stores[name]
        if store.scalar:
            store.zeroed = False
            bpf.map_update(store.fd, _FIRST, bytes(store.stored))
        else:
            if store.tables is not None:
                store.tables.drop()
            for fd, key_size in store.hashes:
                bpf.map_clear(fd, key_size, store.stored)
            if store.tables is not None:
                store.tables.drop()

    def zero(self, name: str) -> None:
        """Sets all values to zero, on all CPUs, and keeps the keys."""
        store = self._stores[name]
        if not store.scalar:
            if store.tables is not None:
                store.tables.drop()
            zeros = bytes(store.stored)
            for fd, key_size in store.hashes:
                for key in list(bpf.map_keys(fd, key_size)):
                    try:
                        bpf.map_update(fd, key, zeros, _EXIST)
                    except bpf.BpfError:
                        continue  # deleted meanwhile
            if store.tables is not None:
                store.tables.drop()
            return
        data = bpf.map_lookup(store.fd, _FIRST, store.stored) or bytes(store.stored)
        if not store.marked:
            store.zeroed = store.zeroed or any(data)
            bpf.map_update(store.fd, _FIRST, bytes(store.stored))
            return
        marks = [bytes(store.stride - _WORD) + bytes(copy[-_WORD:]) for copy in self._copies(store, data, 0)]
        bpf.map_update(store.fd, _FIRST, b"".join(marks))
