"""Scalar values: each kind of expression as a value in a register."""

from __future__ import annotations

from pytrace.builtins.registry import REGISTRY
from pytrace.codegen.base import VOID
from pytrace.codegen.context import Context, is_address
from pytrace.codegen.control import Control
from pytrace.codegen.emitter import Value
from pytrace.codegen.layout import is_signed, memory_type, register_type
from pytrace.codegen.memory import Memory
from pytrace.codegen.visit import is_pure
from pytrace.semantics import program as core
from pytrace.semantics.types import Bool, Nothing, Pointer, Str, Type, Void, offsets_of, size_of

__all__ = ["Expressions", "narrow"]

_UNSIGNED = {"lt": "ult", "le": "ule", "gt": "ugt", "ge": "uge"}
_SIGNED = {"lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}
_ARITH = {
    "add": "add", "sub": "sub", "mul": "mul", "udiv": "udiv", "umod": "urem", "and": "and", "or": "or", "xor": "xor",
    "shl": "shl", "lshr": "lshr",
}  # fmt: skip


class Expressions(Context, Control, Memory):
    def eval(self, expr: core.Expr) -> Value:
        value = self._eval(expr)
        if self.is_object(expr):
            value = self.b.scalar(self.b.resize(value, "i64"))
        if value.type == "void" or isinstance(expr.type, Void | Nothing):
            return VOID
        wanted = register_type(expr.type)
        if value.type == wanted:
            return value
        if wanted == "i1":  # a builtin that gives its truth in a wider register
            return self.b.ne(value, 0)
        return self.b.resize(value, wanted, is_signed(expr.type))

    def object(self, expr: core.Expr) -> Value:
        while isinstance(expr, core.Convert) and is_address(expr.type):
            expr = expr.value
        if isinstance(expr, core.ContextAddress):
            return self.b.ptrtoint(self.b.gep(self.context_pointer(), expr.offset))
        return self.b.resize(self._eval(expr), "i64")

    def eval64(self, expr: core.Expr) -> Value:
        return self.b.resize(self.eval(expr), "i64", is_signed(expr.type))

    def _eval(self, expr: core.Expr) -> Value:
        b = self.b
        match expr:
            case core.Const(value=value):
                return self.const(value, register_type(expr.type))
            case core.Zero():
                return VOID if isinstance(expr.type, Void | Nothing) else self.const(0, register_type(expr.type))
            case core.ReadVar(var=var):
                return self.load_scalar(var.type, self.variable(var), volatile=self.volatile(var))
            case core.Arith():
                return self._arith(expr)
            case core.Compare(op=op, left=left, right=right):
                names = _SIGNED if is_signed(left.type) else _UNSIGNED
                first, second = self._both(self.eval(left), right)
                return b.cmp(names.get(op, op), first, second)
            case core.Logical() | core.Not():
                return self._truth(expr)
            case core.Convert(value=value):
                return self._convert(expr, value)
            case core.Select(cond=cond, then=then, orelse=orelse):
                yes, no = b.block("then"), b.block("else")
                self.jump(cond, yes, no)
                return self.merge(yes, no, lambda: self.eval(then), lambda: self.eval(orelse))
            case core.ReadMap():
                return self.read_map(expr)
            case core.Load():
                with self.at(expr.span):
                    return self.load(expr)
            case core.ContextRead():
                with self.at(expr.span):
                    return self.context_read(expr)
            case core.Part():
                return self._part(expr)
            case core.Element():
                return self.element(expr)
            case core.Equal():
                return self.equal(expr)
            case core.Step(target=core.Map() as map_):
                return self.step_map(expr, map_, True)
            case core.Step(target=core.Var() as var):
                return self._step(expr, var)
            case core.AddressOf(of=core.Var() as var):
                return self.opaque(self.variable(var))
            case core.AddressOf(of=core.Map() as map_):
                return self.opaque(self.map_pointer(map_))
            case core.ContextAddress():
                return self.context_address(expr)
            case core.Do(body=body, value=value):
                self.block(body)
                if b.closed:  # nothing below is reached, but it has to be well formed
                    b.place(b.block("dead"))
                return VOID if value is None else self.eval(value)
            case core.Emit():
                with self.at(expr.span):
                    self.emit(expr)
                return VOID
            case core.MapCall():
                with self.at(expr.span):
                    return self.map_call(expr)
            case core.Call(name=name):
                lower = REGISTRY[name].lower
                assert lower is not None, name
                with self.at(expr.span):
                    return lower(self, expr)
        raise TypeError(f"{type(expr).__name__} of type {expr.type} is not a scalar")

    def effect(self, expr: core.Expr) -> None:
        match expr:
            case core.Step(target=core.Map() as map_):
                self.step_map(expr, map_, False)
            case core.Do(body=body, value=value):
                self.block(body)
                if value is not None and not self.b.closed:
                    self.effect(value)
            case core.Select(cond=cond, then=then, orelse=orelse):
                yes, no, join = self.b.block("then"), self.b.block("else"), self.b.block("join")
                self.jump(cond, yes, no)
                for label, side in ((yes, then), (no, orelse)):
                    self.b.place(label)
                    self.effect(side)
                    if not self.b.closed:
                        self.b.br(join)
                self.b.place(join)
            case _ if core.is_scalar(expr.type) or isinstance(expr.type, Void | Nothing):
                if not is_pure(expr) or not isinstance(expr, core.Const | core.Zero | core.ReadVar):
                    self.eval(expr)
            case _:
                if not is_pure(expr):
                    self.place(expr)

    # memory

    def load_scalar(self, type_: Type, at: Value, offset: int = 0, *, volatile: bool = False) -> Value:
        value = self.b.load(memory_type(type_), at, offset, volatile=volatile)
        return self.b.ne(value, 0) if isinstance(type_, Bool) else value

    def store_scalar(self, value: Value, type_: Type, at: Value, offset: int = 0, *, volatile: bool = False) -> None:
        self.b.store(self.b.resize(value, memory_type(type_)), at, offset, volatile=volatile)

    # operators

    def _arith(self, expr: core.Arith) -> Value:
        chain: list[core.Arith] = [expr]
        while isinstance(chain[-1].left, core.Arith):  # thousands of terms lean to the left
            chain.append(chain[-1].left)
        value = self.eval(chain[-1].left)
        for node in reversed(chain):
            value = self._operate(node, *self._both(value, node.right))
        return value

    def _both(self, first: Value, then: core.Expr) -> tuple[Value, Value]:
        """A value, and the one that is evaluated while it waits."""
        if not self.spill or isinstance(then, core.Const | core.ReadVar):
            return first, self.eval(then)
        kept = self.keep(first)
        second = self.eval(then)
        return kept(), second

    def _operate(self, expr: core.Arith, left: Value, right: Value) -> Value:
        b, op = self.b, _ARITH[expr.op]
        if op in ("udiv", "urem") and not (isinstance(expr.right, core.Const) and expr.right.value):

            def by_zero() -> Value:
                self.report("divide_by_zero", expr.span)
                return self.const(1, left.type)

            divide = b.udiv if op == "udiv" else b.urem
            return self.choose(b.ne(right, 0), lambda: divide(left, right), by_zero)
        if op in ("shl", "lshr") and not isinstance(expr.right, core.Const):
            right = b.and_(right, int(left.type[1:]) - 1)
        if op == "add":
            return b.add(left, right)
        return b.result(left.type, f"{op} {left.type} {left.text}, {right.text}")

    def _truth(self, expr: core.Expr) -> Value:
        if isinstance(expr, core.Not) and not isinstance(expr.value, core.Logical):
            return self.b.xor(self.eval(expr.value), 1)
        yes, no = self.b.block("true"), self.b.block("false")
        self.jump(expr, yes, no)
        return self.merge(yes, no, lambda: self.const(1, "i1"), lambda: self.const(0, "i1"))

    def _step(self, expr: core.Step, var: core.Var) -> Value:
        before = self.load_scalar(var.type, self.variable(var), volatile=self.volatile(var))
        after = self.b.add(before, self.const(expr.delta, before.type))
        self.set_variable(var, after)
        return self.b.resize(after if expr.prefix else before, register_type(expr.type), is_signed(var.type))

    def _convert(self, expr: core.Convert, value: core.Expr) -> Value:
        b, type_ = self.b, expr.type
        if not core.is_scalar(value.type):
            return self._scalar_of(type_, value)
        source = self.eval(value)
        if isinstance(type_, Bool):
            return source if source.type == "i1" else b.ne(source, 0)
        signed = is_signed(value.type) and not isinstance(type_, Pointer)
        return b.resize(source, register_type(type_), signed)

    def _scalar_of(self, type_: Type, value: core.Expr) -> Value:
        """A scalar made of an aggregate: whether a string has text; an address; else its first bytes."""
        b, at = self.b, self.place(value)
        if isinstance(type_, Bool) and isinstance(value.type, Str):
            return b.ne(b.load("i8", at), 0)
        if isinstance(type_, Pointer):
            return self.opaque(at)
        wanted = size_of(type_)
        size = min(wanted, size_of(value.type))
        if size == wanted and at.align >= size:
            return self.load_scalar(type_, at)
        result = self.const(0, f"i{8 * wanted}")
        for i in range(size):
            byte = b.resize(b.load("i8", at, i), result.type)
            result = b.or_(result, b.shl(byte, 8 * i)) if i else byte
        return b.ne(result, 0) if isinstance(type_, Bool) else result

    # parts

    def _part(self, expr: core.Part) -> Value:
        simpler = narrow(expr)
        if not isinstance(simpler, core.Part):
            return self.eval(simpler)
        at, offset = self.place(simpler.value), simpler.offset
        if not simpler.bit_size:
            return self.load_scalar(expr.type, at, offset)
        b, type_ = self.b, register_type(expr.type)
        end = simpler.bit_offset + simpler.bit_size
        if end <= int(type_[1:]):
            word = self.load_scalar(expr.type, at, offset)
        else:  # a packed struct: the field reaches beyond the integer it is declared as
            word = self.const(0)
            for i in range(simpler.bit_offset // 8, (end + 7) // 8):
                byte = b.zext(b.load("i8", at, offset + i))
                word = b.or_(word, b.shl(byte, 8 * i)) if i < 8 else b.or_(word, 0)
        return b.resize(self.bits_of(word, simpler.bit_offset, simpler.bit_size), type_)

    def element_pointer(self, expr: core.Element) -> Value:
        """The address of an element whose index is only known at run time; of zeros where there is none."""
        b, size = self.b, size_of(expr.type)
        base = self.place(expr.value)
        index = b.barrier(self.eval64(expr.index))

        def outside() -> Value:
            self.report("array_bounds", expr.span)
            return self.module.zeros(size)

        return self.choose(b.ult(index, expr.count), lambda: b.gep(base, b.mul(index, size)), outside)

    def element(self, expr: core.Element) -> Value:
        b, size = self.b, size_of(expr.type)
        base = self.place(expr.value)
        index = b.barrier(self.eval64(expr.index))

        def outside() -> Value:
            self.report("array_bounds", expr.span)
            return self.const(0, register_type(expr.type))

        return self.choose(
            b.ult(index, expr.count),
            lambda: self.load_scalar(expr.type, Value(b.gep(base, b.mul(index, size)).text, "ptr", base.align)),
            outside,
        )


def narrow(expr: core.Part) -> core.Expr:
    """A part of a value as a read of that part alone, where there is one; else the part of the outermost value."""
    value: core.Expr = expr.value
    offset = expr.offset
    while isinstance(value, core.Part) and not value.bit_size:
        offset += value.offset
        value = value.value
    match value:
        case core.Load(bit_size=0):
            return core.Load(
                expr.type, expr.span, value.address, value.offset + offset, value.space,
                expr.bit_offset, expr.bit_size, value.trusted,
            )  # fmt: skip
        case core.ContextRead(data_loc=False) if not expr.bit_size and not core.is_scalar(value.type):
            at = value.part(offset, size_of(expr.type))
            if at is not None:
                return core.ContextRead(expr.type, expr.span, at, size_of(expr.type))
        case core.MakeTuple() if not expr.bit_size and is_pure(value):
            for item, at in zip(value.items, offsets_of(value.type), strict=True):  # type: ignore[arg-type]
                if at == offset and item.type == expr.type:
                    return item
    return core.Part(expr.type, expr.span, value, offset, expr.bit_offset, expr.bit_size)


