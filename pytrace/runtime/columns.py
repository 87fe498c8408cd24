"""What the kernel's hashes hold, as columns: keys packed one after another, and values. For maps so large that an
object for each key takes too long."""

from __future__ import annotations

import struct
from itertools import compress

from pytrace.frozen import record
from pytrace.hints import Iterable, Mapping
from pytrace.kernel import bpf

__all__ = ["Column", "places_in", "put_into", "read_column", "without_tails"]


@record
class Column:
    """What a hash held: so many keys and values, each packed."""

    key_size: int
    keys: bytearray
    values: bytearray
    count: int


def read_column(fd: int, key_size: int, stored: int) -> Column:
    """What a hash holds; `stored` are the bytes of a value with all copies."""
    keys, values, total = bytearray(), bytearray(), 0
    try:
        for some_keys, some_values, count in bpf.map_batches(fd, key_size, stored):
            keys += some_keys
            values += some_values
            total += count
    except bpf.BpfError:  # a kernel without batches
        pairs = dict(bpf.map_items(fd, key_size, stored))
        keys, values, total = bytearray(b"".join(pairs)), bytearray(b"".join(pairs.values())), len(pairs)
    return Column(key_size, keys, values, total)


def places_in(column: Column, wanted: Iterable[bytes]) -> dict[bytes, int]:
    """Where some keys are in a column. All of it happens in C: there may be millions."""
    within = {(key,) for key in wanted}
    cut = struct.Struct(f"{column.key_size}s").iter_unpack
    found = compress(range(column.count), map(within.__contains__, cut(column.keys)))
    size = column.key_size
    return {bytes(column.keys[n * size : (n + 1) * size]): n for n in found}


def put_into(column: Column, places: Mapping[bytes, int], elements: Mapping[bytes, bytes], stored: int) -> None:
    """Puts elements into a column, in the place of those of the same keys."""
    for key, value in elements.items():
        place = places.get(key)
        if place is None:
            column.keys += key
            column.values += value
            column.count += 1
        else:
            column.values[place * stored : (place + 1) * stored] = value


def without_tails(column: Column, size: int) -> tuple[bytearray, bytearray, int]:
    """The first so many bytes of the keys, each of them once; for each element the number of its own among these, as a
    word; and how many there are."""
    packed, step = bytes(column.keys), column.key_size
    found: dict[bytes, int] = {}
    cut = [packed[n : n + size] for n in range(0, column.count * step, step)]
    numbers = [found.setdefault(key, len(found)) for key in cut]
    return bytearray(b"".join(found)), bytearray(struct.pack(f"<{len(numbers)}Q", *numbers)), len(found)
