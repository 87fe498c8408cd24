"""Operations of maps that are functions of the language: `has_key`, `find`, `delete`, `len`."""

from __future__ import annotations

from pytrace.aggregations import AGGREGATIONS
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.layout import align_up, pieces, register_type
from pytrace.codegen.percpu import PerCpu
from pytrace.codegen.storage import by_cpu, is_cell, short_symbol, value_size
from pytrace.diagnostics import Diagnostics, Span
from pytrace.hints import Callable
from pytrace.semantics import program as core
from pytrace.semantics.types import Aggregate, size_of

__all__ = ["MapCalls"]


class MapCalls(PerCpu):
    def map_call(self, expr: core.MapCall) -> Value:
        match expr.name:
            case "has_key" | "delete" if by_cpu(expr.map, self.features.cpus):
                return self.in_parts(expr)
            case "has_key":
                if self.in_slots(expr.map):
                    return self.slot_find(expr.map, self.small_key(expr.map, expr.key))[0]
                return self.b.xor(self.b.is_null(self.lookup(expr.map, expr.key)), 1)
            case "find":
                return self._find(expr)
            case "delete":
                return self._delete(expr)
            case "len":
                return self._length(expr)
        raise ValueError(f"no operation of maps is called {expr.name}")

    def _find(self, expr: core.MapCall) -> Value:
        map_, target = expr.map, expr.args[0]
        assert isinstance(target, core.ReadVar)
        var = target.var
        if self.in_slots(map_):
            there, number = self.slot_find(map_, self.small_key(map_, expr.key))
            self.when(there, lambda: self.set_variable(var, self.b.resize(number, register_type(var.type))))
            return there
        at = self.located(map_, expr.key)
        found = self.find(at)

        def take() -> None:
            if isinstance(map_.value, Aggregate):
                self.set_variable(var, self.reduced(map_, at))
            elif core.is_scalar(var.type):
                self.set_variable(var, self.load_scalar(map_.value, found))
            else:
                self.copy(self.variable(var), found, size_of(map_.value))

        there = self.b.xor(self.b.is_null(found), 1)
        self.when(there, take)
        return there

    def _delete(self, expr: core.MapCall) -> Value:
        map_, b = expr.map, self.b
        if self.in_slots(map_):
            return self.slot_delete(map_, self.small_key(map_, expr.key))
        if map_.key is not None:
            at = self.located(map_, expr.key)
            return b.eq(self.helper("map_delete_elem", at.map, at.key), 0)
        if is_cell(map_):
            cell, size = self.cell(map_), align_up(value_size(map_))
            was = b.exchange(cell, 0, size)
            self.zero(cell, size)
            return b.ne(was, 0)
        return self._delete_copies(map_)

    def _delete_copies(self, map_: core.Map) -> Value:
        """Zeroes what all CPUs gathered; it existed if any of it was not zero."""
        b, size = self.b, value_size(map_)
        element, seen = self.located(map_, None), self.scratch(8)
        b.store(0, seen)

        def each(copy: Value) -> None:
            def word(offset: Value | int) -> None:
                at = b.gep(copy, offset)
                b.store(b.or_(b.load("i64", seen), b.load("i64", at)), seen)
                b.store(0, at)

            if size <= 64:
                for offset, _ in pieces(size, ANYWHERE):
                    word(offset)
            else:
                self.count_to(size // 8, size // 8, lambda index: word(b.shl(index, 3)))

        self.copies(map_, element).each(each)
        return b.ne(b.load("i64", seen), 0)

    def _length(self, expr: core.MapCall) -> Value:
        """The kernel's own count; else by visiting all elements. Of tables their rows are counted, as if each were an
        element."""
        if isinstance(expr.map.value, Aggregate) and AGGREGATIONS[expr.map.value.name].row_words(expr.map.value):
            return self.count_rows(expr, expr.map.value)
        if self.features.count_elements:
            return self._total(expr.map, lambda map_: self.kfunc("bpf_map_sum_elem_count", map_))
        self.require_for_each("len() of a map", expr.span)
        callback, null = self.counting_callback(), Value("null", "ptr")
        return self._total(expr.map, lambda map_: self.helper("for_each_map_elem", map_, callback, null, 0))

    def _total(self, map_: core.Map, count: Callable[[Value], Value]) -> Value:
        """The sum over the BPF maps behind a map."""
        total = count(self.map_pointer(map_))
        if map_.index in self.module.split:
            total = self.b.add(total, count(self.module.map(short_symbol(map_))))
        return total

    def require_for_each(self, what: str, span: Span) -> None:
        """Ends the compilation if the kernel cannot walk through a map."""
        if not self.features.for_each:
            Diagnostics().fail(span, f"{what} needs the helper bpf_for_each_map_elem (Linux 5.13), which is missing.")

    def count_rows(self, expr: core.MapCall, type_: Aggregate) -> Value:
        """How many rows of the tables in a map hold something, on any CPU."""
        raise NotImplementedError

    def in_parts(self, expr: core.MapCall) -> Value:
        """Looks for the parts of a value on all CPUs, or deletes them; whether there was one."""
        raise NotImplementedError

    def counting_callback(self) -> Value:
        """A function for `bpf_for_each_map_elem` that only lets it count."""
        raise NotImplementedError
