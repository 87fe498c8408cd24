"""Values in memory: where they are (`place`), and how they are built where they are wanted (`store`)."""

from __future__ import annotations

from pytrace.builtins.registry import REGISTRY
from pytrace.codegen.emitter import Value
from pytrace.codegen.expressions import Expressions, narrow
from pytrace.codegen.layout import align_up, memory_type
from pytrace.frozen import frozen
from pytrace.semantics import program as core
from pytrace.semantics.types import Array, Record, Str, Struct, Tuple, Type, members_of, offsets_of, size_of

__all__ = ["Aggregates", "Held", "is_raw_text"]


@frozen
class Held(core.Expr):
    """A value that was evaluated already and is in memory."""

    pointer: Value


def is_raw_text(expr: core.Expr) -> bool:
    """Whether a string is a part of a struct or array, as which it was copied with whatever stands behind its NUL."""
    value = expr
    while isinstance(value, core.Part | core.Element) and isinstance(expr.type, Str):
        offset = value.offset if isinstance(value, core.Part) else 0
        value = value.value
        if isinstance(_member_at(value.type, offset), Struct | Array):
            return True
    return False


def _member_at(type_: Type, offset: int) -> Type:
    """What of tuples in tuples is at an offset: parts of parts are written as one."""
    while isinstance(type_, Tuple | Record):
        number, start = max((each for each in enumerate(offsets_of(type_)) if each[1] <= offset), key=lambda e: e[1])
        type_, offset = members_of(type_)[number], offset - start
    return type_


class Aggregates(Expressions):
    def place(self, expr: core.Expr) -> Value:
        size = size_of(expr.type)
        match expr:
            case core.Text(value=text):
                return self.module.rodata(text[:size].ljust(align_up(size), b"\0"))
            case core.Convert(value=core.Text(value=text)) if isinstance(expr.type, Str | Array):
                return self.module.rodata(text[:size].ljust(align_up(size), b"\0"))
            case core.Zero():
                return self.module.zeros(align_up(size))
            case core.Const(value=value):
                number = value & ((1 << 8 * size) - 1)
                return self.module.rodata(number.to_bytes(size, "little"), max(size, 1))
            case core.ReadVar(var=var) if not core.is_scalar(var.type):
                return self.variable(var)
            case core.ReadMap() if not core.is_scalar(expr.type):
                with self.at(expr.span):
                    return self.read_map(expr)
            case Held(pointer=pointer):
                return pointer
            case core.ProbeName():
                return self.probe_name(expr)
            case core.Part() if not core.is_scalar(expr.type):
                simpler = narrow(expr)
                if isinstance(simpler, core.Part):
                    return self.b.gep(self.place(simpler.value), simpler.offset)
                return self.place(simpler)
            case core.Element() if not core.is_scalar(expr.type):
                return self.element_pointer(expr)
            case core.Select(cond=cond, then=then, orelse=orelse) if not core.is_scalar(expr.type):
                yes, no = self.b.block("then"), self.b.block("else")
                self.jump(cond, yes, no)
                return self.merge(yes, no, lambda: self.place(then), lambda: self.place(orelse))
            case core.Do(body=body, value=value) if value is not None and not core.is_scalar(expr.type):
                self.block(body)
                if self.b.closed:
                    self.b.place(self.b.block("dead"))
                return self.place(value)
        at = self.temporary(expr.type)
        self.store(expr, at)
        return at

    def store(self, expr: core.Expr, at: Value) -> None:
        if core.is_scalar(expr.type):
            self.store_scalar(self.eval(expr), expr.type, at)
            return
        size = size_of(expr.type)
        match expr:
            case core.Text(value=text):
                self.fill_bytes(text, size, at)
            case core.Zero():
                self.zero(at, size)
            case core.Convert(value=value):
                self._convert_to(expr, value, at)
            case core.MakeTuple():
                self._make(expr, at)
            case core.Load():
                with self.at(expr.span):
                    self.load_to(expr, at)
            case core.ContextRead():
                with self.at(expr.span):
                    self.context_store(expr, at)
            case core.Part() if not isinstance(simpler := narrow(expr), core.Part):
                self.store(simpler, at)
            case core.Select(cond=cond, then=then, orelse=orelse):
                yes, no, join = self.b.block("then"), self.b.block("else"), self.b.block("join")
                self.jump(cond, yes, no)
                for label, side in ((yes, then), (no, orelse)):
                    self.b.place(label)
                    self.store(side, at)
                    if not self.b.closed:
                        self.b.br(join)
                self.b.place(join)
            case core.Do(body=body, value=value) if value is not None:
                self.block(body)
                if self.b.closed:
                    self.b.place(self.b.block("dead"))
                self.store(value, at)
            case core.Call(name=name):
                fill = REGISTRY[name].fill
                assert fill is not None, name
                with self.at(expr.span):
                    fill(self, expr, at)
            case _:
                self.copy(at, self.place(expr), size)
                if self.strict and is_raw_text(expr):
                    self.end_string(at, size)

    def _make(self, expr: core.MakeTuple, at: Value) -> None:
        """The members in their order, and zeros in the gaps between them."""
        assert isinstance(expr.type, Tuple | Record)
        offsets, members = offsets_of(expr.type), members_of(expr.type)
        short, self.short = self.short, 0
        for i in expr.order or range(len(expr.items)):
            item = expr.items[i]
            if i == len(expr.items) - 1 and isinstance(item, core.Call) and item.name == "str":
                self.short = short
            self.store(item, self.b.gep(at, offsets[i]))
            self.short = 0
        if not self.strict:
            return
        ends = (*offsets[1:], size_of(expr.type))
        for offset, member, end in zip(offsets, members, ends, strict=True):
            gap = offset + size_of(member)
            if gap < end:
                self.zero(self.b.gep(at, gap), end - gap)

    def _convert_to(self, expr: core.Convert, value: core.Expr, at: Value) -> None:
        type_, size = expr.type, size_of(expr.type)
        if isinstance(value, core.Text):
            self.fill_bytes(value.value, size, at)
        elif core.is_scalar(value.type):
            self._spread(self.eval(value), value, size, at)
        elif isinstance(type_, Tuple | Record) and type(value.type) is type(type_):
            self._convert_members(type_, value, at)
        else:
            taken = min(size, size_of(value.type))
            self.copy(at, self.place(value), taken)
            if taken < size:
                self.zero(self.b.gep(at, taken), size - taken)
            if self.strict and is_raw_text(value):
                self.end_string(at, size)

    def _spread(self, value: Value, expr: core.Expr, size: int, at: Value) -> None:
        """The bytes of a scalar, zero-filled or cut."""
        width = memory_type(expr.type)
        value = self.b.resize(value, width)
        taken = min(int(width[1:]) // 8, size)
        if taken & (taken - 1) == 0:
            self.b.store(self.b.resize(value, f"i{8 * taken}"), at)
        else:
            for i in range(taken):
                self.b.store(self.b.trunc(self.b.lshr(value, 8 * i), "i8"), at, i)
        if taken < size:
            self.zero(self.b.gep(at, taken), size - taken)

    def _convert_members(self, type_: Tuple | Record, value: core.Expr, at: Value) -> None:
        """Member by member; those of a record by name. The source is evaluated once."""
        assert isinstance(value.type, Tuple | Record)
        source = Held(value.type, value.span, self.place(value))
        from_offsets, from_types = offsets_of(value.type), members_of(value.type)
        if isinstance(type_, Record) and isinstance(value.type, Record):
            positions = {name: i for i, (name, _) in enumerate(value.type.fields)}
            order = [positions[name] for name, _ in type_.fields]
        else:
            order = list(range(len(from_types)))
        items = []
        for member, i in zip(members_of(type_), order, strict=True):
            part: core.Expr = core.Part(from_types[i], value.span, source, from_offsets[i])
            items.append(part if member == from_types[i] else core.Convert(member, value.span, part))
        self._make(core.MakeTuple(type_, value.span, tuple(items)), at)
