"""A builder of LLVM IR text: typed operations that append lines to a function.

Read it as the assembler of this package: it knows LLVM's instructions and nothing of the language. A `Value` is what
stands in the IR; `Builder` gives each result a number. Operations fold constants where that saves an instruction, and
otherwise leave optimising to LLVM.

Operands that are plain integers take the type of the other operand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import gcd

from pytrace.codegen.emitter import ANYWHERE, Value

__all__ = ["ANYWHERE", "NULL", "Builder", "Value", "bits", "truth"]

_BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "ptr": 64}

NULL = Value("null", "ptr")


def bits(type_: str) -> int:
    """The width of a register type."""
    return _BITS[type_]


def truth(value: bool) -> Value:
    """A constant i1."""
    return Value("true" if value else "false", "i1")


def constant(value: int, type_: str) -> Value:
    """A constant, wrapped to the width of its type."""
    if type_ == "i1":
        return truth(bool(value & 1))
    width = _BITS[type_]
    value &= (1 << width) - 1
    if value >> (width - 1):
        value -= 1 << width
    return Value(str(value), type_)


def _number(value: Value) -> int | None:
    """The integer that a constant is, as LLVM prints it (signed)."""
    text = value.text
    return None if text[0] == "%" or text[0] == "@" or not text.lstrip("-").isdigit() else int(text)


class Builder:
    """The lines of one function.

    `line` appends; everything else is built on it. Blocks are started with `place(label)`; after a branch the current
    block is closed (`closed`) and further instructions would be lost, so emitters check `closed` after each statement.
    """

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

    def alloca(self, size: int) -> Value:
        """Memory on the stack, 8-byte aligned."""
        self._next += 1
        name = f"%r{self._next}"
        count = (size + 7) // 8
        self.entry.append(f"{name} = alloca {'i64' if count == 1 else f'[{count} x i64]'}, align 8")
        return Value(name, "ptr", 8)

    def register(self, type_: str) -> Value:
        """A variable that LLVM may keep in a register: an allocation of one scalar."""
        self._next += 1
        name = f"%r{self._next}"
        self.entry.append(f"{name} = alloca {type_}, align 8")
        return Value(name, "ptr", 8)

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
            return constant(number if op != "zext" else number & ((1 << _BITS[value.type]) - 1), type_)
        return self.result(type_, f"{op} {value.type} {value.text} to {type_}")

    def resize(self, value: Value, type_: str, signed: bool = False) -> Value:
        """An integer in another width: cut, or extended by its sign."""
        if value.type == "ptr":
            value = self.ptrtoint(value)
        if value.type == type_:
            return value
        if _BITS[type_] < _BITS[value.type]:
            return self.trunc(value, type_)
        return self.sext(value, type_) if signed and value.type != "i1" else self.zext(value, type_)

    def ptrtoint(self, pointer: Value) -> Value:
        return self.result("i64", f"ptrtoint ptr {pointer.text} to i64")

    def inttoptr(self, value: Value, align: int = ANYWHERE) -> Value:
        return self.result("ptr", f"inttoptr i64 {value.text} to ptr", align)

    # memory

    def gep(self, pointer: Value, offset: Value | int) -> Value:
        """The pointer moved by `offset` bytes."""
        if isinstance(offset, int):
            if offset == 0:
                return pointer
            align = pointer.align if pointer.align == ANYWHERE else gcd(pointer.align, offset)
            return self.result("ptr", f"getelementptr i8, ptr {pointer.text}, i64 {offset}", align)
        align = ANYWHERE if pointer.align == ANYWHERE else 1
        return self.result("ptr", f"getelementptr i8, ptr {pointer.text}, {offset.type} {offset.text}", align)

    def load(self, type_: str, pointer: Value, offset: int = 0, *, volatile: bool = False) -> Value:
        """Reads a scalar. `volatile` keeps the access in its exact width and place."""
        pointer = self.gep(pointer, offset)
        size = _BITS[type_] // 8
        word = "load volatile" if volatile else "load"
        return self.result(type_, f"{word} {type_}, ptr {pointer.text}, align {min(size, pointer.align)}{self.suffix}")

    def store(self, value: Value | int, pointer: Value, offset: int = 0, *, volatile: bool = False) -> None:
        """Writes a scalar; a plain integer is an i64."""
        if isinstance(value, int):
            value = constant(value, "i64")
        pointer = self.gep(pointer, offset)
        size = _BITS[value.type] // 8
        word = "store volatile" if volatile else "store"
        align = min(size, pointer.align)
        self.line(f"{word} {value.type} {value.text}, ptr {pointer.text}, align {align}{self.suffix}")

    def atomic_add(self, pointer: Value, value: Value | int, offset: int = 0) -> None:
        """Adds to memory in one step. Only for 4 and 8 bytes."""
        self._atomic("add", pointer, value, offset, "monotonic")

    def fetch_add(self, pointer: Value, value: Value | int, offset: int = 0) -> Value:
        """The same; gives what was there before. Where the kernel cannot do that in one step, it may be outdated.

        `monotonic` would be compiled to an addition without a result and the result taken from the addend (LLVM 22).
        """
        if self._fetching():
            return self._atomic("add", pointer, value, offset, "seq_cst")
        before = self.load(value.type if isinstance(value, Value) else "i64", pointer, offset, volatile=True)
        self.atomic_add(pointer, value, offset)
        return before

    def exchange(self, pointer: Value, value: Value | int, offset: int = 0) -> Value:
        """Writes and gives what was there before; in one step, where the kernel can."""
        if self._fetching():
            return self._atomic("xchg", pointer, value, offset, "seq_cst")
        before = self.load(value.type if isinstance(value, Value) else "i64", pointer, offset, volatile=True)
        self.store(value, pointer, offset, volatile=True)
        return before

    def _atomic(self, op: str, pointer: Value, value: Value | int, offset: int, order: str) -> Value:
        if isinstance(value, int):
            value = constant(value, "i64")
        pointer = self.gep(pointer, offset)
        return self.result(
            value.type, f"atomicrmw {op} ptr {pointer.text}, {value.type} {value.text} {order}{self.suffix}"
        )

    def compare_exchange(self, pointer: Value, expected: Value, value: Value, offset: int = 0) -> Value:
        """Writes `value` if memory holds `expected`, in one step where the kernel can; gives what was there before."""
        pointer = self.gep(pointer, offset)
        if not self._fetching():
            before = self.load(value.type, pointer, volatile=True)
            self.store(self.select(self.eq(before, expected), value, before), pointer, volatile=True)
            return before
        pair = self.result(
            "void",
            f"cmpxchg ptr {pointer.text}, {value.type} {expected.text}, {value.type} {value.text} seq_cst seq_cst"
            f"{self.suffix}",
        )
        return self.result(value.type, f"extractvalue {{ {value.type}, i1 }} {pair.text}, 0")

    def barrier(self, value: Value) -> Value:
        """The same value, of which LLVM knows nothing: what is checked after it stays checked in the bytecode."""
        return self.result(
            value.type, f'call {value.type} asm sideeffect "", "=r,0"({value.type} {value.text})', value.align
        )

    def scalar(self, value: Value) -> Value:
        """The same number, of which the verifier no longer knows that it is a pointer: it may be used in arithmetic,
        and no longer be loaded through. Negating a pointer gives a number (check_alu_op in kernel/bpf/verifier.c)."""
        return self.sub(0, self.barrier(self.sub(0, value)))

    # calls

    def call(self, callee: str, args: Sequence[Value], returns: str = "i64", align: int = 1) -> Value:
        """A call of a function by its name in the IR; `returns` may be "void"."""
        passed = ", ".join(f"{arg.type} {arg.text}" for arg in args)
        text = f"call {returns} {callee}({passed}){self.suffix}"
        if returns == "void":
            self.line(text)
            return Value("", "void")
        return self.result(returns, text, align)

    def call_helper(self, number: int, args: Sequence[Value], returns: str = "i64", align: int = 1) -> Value:
        """A call of a BPF helper by its number (`enum bpf_func_id`)."""
        return self.call(f"inttoptr (i64 {number} to ptr)", args, returns, align)

    # blocks

    def block(self, hint: str = "b") -> str:
        """A new label; `place` starts the block."""
        self._next += 1
        return f"{hint}{self._next}"

    def place(self, label: str) -> None:
        """Starts a block. If the one before is still open, it continues here."""
        if not self.closed:
            self.lines.append(f"br label %{label}")
        self.lines.append(f"{label}:")
        self.current = label
        self.closed = False

    def br(self, label: str) -> None:
        self.line(f"br label %{label}")
        self.closed = True

    def cond_br(self, cond: Value, then: str, orelse: str) -> None:
        self.line(f"br i1 {cond.text}, label %{then}, label %{orelse}")
        self.closed = True

    def ret(self, value: Value | int) -> None:
        if isinstance(value, int):
            value = constant(value, "i64")
        self.line(f"ret {value.type} {value.text}")
        self.closed = True

    def phi(self, *incoming: tuple[Value, str]) -> Value:
        """The value that came in: pairs of a value and the label of the block it comes from.

        Stands at the start of a block. Blocks that do not lead here must be left out.
        """
        type_ = incoming[0][0].type
        align = min(value.align for value, _ in incoming)
        pairs = ", ".join(f"[ {value.text}, %{label} ]" for value, label in incoming)
        return self.result(type_, f"phi {type_} {pairs}", align)
