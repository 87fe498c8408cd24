"""Arithmetic of the builder: constants, operations, comparison, widths."""

from __future__ import annotations

from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.hints import Callable, Sequence

__all__ = ["BITS", "Arithmetic", "constant", "truth"]

BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "ptr": 64}
"""The widths of register types."""


def truth(value: bool) -> Value:
    """A constant i1."""
    return Value("true" if value else "false", "i1")


def constant(value: int, type_: str) -> Value:
    """A constant, wrapped to the width of its type."""
    if type_ == "i1":
        return truth(bool(value & 1))
    width = BITS[type_]
    value &= (1 << width) - 1
    if value >> (width - 1):
        value -= 1 << width
    return Value(str(value), type_)


def _number(value: Value) -> int | None:
    """The integer that a constant is, as LLVM prints it (signed)."""
    text = value.text
    return None if text[0] == "%" or text[0] == "@" or not text.lstrip("-").isdigit() else int(text)


class Arithmetic:
    """The lines of a function, and what computes. `line` and `result` append; everything else is built on them."""

    def __init__(self, parameters: Sequence[str] = (), fetching: Callable[[], bool] = lambda: True) -> None:
        self.lines: list[str] = []
        self.entry: list[str] = []
        """Instructions at the very start of the function: allocations."""
        self.current = "entry"
        self.closed = False
        self.suffix = ""
        """Appended to each instruction that can fail in the verifier: the debug location."""
        self._next = 0
        self._fetching = fetching
        self.parameters = tuple(parameters)

    # text

    def name(self) -> str:
        self._next += 1
        return f"%r{self._next}"

    def line(self, text: str) -> None:
        if not self.closed:
            self.lines.append(text)

    def result(self, type_: str, text: str, align: int = 1) -> Value:
        """Appends an instruction with a result."""
        self._next += 1
        name = f"%r{self._next}"
        if not self.closed:
            self.lines.append(f"{name} = {text}")
        return Value(name, type_, align)

    # constants

    @staticmethod
    def const(value: int, type_: str = "i64") -> Value:
        return constant(value, type_)

    def _pair(self, left: Value | int, right: Value | int) -> tuple[Value, Value]:
        if isinstance(left, int):
            assert isinstance(right, Value)
            return constant(left, right.type), right
        return left, constant(right, left.type) if isinstance(right, int) else right

    # arithmetic

    def _binary(self, op: str, left: Value | int, right: Value | int) -> Value:
        left, right = self._pair(left, right)
        return self.result(left.type, f"{op} {left.type} {left.text}, {right.text}")

    def add(self, left: Value | int, right: Value | int) -> Value:
        if right == 0 and isinstance(left, Value):
            return left
        return self._binary("add", left, right)

    def sub(self, left: Value | int, right: Value | int) -> Value:
        if right == 0 and isinstance(left, Value):
            return left
        return self._binary("sub", left, right)

    def mul(self, left: Value | int, right: Value | int) -> Value:
        if right == 1 and isinstance(left, Value):
            return left
        return self._binary("mul", left, right)

    def udiv(self, left: Value | int, right: Value | int) -> Value:
        return self._binary("udiv", left, right)

    def urem(self, left: Value | int, right: Value | int) -> Value:
        return self._binary("urem", left, right)

    def sdiv(self, left: Value, right: Value) -> Value:
        """Signed division, toward zero. Made of an unsigned one: BPF before its version 4 has no signed division."""
        negative = self.xor(self.slt(left, 0), self.slt(right, 0))
        quotient = self.udiv(self.magnitude(left), self.magnitude(right))
        return self.select(negative, self.neg(quotient), quotient)

    def magnitude(self, value: Value) -> Value:
        return self.select(self.slt(value, 0), self.neg(value), value)

    def neg(self, value: Value) -> Value:
        return self._binary("sub", 0, value)

    def and_(self, left: Value | int, right: Value | int) -> Value:
        return self._binary("and", left, right)

    def or_(self, left: Value | int, right: Value | int) -> Value:
        return self._binary("or", left, right)

    def xor(self, left: Value | int, right: Value | int) -> Value:
        return self._binary("xor", left, right)

    def not_(self, value: Value) -> Value:
        """All bits inverted."""
        return self._binary("xor", value, -1)

    def shl(self, left: Value | int, right: Value | int) -> Value:
        return self._binary("shl", left, right)

    def lshr(self, left: Value | int, right: Value | int) -> Value:
        return self._binary("lshr", left, right)

    def ashr(self, left: Value | int, right: Value | int) -> Value:
        return self._binary("ashr", left, right)

    def bswap(self, value: Value) -> Value:
        """The bytes in reverse order."""
        if value.type == "i8":
            return value
        return self.result(value.type, f"call {value.type} @llvm.bswap.{value.type}({value.type} {value.text})")

    def ctlz(self, value: Value) -> Value:
        """How many of the highest bits are zero; the width for zero.

        LLVM knows the range of the result and deletes a mask that the verifier would need: pass it through `barrier`
        before masking it.
        """
        type_ = value.type
        return self.result(type_, f"call {type_} @llvm.ctlz.{type_}({type_} {value.text}, i1 false)")

    def umin(self, left: Value | int, right: Value | int) -> Value:
        left, right = self._pair(left, right)
        return self.select(self.ult(left, right), left, right)

    def umax(self, left: Value | int, right: Value | int) -> Value:
        left, right = self._pair(left, right)
        return self.select(self.ult(left, right), right, left)

    # comparison

    def cmp(self, predicate: str, left: Value | int, right: Value | int) -> Value:
        left, right = self._pair(left, right)
        return self.result("i1", f"icmp {predicate} {left.type} {left.text}, {right.text}")

    def eq(self, left: Value | int, right: Value | int) -> Value:
        return self.cmp("eq", left, right)

    def ne(self, left: Value | int, right: Value | int) -> Value:
        return self.cmp("ne", left, right)

    def ult(self, left: Value | int, right: Value | int) -> Value:
        return self.cmp("ult", left, right)

    def ule(self, left: Value | int, right: Value | int) -> Value:
        return self.cmp("ule", left, right)

    def ugt(self, left: Value | int, right: Value | int) -> Value:
        return self.cmp("ugt", left, right)

    def uge(self, left: Value | int, right: Value | int) -> Value:
        return self.cmp("uge", left, right)

    def slt(self, left: Value | int, right: Value | int) -> Value:
        return self.cmp("slt", left, right)

    def sle(self, left: Value | int, right: Value | int) -> Value:
        return self.cmp("sle", left, right)

    def sgt(self, left: Value | int, right: Value | int) -> Value:
        return self.cmp("sgt", left, right)

    def sge(self, left: Value | int, right: Value | int) -> Value:
        return self.cmp("sge", left, right)

    def is_null(self, pointer: Value) -> Value:
        return self.result("i1", f"icmp eq ptr {pointer.text}, null")

    def select(self, cond: Value, then: Value | int, orelse: Value | int) -> Value:
        then, orelse = self._pair(then, orelse)
        align = min(then.align, orelse.align)
        return self.result(
            then.type, f"select i1 {cond.text}, {then.type} {then.text}, {then.type} {orelse.text}", align
        )

    # widths

    def zext(self, value: Value, type_: str = "i64") -> Value:
        return self._convert("zext", value, type_)

    def sext(self, value: Value, type_: str = "i64") -> Value:
        return self._convert("sext", value, type_)

    def trunc(self, value: Value, type_: str) -> Value:
        return self._convert("trunc", value, type_)

    def _convert(self, op: str, value: Value, type_: str) -> Value:
        if value.type == type_:
            return value
        number = _number(value)
        if number is not None:
            return constant(number if op != "zext" else number & ((1 << BITS[value.type]) - 1), type_)
        return self.result(type_, f"{op} {value.type} {value.text} to {type_}")

    def resize(self, value: Value, type_: str, signed: bool = False) -> Value:
        """An integer in another width: cut, or extended by its sign."""
        if value.type == "ptr":
            value = self.ptrtoint(value)
        if value.type == type_:
            return value
        if BITS[type_] < BITS[value.type]:
            return self.trunc(value, type_)
        return self.sext(value, type_) if signed and value.type != "i1" else self.zext(value, type_)

    def ptrtoint(self, pointer: Value) -> Value:
        return self.result("i64", f"ptrtoint ptr {pointer.text} to i64")

    def inttoptr(self, value: Value, align: int = ANYWHERE) -> Value:
        return self.result("ptr", f"inttoptr i64 {value.text} to ptr", align)
