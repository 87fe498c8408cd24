"""The context of a probe, the target that fired, and reads of memory that is not the program's."""

from __future__ import annotations

import struct

from pytrace.codegen.base import Base
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.layout import is_signed, memory_type, pieces, register_type
from pytrace.diagnostics import Span
from pytrace.hints import Sequence
from pytrace.semantics import program as core
from pytrace.semantics.types import Int, Pointer, Space, Str, Type, size_of

__all__ = ["Context", "is_address"]

_READ = {Space.KERNEL: "probe_read_kernel", Space.USER: "probe_read_user", Space.NONE: "probe_read"}
"""Where the space is not known: what works on machines whose kernel and user addresses do not overlap."""

CALLS = 1024
"""More than the numbers of system calls; the last one is none's."""
CALL_NUMBER = 8
"""Where the record of `raw_syscalls` has it."""
COMPAT = 2
"""TS_COMPAT (arch/x86/include/asm/thread_info.h)."""

DIRECT = 64
"""Up to so many bytes are loaded from the context piece by piece."""


class Context(Base):
    # the context

    def context_read(self, expr: core.ContextRead) -> Value:
        """A scalar in the context: loaded in exactly its size, then cut to its type."""
        b, context = self.b, self.context_pointer()
        if expr.data_loc:
            locator = b.load("i32", Value(context.text, "ptr", ANYWHERE), expr.offset, volatile=True)
            return self.opaque(b.gep(context, b.and_(b.zext(locator), 0xFFFF)))
        slot = Value(context.text, "ptr", ANYWHERE)
        # Behind the barrier LLVM cannot see that two branches both load, and so does not make one load of it with the
        # offset in a register, which the verifier refuses for the context.
        value = b.barrier(b.zext(b.load(f"i{8 * expr.size}", slot, expr.offset, volatile=True)))
        if register_type(expr.type) == "i1":
            return b.ne(b.trunc(value, "i8"), 0)
        return b.resize(value, register_type(expr.type), is_signed(expr.type))

    def context_store(self, expr: core.ContextRead, at: Value) -> None:
        """An aggregate in the context."""
        b, size = self.b, size_of(expr.type)
        if size > DIRECT:
            self.read(at, size, b.gep(self.context_pointer(), expr.offset), Space.KERNEL, expr.span)
        else:
            self._load_context(expr, size, at)
        if self.strict and isinstance(expr.type, Str):
            self.end_string(at, size)

    def _load_context(self, expr: core.ContextRead, size: int, at: Value) -> None:
        if expr.rest is None:
            self._load_piece(expr.offset, size, at)
            return
        self._load_piece(expr.offset, 8, at)
        self._load_piece(expr.rest, size - 8, self.b.gep(at, 8))

    def _load_piece(self, start: int, size: int, at: Value) -> None:
        b = self.b
        context = Value(self.context_pointer().text, "ptr", ANYWHERE)
        for offset, width in pieces(start + size, 8, start):
            value = b.load(f"i{8 * width}", context, offset, volatile=True)
            if at.align != ANYWHERE and (offset - start) % width:
                self._store_bytes(value, width, at, offset - start)
            else:
                b.store(value, at, offset - start)

    def _store_bytes(self, value: Value, width: int, at: Value, offset: int) -> None:
        for i in range(width):
            self.b.store(self.b.trunc(self.b.lshr(value, 8 * i), "i8"), at, offset + i)

    def context_address(self, expr: core.ContextAddress) -> Value:
        return self.opaque(self.b.gep(self.context_pointer(), expr.offset))

    # targets

    def by_target(self, values: Sequence[int]) -> Value:
        if len(set(values)) == 1:
            return self.const(values[0])
        table = self.module.rodata(struct.pack(f"<{len(values)}q", *map(_signed, values)), 8)
        return self.b.load("i64", self.b.gep(table, self.b.shl(self._target(), 3)))

    def _target(self) -> Value:
        """Which of the targets fired: the number that the probe was attached with, or where many share an event, that
        of the system call in its record."""
        if self.probe.targets[0].number("shared"):
            return self.clamp(self.b.sub(self._by_number(), 1), len(self.probe.targets) - 1)
        cookie = self.helper("get_attach_cookie", self.context_pointer())
        return self.clamp(cookie, len(self.probe.targets) - 1)

    def _by_number(self) -> Value:
        """The target of the system call that a shared record tells of, counted from 1; 0 if it has none."""
        b = self.b
        table = [0] * CALLS
        for count, target in enumerate(self.probe.targets, 1):
            table[target.number("number")] = count
        slot = Value(self.context_pointer().text, "ptr", ANYWHERE)
        number = b.barrier(b.load("i64", slot, CALL_NUMBER, volatile=True))
        beyond = b.ugt(number, CALLS - 1)
        places = self.module.rodata(struct.pack(f"<{CALLS}H", *table), 8)
        place = b.load("i16", b.gep(places, b.shl(b.select(beyond, self.const(CALLS - 1), number), 1)))
        return b.zext(place)

    def only_shared(self) -> None:
        """Ends the program unless one of the targets fired that share an event: a call of a 64-bit program."""
        b = self.b
        self.when(b.eq(self._by_number(), 0), self.leave)
        task = b.inttoptr(self.helper("get_current_task_btf"))
        status = b.load("i32", task, self.probe.targets[0].number("status"), volatile=True)
        self.when(b.ne(b.and_(status, COMPAT), 0), self.leave)

    def only_with(self, subject: int) -> None:
        """Ends the program if the pointer at an offset of the context is null."""
        slot = Value(self.context_pointer().text, "ptr", ANYWHERE)
        self.when(self.b.eq(self.b.load("i64", slot, subject, volatile=True), 0), self.leave)

    def probe_name(self, expr: core.ProbeName) -> Value:
        """The name of the target that fired, as a pointer."""
        size = size_of(expr.type)
        names = [target.name.encode("latin-1", "replace")[:size].ljust(size, b"\0") for target in self.probe.targets]
        table = self.module.rodata(b"".join(names), 8)
        return table if len(names) == 1 else self.b.gep(table, self.b.mul(self._target(), size))

    def session(self, name: str) -> Value:
        return self.module.session(self.b, name)

    # memory of the kernel and of processes

    def read(self, to: Value, size: Value | int, address: Value, space: Space, span: Span) -> Value:
        name = _READ[space]
        result = self.helper(name, to, size, address)
        self.check(result, name, span)
        return result

    def read_string(self, to: Value, size: Value | int, address: Value, space: Space, span: Span) -> Value:
        name = f"{_READ[space]}_str"
        result = self.helper(name, to, size, address)
        self.check(result, name, span)
        return result

    def load(self, expr: core.Load) -> Value:
        """A scalar at an address."""
        b, direct = self.b, _is_direct(expr)
        address = self.object(expr.address) if direct else self.eval64(expr.address)
        if direct:
            width = memory_type(expr.type)
            value = self.choose(
                b.ne(address, 0),
                lambda: b.load(width, b.inttoptr(address), expr.offset, volatile=True),
                lambda: self.const(0, width),
            )
            value = b.ne(value, 0) if register_type(expr.type) == "i1" else value
        else:
            cell = self.temporary(expr.type)
            self.read(cell, size_of(expr.type), b.add(address, expr.offset), expr.space, expr.span)
            value = self.load_scalar(expr.type, cell)
        return self.bits_of(value, expr.bit_offset, expr.bit_size) if expr.bit_size else value

    def load_to(self, expr: core.Load, at: Value) -> None:
        """An aggregate at an address."""
        self._load_to(expr, at)
        if self.strict and isinstance(expr.type, Str):
            self.end_string(at, size_of(expr.type))

    def _load_to(self, expr: core.Load, at: Value) -> None:
        b, size = self.b, size_of(expr.type)
        direct = _is_direct(expr) and isinstance(expr.type, Str) and size <= DIRECT
        address = self.object(expr.address) if direct else self.eval64(expr.address)
        if not direct:
            self.read(at, size, b.add(address, expr.offset), expr.space, expr.span)
            return

        def present() -> None:
            base = b.inttoptr(address)
            for offset, width in pieces(size, at.align):
                b.store(b.load(f"i{8 * width}", base, expr.offset + offset, volatile=True), at, offset)

        self.when(b.ne(address, 0), present, lambda: self.zero(at, size))

    def is_object(self, expr: core.Expr) -> bool:
        match expr:
            case core.Load():
                return isinstance(expr.type, Pointer) and _is_direct(expr)
            case core.ContextRead(size=8):
                return self.context.prog_type == "tracing"
            case core.Call():
                return isinstance(expr.type, Pointer) and expr.type.trusted
        return False

    def bits_of(self, value: Value, offset: int, size: int) -> Value:
        """A bit-field of an integer, without its sign."""
        return self.b.and_(self.b.lshr(value, offset), (1 << size) - 1)


def _is_direct(expr: core.Load) -> bool:
    """Whether the verifier knows the address as a pointer to a kernel object: it was not stored in between."""
    if not expr.trusted:
        return False
    address: core.Expr = expr.address
    while isinstance(address, core.Convert) and is_address(address.type):
        address = address.value
    match address:
        case core.Load():
            return _is_direct(address)
        case core.ContextRead() | core.Call() | core.ContextAddress():
            return True
    return False


def is_address(type_: Type) -> bool:
    return isinstance(type_, Pointer) or (isinstance(type_, Int) and type_.size == 8)


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
