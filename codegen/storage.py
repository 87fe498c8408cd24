"""How the maps of the script are stored.

| script | BPF map |
|---|---|
| `@x = value` | array of one cell, reached without a lookup: the value, then a u64 that is 1 once it was written |
| `@x[key] = value` | hash |
| `@x = count()` and the like | per-CPU array of one element |
| `@x[key] = count()` and the like | per-CPU hash |
| either, where that would be too large | hash by key, part and CPU (`by_cpu`) |

A map whose keys are or end with long strings, or are stacks, is two hashes: one of shorter keys for those that fit
(`short_size`), and one for the others. The kernel hashes, compares and copies all bytes of a key, and most strings and
stacks are much shorter than they may be.

Maps from which keys are deleted have slots before their hash (`slots.py`), aggregations by short keys a table on each
CPU (`cached.py`).

Declared kinds choose another hash. Elements of plain hashes are allocated when they are made, where the kernel can do
that: creating a map is then cheap, whatever its size. But the kernel keeps few of them at hand, at the start one of
more than 256 bytes and four of others, and cannot get more while interrupts are off: then all are allocated before
(`bursting_maps`).
"""

from __future__ import annotations

from pytrace.aggregations import AGGREGATIONS
from pytrace.codegen.control import symbol_of
from pytrace.codegen.features import Offers
from pytrace.codegen.image import MapImage, ScriptMap, part_at
from pytrace.codegen.layout import align_up
from pytrace.codegen.module import NO_PREALLOC
from pytrace.codegen.visit import nodes
from pytrace.frozen import replace
from pytrace.probes.provider import Target
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    Aggregate,
    Record,
    Stack,
    Str,
    Tuple,
    Type,
    members_of,
    offsets_of,
    size_of,
)

__all__ = [
    "SHORT", "SHORT_STACK", "bursting_maps", "by_cpu", "is_cell", "key_size", "map_images", "parts_of", "short_size",
    "short_symbol", "split_maps", "text_at", "value_size",
]  # fmt: skip

SHORT = 64
"""Bytes of the keys for short strings, with their NUL. Most paths fit."""
SHORT_STACK = 256
"""Bytes of the keys for short stacks: some 30 frames."""

PREALLOCATED = 64 << 20
"""Hashes up to so many bytes may be allocated as a whole; per-CPU ones always are. On demand is not for these: the
kernel's per-CPU allocator gives out what pages it has and makes more in the background, so that a burst of new keys
fails with ENOMEM. On Linux 6.18, 9 of 10 new keys of a histogram are lost that way when they come in a loop."""

MOST_PARTS = 65536
"""How many parts of values a map holds at most, if a single key cannot have more, and the script does not ask for more
keys: the kernel sets up the hash table for as many. They are allocated when they are needed: hence they are not values
of a per-CPU hash (see above), and only the CPUs that have one take memory for it."""
MOST_READY_PARTS = 4096
"""The same where they are allocated before."""
ELEMENT = 64
"""Bytes of an element besides its key and value, about."""
_INTERRUPTIBLE = frozenset({"uprobe", "uretprobe", "usdt", "begin", "end", "self", "test", "bench", "iter"})
"""Providers whose programs run with interrupts on; so do those of tracepoints of system calls."""

_KINDS = {"hash": "hash", "lruhash": "lru_hash", "percpuhash": "percpu_hash", "percpulruhash": "lru_percpu_hash"}


def is_cell(map_: core.Map) -> bool:
    """Whether the map is an array of one cell."""
    return map_.key is None and not isinstance(map_.value, Aggregate)


def value_size(map_: core.Map) -> int:
    """Bytes of a value, on one CPU."""
    if isinstance(map_.value, Aggregate):
        return AGGREGATIONS[map_.value.name].value_size(map_.value)
    return max(size_of(map_.value), 1)


def split_maps(program: core.Program) -> frozenset[int]:
    """The indices of the maps that are stored as two: their keys have a `short_size`, and nobody walks through them,
    asks for their address, says how they are stored, or uses them from another script."""
    if program.shared:
        return frozenset()
    whole = set()
    for probe in program.probes:
        for node in nodes(probe.body):
            match node:
                case core.MapLoop(map=map_) | core.AddressOf(of=core.Map() as map_):
                    whole.add(map_.index)
                case core.MapCall(name="len", map=map_) if isinstance(map_.value, Aggregate):
                    whole.add(map_.index)  # its tables may have to be walked through
    return frozenset(
        map_.index
        for map_ in program.maps
        if map_.key is not None and short_size(map_.key) and not map_.kind and map_.index not in whole
        and not _is_table(map_)
    )  # fmt: skip


def parts_of(map_: core.Map) -> int:
    """How many parts a value has, on each CPU."""
    return AGGREGATIONS[map_.value.name].parts(map_.value) if isinstance(map_.value, Aggregate) else 1


def _is_table(map_: core.Map) -> bool:
    return isinstance(map_.value, Aggregate) and AGGREGATIONS[map_.value.name].row_words(map_.value) > 0


def by_cpu(map_: core.Map, cpus: int) -> bool:
    """Whether the map is a hash in which each CPU has elements of its own: of values in several parts, and of tables
    that would take too much memory if each CPU had one for each key that there may be."""
    if parts_of(map_) > 1:
        return True
    large = map_.size * value_size(map_) * cpus > PREALLOCATED
    return map_.key is not None and _is_table(map_) and map_.kind in ("", "percpuhash") and large


def key_size(map_: core.Map, cpus: int) -> int:
    """Bytes of the keys of the BPF map."""
    if by_cpu(map_, cpus):
        return part_at(map_.key) + 8
    return max(size_of(map_.key), 1) if map_.key is not None else 4


def short_size(key: Type) -> int:
    """Bytes of the shorter keys for a type; 0 if it has only one kind."""
    match key:
        case Str() if size_of(key) > 2 * SHORT:
            return SHORT
        case Stack() if key.mode != "build_id" and size_of(key) > 2 * SHORT_STACK:
            return SHORT_STACK
        case Tuple() | Record() if (text := text_at(key)) is not None and size_of(members_of(key)[-1]) > 2 * SHORT:
            return text + SHORT
    return 0


def text_at(key: Type) -> int | None:
    """Where in a key the string is with which it ends; None if it ends with something else."""
    if isinstance(key, Tuple | Record):
        last = members_of(key)[-1:]
        return offsets_of(key)[-1] if last and isinstance(last[0], Str) else None
    return 0 if isinstance(key, Str) else None


def short_symbol(map_: core.Map) -> str:
    return f"{symbol_of(map_)}.short"


def map_images(
    map_: core.Map, features: Offers, *, split: bool, bursts: bool
) -> tuple[ScriptMap, tuple[MapImage, ...]]:
    """A map of the script as user space sees it, and the BPF maps behind it."""
    aggregate = isinstance(map_.value, Aggregate)
    symbol, size, apart = symbol_of(map_), align_up(value_size(map_)), by_cpu(map_, features.cpus)
    script = ScriptMap(
        map_.name, symbol, map_.key, map_.value, aggregate, map_.size, map_.kind, map_.written,
        short_symbol(map_) if split else "", apart,
    )  # fmt: skip
    if apart:
        return script, (_apart(map_, symbol, features, bursts),)
    if map_.key is None:
        if not aggregate:
            return script, (MapImage(symbol, "array", 4, size + 8, 1, script_map=map_.index),)
        return script, (MapImage(symbol, "percpu_array", 4, size, 1, script_map=map_.index),)
    kind = _KINDS.get(map_.kind, "percpu_hash" if aggregate else "hash")
    bytes_of_key = key_size(map_, features.cpus)
    each = ELEMENT + bytes_of_key + size * (features.cpus if kind == "percpu_hash" else 1)
    small = each * map_.size <= PREALLOCATED
    lazy = kind in ("hash", "percpu_hash") and not (small and (kind == "percpu_hash" or bursts))
    flags = NO_PREALLOC if lazy and features.lazy_maps else 0
    image = MapImage(symbol, kind, bytes_of_key, value_size(map_), map_.size, flags, script_map=map_.index)
    short = (replace(image, symbol=script.short, key_size=short_size(map_.key)),) if split and map_.key else ()
    return script, (image, *short)


def _apart(map_: core.Map, symbol: str, features: Offers, bursts: bool) -> MapImage:
    """The hash for the parts of values on each CPU."""
    lru = map_.kind in ("lruhash", "percpulruhash")
    lazy = features.lazy_maps and not lru and not bursts
    least = parts_of(map_) * features.cpus
    wanted = least * (map_.size if map_.key is not None else 1)
    entries = min(wanted, max(least, map_.size, MOST_PARTS if lazy else MOST_READY_PARTS))
    flags, kind, size = NO_PREALLOC if lazy else 0, "lru_hash" if lru else "hash", key_size(map_, features.cpus)
    return MapImage(symbol, kind, size, value_size(map_), entries, flags, script_map=map_.index)


def bursting_maps(program: core.Program) -> frozenset[int]:
    """The indices of the maps that may get many new keys while interrupts are off. What other scripts do with a map
    that they share is not known."""
    found = set()
    for probe in program.probes:
        if program.shared or not all(map(_interruptible, probe.targets)):
            for node in nodes(probe.body):
                match node:
                    case core.SetMap(map=map_) | core.Update(map=map_) | core.Step(target=core.Map() as map_):
                        found.add(map_.index)
    return frozenset(found)


def _interruptible(target: Target) -> bool:
    if target.provider == "tracepoint":
        return target.text("category") in ("syscalls", "raw_syscalls")
    return target.provider in _INTERRUPTIBLE
