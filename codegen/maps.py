"""Maps of the script: how they are read and written. How they are stored is decided in `storage.py`."""

from __future__ import annotations

from pytrace.codegen.aggregates import is_raw_text
from pytrace.codegen.control import symbol_of
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.image import part_at
from pytrace.codegen.layout import align_up, is_signed, register_type
from pytrace.codegen.slots import Slots
from pytrace.codegen.storage import SHORT, SHORT_STACK, is_cell, key_size, short_size, short_symbol, value_size
from pytrace.codegen.visit import mentions
from pytrace.frozen import frozen
from pytrace.semantics import program as core
from pytrace.semantics.types import Aggregate, Stack, Str, frames_within, size_of

__all__ = ["NOEXIST", "Located", "Maps"]

NOEXIST = 1
"""BPF_NOEXIST: only make an element, do not replace one."""

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
                return self.cleaned(key)
            at = self.temporary(key.type)
            self.store(key, at)
            return at

    def store_part(self, map_: core.Map, key: core.Expr | None, at: Value) -> None:
        """Writes a key as that of a part, but for the number of the part and the CPU."""
        if key is not None:
            size = size_of(key.type)
            with self.strictly():
                self.store(key, at)
                self.clean(key.type, at)
            self.zero(self.b.gep(at, size), part_at(map_.key) - size)

    def located_part(self, map_: core.Map, key: core.Expr | None, part: Value) -> Located:
        """Where this CPU's part of a key's value belongs."""
        at, number = self.scratch(key_size(map_, self.features.cpus)), part_at(map_.key)
        self.store_part(map_, key, at)
        self.b.store(self.b.trunc(part, "i32"), at, number)
        self.b.store(self.b.trunc(self.helper("get_smp_processor_id"), "i32"), at, number + 4)
        return Located(self.map_pointer(map_), at)

    def located(self, map_: core.Map, key: core.Expr | None) -> Located:
        """Where a key belongs. Of a map that is split, what the key is decides in which of the two."""
        if map_.index not in self.module.split:
            return Located(self.map_pointer(map_), self.map_key(map_, key))
        assert key is not None
        short, type_ = self.module.map(short_symbol(map_)), Str(SHORT)
        match key:
            case core.Text(value=text) if len(text) < SHORT:
                return Located(short, self.map_key(map_, core.Text(type_, key.span, text)))
            case core.Convert(value=value) if isinstance(value.type, Str) and size_of(value.type) < SHORT:
                return Located(short, self.map_key(map_, core.Convert(type_, key.span, value)))
            case core.Call(name="str") | core.MakeTuple():
                self.short = SHORT
        at = self.map_key(map_, key)
        self.short = 0
        if isinstance(map_.key, Stack):
            is_short = self.b.ule(self.b.load("i64", at), frames_within(map_.key, SHORT_STACK))
        else:
            assert map_.key is not None
            is_short = self.b.eq(self.b.load("i8", at, short_size(map_.key) - 1), 0)
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
