"""Walks through whole maps: counting what is in tables, and finding values that are stored in parts."""

from __future__ import annotations

from pytrace.aggregations import AGGREGATIONS
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.image import part_at
from pytrace.codegen.loops import Loops
from pytrace.codegen.maps import Located
from pytrace.codegen.storage import by_cpu, key_size, parts_of
from pytrace.semantics import program as core
from pytrace.semantics.types import Aggregate

__all__ = ["Tables"]


class Tables(Loops):
    def count_rows(self, expr: core.MapCall, type_: Aggregate) -> Value:
        self.require_for_each("len() of a map", expr.span)
        aggregation = AGGREGATIONS[type_.name]
        words = aggregation.row_words(type_)
        rows = aggregation.value_size(type_) // (8 * words)
        size = key_size(expr.map, self.features.cpus)
        total, key = self.space.allocate(8), self.space.allocate(size)
        self.b.store(0, self.slot(total), volatile=True)

        pointer = self.map_pointer(expr.map)

        def table() -> None:
            self.copy(self.slot(key), Value("%key", "ptr", ANYWHERE), size)
            if by_cpu(expr.map, self.features.cpus):
                first = self.is_first(expr.map, Located(pointer, self.slot(key)))
                self.when(first, lambda: self._numbers(self.const(rows), expr, row))
            else:
                self._numbers(self.const(rows), expr, row)

        def row(index: Value) -> None:
            # The last word of a row is zero as long as nothing was stored in it.
            at = self.b.add(self.b.mul(self.clamp(index, rows - 1), 8 * words), 8 * (words - 1))
            (seen,) = self.copies(expr.map, Located(pointer, self.slot(key))).fold(
                [self.const(0)], lambda before, copy: [self.b.or_(before[0], self.b.load("i64", self.b.gep(copy, at)))]
            )
            b = self.b
            before = b.load("i64", self.slot(total), volatile=True)
            b.store(b.add(before, b.zext(b.ne(seen, 0))), self.slot(total), volatile=True)

        self._call_back(
            expr, ("map", "key", "value", "state"), table,
            lambda callback, state: self.helper("for_each_map_elem", pointer, callback, state, 0),
        )  # fmt: skip
        return self.b.load("i64", self.slot(total), volatile=True)

    def is_first(self, map_: core.Map, at: Located) -> Value:
        """Whether no CPU before the one that an element belongs to has the same part of the same key."""
        b, cpu_at = self.b, part_at(map_.key) + 4
        before, own = self.scratch(8), b.zext(b.load("i32", at.key, cpu_at))
        b.store(0, before, volatile=True)

        def look(cpu: Value) -> None:
            b.store(b.trunc(cpu, "i32"), at.key, cpu_at)
            there = b.and_(b.xor(b.is_null(self.find(at)), 1), b.ult(cpu, own))
            self.when(there, lambda: b.store(1, before, volatile=True))

        self.count_to(self.features.cpus, self.features.cpus, look)
        return b.eq(b.load("i64", before, volatile=True), 0)

    def in_parts(self, expr: core.MapCall) -> Value:
        b, map_, cpus = self.b, expr.map, self.features.cpus
        size, number_at = key_size(map_, cpus), part_at(map_.key)
        seen, key = self.space.allocate(8), self.space.allocate(size)
        b.store(0, self.slot(seen), volatile=True)
        self.store_part(map_, expr.key, self.slot(key))

        def each(index: Value) -> None:
            b, at = self.b, Located(self.map_pointer(map_), self.slot(key))
            b.store(b.trunc(b.udiv(index, cpus), "i32"), at.key, number_at)
            b.store(b.trunc(b.urem(index, cpus), "i32"), at.key, number_at + 4)
            if expr.name == "delete":
                there = b.eq(self.helper("map_delete_elem", at.map, at.key), 0)
            else:
                there = b.xor(b.is_null(self.find(at)), 1)
            self.when(there, lambda: self.b.store(1, self.slot(seen), volatile=True))

        self._numbers(self.const(parts_of(map_) * cpus), expr, each)
        return self.b.ne(self.b.load("i64", self.slot(seen), volatile=True), 0)

    def counting_callback(self) -> Value:
        return Value(f"@{self._function(('map', 'key', 'value', 'state'), lambda: None)}", "ptr")
