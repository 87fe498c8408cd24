"""Maps of the script: how they are stored, read and written.

| script | BPF map |
|---|---|
| `@x = value` | array of one cell, reached without a lookup: the value, then a u64 that is 1 once it was written |
| `@x[key] = value` | hash |
| `@x = count()` and the like | per-CPU array of one element |
| `@x[key] = count()` and the like | per-CPU hash |

A map whose keys are long strings, or stacks, is two hashes: one of shorter keys for those that fit (`short_size`), and
one for the others. The kernel hashes, compares and copies all bytes of a key, and most strings and stacks are much
shorter than they may be.

Maps from which keys are deleted have slots before their hash (`slots.py`), aggregations by short keys a table on each
CPU (`cached.py`).

Declared kinds choose another hash. Elements of plain hashes are allocated when they are made, where the kernel can do
that: creating a map is then cheap, whatever its size.
"""

from __future__ import annotations

from pytrace.aggregations import AGGREGATIONS
from pytrace.codegen.aggregates import is_raw_text
from pytrace.codegen.control import symbol_of
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.features import Offers
from pytrace.codegen.image import MapImage, ScriptMap
from pytrace.codegen.layout import align_up, is_signed, register_type
from pytrace.codegen.module import NO_PREALLOC
from pytrace.codegen.slots import Slots, slots_image, slots_symbol
from pytrace.codegen.visit import mentions, nodes
from pytrace.frozen import frozen, replace
from pytrace.semantics import program as core
from pytrace.semantics.types import Aggregate, Stack, Str, Type, frames_within, size_of

__all__ = ["NOEXIST", "SHORT", "Located", "Maps", "map_images", "split_maps"]

SHORT = 64
"""Bytes of the keys for short strings, with their NUL. Most paths fit."""
SHORT_STACK = 256
"""Bytes of the keys for short stacks: some 30 frames."""

NOEXIST = 1
"""BPF_NOEXIST: only make an element, do not replace one."""

PREALLOCATED = 64 << 20
"""Per-CPU hashes up to so many bytes are allocated as a whole. On demand is not for them: the kernel's per-CPU
allocator gives out what pages it has and makes more in the background, so that a burst of new keys fails with ENOMEM.
On Linux 6.18, 9 of 10 new keys of a histogram are lost that way when they come in a loop."""

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
    """The indices of the maps that are stored as two: their keys are long strings and nobody walks through them, asks
    for their address, says how they are stored, or uses them from another script."""
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
    )


def short_size(key: Type) -> int:
    """Bytes of the shorter keys for a type; 0 if it has only one kind."""
    match key:
        case Str() if size_of(key) > 2 * SHORT:
            return SHORT
        case Stack() if key.mode != "build_id" and size_of(key) > 2 * SHORT_STACK:
            return SHORT_STACK
    return 0


def short_symbol(map_: core.Map) -> str:
    return f"{symbol_of(map_)}.short"


def map_images(map_: core.Map, features: Offers, split: bool, slotted: bool) -> tuple[ScriptMap, tuple[MapImage, ...]]:
    """A map of the script as user space sees it, and the BPF maps behind it."""
    aggregate = isinstance(map_.value, Aggregate)
    symbol, size = symbol_of(map_), align_up(value_size(map_))
    script = ScriptMap(
        map_.name, symbol, map_.key, map_.value, aggregate, map_.size, map_.kind, map_.written,
        short_symbol(map_) if split else "", slots_symbol(map_) if slotted else "",
    )  # fmt: skip
    if map_.key is None:
        if not aggregate:
            return script, (MapImage(symbol, "array", 4, size + 8, 1, script_map=map_.index),)
        return script, (MapImage(symbol, "percpu_array", 4, size, 1, script_map=map_.index),)
    kind = _KINDS.get(map_.kind, "percpu_hash" if aggregate else "hash")
    lazy = kind == "hash" or (kind == "percpu_hash" and size * map_.size * features.cpus > PREALLOCATED)
    flags = NO_PREALLOC if lazy and features.lazy_maps else 0
    key_size = max(size_of(map_.key), 1)
    image = MapImage(symbol, kind, key_size, value_size(map_), map_.size, flags, script_map=map_.index)
    short = (replace(image, symbol=script.short, key_size=short_size(map_.key)),) if split else ()
    return script, (image, *short, *((slots_image(map_),) if slotted else ()))


@frozen
class Located:
    """A place in a map, as helpers take it: the map and a pointer to the key. `either` says where the map is one of
    two: whether it is the first (i1), and which they are."""

    map: Value
    key: Value
    either: tuple[Value, Value, Value] | None = None


class Maps(Slots):
    def map_key(self, map_: core.Map, key: core.Expr | None) -> Value:
        if key is None:
            cell = self.scratch(4)
            self.b.store(self.const(0, "i32"), cell)
            return cell
        with self.strictly():
            if not is_raw_text(key):
                return self.place(key)
            at = self.temporary(key.type)
            self.store(key, at)
            return at

    def located(self, map_: core.Map, key: core.Expr | None) -> Located:
        """Where a key belongs. Of a map that is split, what the key is decides in which part."""
        if map_.index not in self.module.split:
            return Located(self.map_pointer(map_), self.map_key(map_, key))
        assert key is not None
        short, type_ = self.module.map(short_symbol(map_)), Str(SHORT)
        match key:
            case core.Text(value=text) if len(text) < SHORT:
                return Located(short, self.map_key(map_, core.Text(type_, key.span, text)))
            case core.Convert(value=value) if isinstance(value.type, Str) and size_of(value.type) < SHORT:
                return Located(short, self.map_key(map_, core.Convert(type_, key.span, value)))
            case core.Call(name="str"):
                self.short = SHORT
        at = self.map_key(map_, key)
        self.short = 0
        if isinstance(map_.key, Stack):
            is_short = self.b.ule(self.b.load("i64", at), frames_within(map_.key, SHORT_STACK))
        else:
            is_short = self.b.eq(self.b.load("i8", at, SHORT - 1), 0)
        long = self.map_pointer(map_)
        return Located(self.b.select(is_short, short, long), at, (is_short, short, long))

    def find(self, at: Located) -> Value:
        """A pointer to the element of a hash, or null.

        One call for each map: the kernel replaces a call whose map is known by the instructions of the look-up.
        """
        if at.either is None:
            return self.pointer_helper("map_lookup_elem", at.map, at.key)
        first, short, long = at.either
        return self.choose(
            first,
            lambda: self.pointer_helper("map_lookup_elem", short, at.key),
            lambda: self.pointer_helper("map_lookup_elem", long, at.key),
        )

    def lookup(self, map_: core.Map, key: core.Expr | None) -> Value:
        """The same by the key's value."""
        return self.find(self.located(map_, key))

    # the cell of a scalar map

    def cell(self, map_: core.Map) -> Value:
        return self.module.data(symbol_of(map_))

    def _written(self, map_: core.Map) -> int:
        """Where a cell says that it was written."""
        return align_up(value_size(map_))

    def mark_written(self, map_: core.Map) -> None:
        """Stores only once: the line of memory stays shared between CPUs."""
        b, cell, at = self.b, self.cell(map_), self._written(map_)
        self.when(b.eq(b.load("i64", cell, at), 0), lambda: b.store(1, cell, at))

    # reading

    def read_map(self, expr: core.ReadMap) -> Value:
        map_ = expr.map
        if isinstance(map_.value, Aggregate):
            at = self.located(map_, expr.key)
            if self.module.program.check_reads and expr.key is not None:
                found = self.find(at)
                self.when(self.b.is_null(found), lambda: self._missing(expr, "map_lookup_percpu_elem"))
            return self.b.resize(self.reduced(map_, at), register_type(expr.type))
        if is_cell(map_):
            cell = self.cell(map_)
            return self.load_scalar(expr.type, cell, volatile=True) if core.is_scalar(expr.type) else cell
        if self.in_slots(map_):
            is_there, word = self.slot_find(map_, self.small_key(map_, expr.key))
            if self.module.program.check_reads:
                self.when(is_there, lambda: None, lambda: self._missing(expr))
            number = self.b.resize(word, register_type(map_.value))
            return self.b.select(is_there, number, self.const(0, number.type))
        found = self.lookup(map_, expr.key)

        def missing() -> Value:
            self._missing(expr)
            if core.is_scalar(expr.type):
                return self.const(0, register_type(expr.type))
            return self.module.zeros(align_up(size_of(expr.type)))

        def there() -> Value:
            return self.load_scalar(expr.type, found) if core.is_scalar(expr.type) else found

        return self.choose(self.b.is_null(found), missing, there)

    def _missing(self, expr: core.ReadMap | core.Step, helper: str = "map_lookup_elem") -> None:
        """There is no element of that key."""
        if self.module.program.check_reads:
            self.report("map_lookup", expr.span, helper, self.const(0))

    def reduced(self, map_: core.Map, at: Located) -> Value:
        """A castable aggregation as an integer (i64)."""
        raise NotImplementedError

    # writing

    def set_map(self, stmt: core.SetMap) -> None:
        map_, value = stmt.map, stmt.value
        scalar = core.is_scalar(map_.value)
        if is_cell(map_):
            cell = self.cell(map_)
            if scalar:
                self.store_scalar(self.eval(value), map_.value, cell, volatile=True)
            elif mentions(value, map_):
                self.copy(cell, self.place(value), size_of(map_.value))
            else:
                self.store(value, cell)
            self.mark_written(map_)
            return
        if self.in_slots(map_):
            number = self.eval(value)
            result = self.slot_set(map_, self.small_key(map_, stmt.key), number)
            self.when(self.b.ne(result, 0), lambda: self.refuse(map_, result, stmt.span))
            return
        if scalar:
            number = self.eval(value)
            held = self.temporary(map_.value)
            self.store_scalar(number, map_.value, held)
        else:
            held = self.place(value)
            if mentions_element(value) or is_raw_text(value):  # a key that follows may need the same element's place
                kept = self.temporary(map_.value)
                self.copy(kept, held, size_of(map_.value))
                held = kept
                if is_raw_text(value):
                    self.end_string(held, size_of(map_.value))
        at = self.located(map_, stmt.key)
        if scalar and not self.often_new(map_):
            self._replace(map_, at, number, held, stmt)
        else:
            self._insert(map_, at, held, stmt)

    def often_new(self, map_: core.Map) -> bool:
        """Whether keys come and go, so that looking for an element before making it is in vain."""
        return map_.index in self.module.deleted_from

    def _replace(self, map_: core.Map, at: Located, number: Value, held: Value, stmt: core.SetMap) -> None:
        """Writes into the element if there is one: cheaper than exchanging it."""
        b = self.b
        found = self.find(at)
        self.when(
            b.is_null(found),
            lambda: self._insert(map_, at, held, stmt),
            lambda: self.store_scalar(number, map_.value, found, volatile=True),
        )

    def _insert(self, map_: core.Map, at: Located, held: Value, stmt: core.Stmt | core.Expr) -> None:
        result = self.helper("map_update_elem", at.map, at.key, held, 0)
        self.when(self.b.ne(result, 0), lambda: self.refuse(map_, result, stmt.span))

    # ++ and --

    def step_map(self, expr: core.Step, map_: core.Map, wanted: bool) -> Value:
        b, type_ = self.b, register_type(map_.value)
        delta = self.const(expr.delta, type_)
        if is_cell(map_):
            before = self._add(self.cell(map_), delta, wanted)
            self.mark_written(map_)
        else:
            before = self._step_element(expr, map_, delta, wanted)
        if not wanted:
            return before
        value = b.add(before, delta) if expr.prefix else before
        return b.resize(value, register_type(expr.type), is_signed(map_.value))

    def _add(self, at: Value, delta: Value, wanted: bool) -> Value:
        """Adds to a number in memory; gives what was there before, if that is wanted."""
        b = self.b
        if delta.type in ("i32", "i64"):
            if wanted:
                return b.fetch_add(at, delta)
            b.atomic_add(at, delta)
            return delta
        before = b.load(delta.type, at, volatile=True)
        b.store(b.add(before, delta), at, volatile=True)
        return before

    def _step_element(self, expr: core.Step, map_: core.Map, delta: Value, wanted: bool) -> Value:
        b, element = self.b, self.located(map_, expr.key)
        found = self.find(element)
        make, present, join = b.block("make"), b.block("present"), b.block("join")
        lookup = b.current
        b.cond_br(b.is_null(found), make, present)
        b.place(make)
        self._missing(expr)
        held = self.temporary(map_.value)
        self.store_scalar(delta, map_.value, held)
        result = self.helper("map_update_elem", element.map, element.key, held, NOEXIST)
        made, failed = b.current, b.block("failed")
        b.cond_br(b.eq(result, 0), join, failed)
        b.place(failed)
        again = self.find(element)  # another CPU was first, or there is no room
        second, missed = b.current, b.block("missed")
        b.cond_br(b.is_null(again), missed, present)
        b.place(missed)
        self.refuse(map_, result, expr.span)
        lost = b.current
        b.br(join)
        b.place(present)
        at = b.phi((found, lookup), (again, second))
        before = self._add(Value(at.text, "ptr", ANYWHERE), delta, wanted)
        there = b.current
        b.place(join)
        zero = self.const(0, delta.type)
        return b.phi((zero, made), (zero, lost), (before, there)) if wanted else delta


def mentions_element(value: core.Expr) -> bool:
    """Whether a value in memory may be a piece of a map, which evaluating the key could change."""
    return not isinstance(value, core.Text | core.Zero | core.MakeTuple | core.Load | core.Call | core.Convert)
