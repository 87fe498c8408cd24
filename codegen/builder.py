"""A builder of LLVM IR text: typed operations that append lines to a function.

Read it as the assembler of this package: it knows LLVM's instructions and nothing of the language. A `Value` is what
stands in the IR; `Builder` gives each result a number. Operations fold constants where that saves an instruction, and
otherwise leave optimising to LLVM.

Operands that are plain integers take the type of the other operand.
"""

from __future__ import annotations

from pytrace.codegen.arithmetic import BITS, Arithmetic, constant, truth
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.hints import Sequence

__all__ = ["ANYWHERE", "NULL", "Builder", "Value", "truth"]

NULL = Value("null", "ptr")


def _common(first: int, second: int) -> int:
    """The greatest common divisor, as `math.gcd`: that module is a library of its own."""
    while second:
        first, second = second, first % second
    return abs(first)


class Builder(Arithmetic):
    """The lines of one function.

    `line` appends; everything else is built on it. Blocks are started with `place(label)`; after a branch the current
    block is closed (`closed`) and further instructions would be lost, so emitters check `closed` after each statement.
    """

    # memory

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

    def gep(self, pointer: Value, offset: Value | int) -> Value:
        """The pointer moved by `offset` bytes."""
        if isinstance(offset, int):
            if offset == 0:
                return pointer
            align = pointer.align if pointer.align == ANYWHERE else _common(pointer.align, offset)
            return self.result("ptr", f"getelementptr i8, ptr {pointer.text}, i64 {offset}", align)
        align = ANYWHERE if pointer.align == ANYWHERE else 1
        return self.result("ptr", f"getelementptr i8, ptr {pointer.text}, {offset.type} {offset.text}", align)

    def load(self, type_: str, pointer: Value, offset: int = 0, *, volatile: bool = False) -> Value:
        """Reads a scalar. `volatile` keeps the access in its exact width and place."""
        pointer = self.gep(pointer, offset)
        size = BITS[type_] // 8
        word = "load volatile" if volatile else "load"
        return self.result(type_, f"{word} {type_}, ptr {pointer.text}, align {min(size, pointer.align)}{self.suffix}")

    def store(self, value: Value | int, pointer: Value, offset: int = 0, *, volatile: bool = False) -> None:
        """Writes a scalar; a plain integer is an i64."""
        if isinstance(value, int):
            value = constant(value, "i64")
        pointer = self.gep(pointer, offset)
        size = BITS[value.type] // 8
        word = "store volatile" if volatile else "store"
        align = min(size, pointer.align)
        self.line(f"{word} {value.type} {value.text}, ptr {pointer.text}, align {align}{self.suffix}")

    def atomic_add(self, pointer: Value, value: Value | int, offset: int = 0) -> None:
        """Adds to memory in one step. Only for 4 and 8 bytes."""
        if value == 0 or (isinstance(value, Value) and value.text == "0"):
            return  # LLVM would make a fetching operation of it, which older kernels do not know
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

    def call(
        self, callee: str, args: Sequence[Value], returns: str = "i64", align: int = 1, attributes: str = ""
    ) -> Value:
        """A call of a function by its name in the IR; `returns` may be "void"."""
        passed = ", ".join(f"{arg.type} {arg.text}" for arg in args)
        text = f"call {returns} {callee}({passed}){attributes}{self.suffix}"
        if returns == "void":
            self.line(text)
            return Value("", "void")
        return self.result(returns, text, align)

    def call_helper(
        self, number: int, args: Sequence[Value], returns: str = "i64", align: int = 1, *, constant: bool = False
    ) -> Value:
        """A call of a BPF helper by its number (`enum bpf_func_id`). `constant`: it does nothing, and a second call
        would give the same."""
        attributes = " memory(none) nounwind willreturn" if constant else ""
        return self.call(f"inttoptr (i64 {number} to ptr)", args, returns, align, attributes)

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
