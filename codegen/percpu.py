"""Aggregations: updating this CPU's copy, and reading the copies of all CPUs."""

from __future__ import annotations

from pytrace.aggregations import AGGREGATIONS
from pytrace.aggregations.aggregation import Step
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.image import part_at
from pytrace.codegen.maps import NOEXIST, Located
from pytrace.codegen.storage import by_cpu
from pytrace.codegen.wide_keys import WideKeys
from pytrace.hints import Callable, Sequence
from pytrace.semantics import program as core
from pytrace.semantics.types import Aggregate

__all__ = ["CopiesOf", "PerCpu"]


class CopiesOf:
    """The copies of one value (`aggregations.aggregation.Copies`). Where the kernel cannot look at other CPUs, only
    the current CPU's is seen."""

    def __init__(self, emitter: PerCpu, at: Located, cpu_at: int = 0) -> None:
        self.emitter, self.at = emitter, at
        self.cpu_at = cpu_at
        """Where in the key the number of the CPU is; 0 if it is not there, and the map a per-CPU one."""

    def fold(self, initial: Sequence[Value], step: Step) -> Sequence[Value]:
        e = self.emitter
        cells = [e.scratch(8) for _ in initial]
        for cell, value in zip(cells, initial, strict=True):
            e.b.store(value, cell)

        def look(copy: Value) -> None:
            results = step([e.b.load("i64", cell) for cell in cells], copy)
            for cell, value in zip(cells, results, strict=True):
                e.b.store(value, cell)

        self.each(look)
        return [e.b.load("i64", cell) for cell in cells]

    def each(self, body: Callable[[Value], None]) -> None:
        """Runs `body` with a pointer to each copy that there is."""
        e, at = self.emitter, self.at
        if self.cpu_at:

            def look_up(cpu: Value) -> None:
                e.b.store(e.b.trunc(cpu, "i32"), at.key, self.cpu_at)
                copy = e.find(at)
                e.when(e.b.xor(e.b.is_null(copy), 1), lambda: body(copy))

            e.count_to(e.features.cpus, e.features.cpus, look_up)
            return
        if not e.features.lookup_percpu:
            copy = e.find(at)
            e.when(e.b.xor(e.b.is_null(copy), 1), lambda: body(copy))
            return

        def look(cpu: Value) -> None:
            copy = e.pointer_helper("map_lookup_percpu_elem", at.map, at.key, cpu)
            e.when(e.b.xor(e.b.is_null(copy), 1), lambda: body(copy))

        e.count_to(e.features.cpus, e.features.cpus, look)


class PerCpu(WideKeys):
    def update(self, stmt: core.Update) -> None:
        """Adds to this CPU's copy; the first use of a key makes its element."""
        map_, type_ = stmt.map, stmt.map.value
        assert isinstance(type_, Aggregate)
        aggregation = AGGREGATIONS[type_.name]
        part, args = aggregation.prepare(self, type_, [self.eval64(arg) for arg in stmt.args])
        b, apart = self.b, by_cpu(map_, self.features.cpus)
        done, update, hit = b.block("done"), b.block("update"), b.block("hit")
        cached = map_.index in self.module.cached
        if cached:
            at, candidate = self.find_key(map_, stmt.key, hit, done)
        elif apart:
            at = self.located_part(map_, stmt.key, part or self.const(0))
        else:
            at = self.located(map_, stmt.key)
        found = self.find(at)
        if map_.key is not None or apart:
            lookup, make, present = b.current, b.block("make"), b.block("present")
            b.cond_br(b.is_null(found), make, present)
            b.place(make)
            zeros = self.module.zeros(aggregation.value_size(type_))
            # Where another CPU made the element first this fails, and the second look finds that one.
            result = self.helper("map_update_elem", at.map, at.key, zeros, NOEXIST)
            again = self.find(at)
            missed, made = b.block("missed"), b.current
            b.cond_br(b.is_null(again), missed, present)
            b.place(missed)
            self.refuse(map_, result, stmt.span)
            b.br(done)
            b.place(present)
            found = b.phi((found, lookup), (again, made))
            b.br(update)
            b.place(update)
        else:
            b.cond_br(b.is_null(found), done, update)
            b.place(update)
        self.exclusive = self.updaters.get(map_.index, False)
        found = Value(found.text, "ptr", ANYWHERE)
        aggregation.update(self, type_, found, args)
        if cached:
            self.take_row(map_, candidate, at.key, found)
            b.br(done)
            b.place(hit)
            aggregation.update(self, type_, candidate.hit, args)
        b.place(done)

    def copies(self, map_: core.Map, at: Located) -> CopiesOf:
        return CopiesOf(self, at, part_at(map_.key) + 4 if by_cpu(map_, self.features.cpus) else 0)

    def reduced(self, map_: core.Map, at: Located) -> Value:
        """A castable aggregation as an integer (i64)."""
        assert isinstance(map_.value, Aggregate)
        return AGGREGATIONS[map_.value.name].reduce(self, map_.value, self.copies(map_, at))
