"""Memory of a program: on its stack, in its scratch map, constant; zeroing and copying.

Objects up to `on_stack_limit` bytes are on the stack as long as there is room. Everything else is in the scratch map of
the program, which has memory for each CPU (`prologue.py`).
"""

from __future__ import annotations

from pytrace.codegen.base import Base
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.layout import align_up, memory_type, pieces, register_type
from pytrace.hints import Callable, Iterator, Sequence
from pytrace.semantics import program as core
from pytrace.semantics.types import Type, size_of
from pytrace.within import contextmanager

__all__ = ["Memory"]

UNROLLED = 64
"""Up to so many bytes are zeroed or copied without a loop."""
STRIDE = 32
"""Bytes for each round of a loop."""
ONES, HIGHS = 0x0101010101010101, 0x8080808080808080


class Memory(Base):
    def chunk(self, number: int) -> Value:
        self.frame.chunks.add(number)
        return Value(f"%scratch{number}", "ptr", ANYWHERE)

    def memory_set(self) -> Value:
        self.frame.chunks.add(0)
        return Value("%set", "i64")

    def slot(self, where: tuple[int, int]) -> Value:
        """The address of an object in scratch memory, in the current function: a callback has to find it anew."""
        chunk, offset = where
        return self.b.gep(self.chunk(chunk), offset)

    def in_scratch(self, size: int) -> Value:
        """Memory in the scratch map."""
        return self.slot(self.space.allocate(size))

    def scratch(self, size: int, align: int = 8) -> Value:
        if size <= self.config.on_stack_limit and (pointer := self.frame.take(max(size, 1))) is not None:
            return pointer
        return self.in_scratch(max(size, 1))

    def temporary(self, type_: Type) -> Value:
        return self.scratch(size_of(type_))

    @contextmanager
    def statement(self) -> Iterator[None]:
        frame, held, mark = self.frame, len(self.frame.held), self.space.mark()
        yield
        frame.give_back(held)
        self.space.release(mark)

    def rodata(self, data: bytes, align: int = 1) -> Value:
        return self.module.rodata(data, align)

    def opaque(self, pointer: Value) -> Value:
        cell = self.in_scratch(8)
        self.b.store(self.b.ptrtoint(pointer), cell, volatile=True)
        return self.b.load("i64", cell, volatile=True)

    # zeroing and copying

    def zero(self, at: Value, size: int) -> None:
        if size > UNROLLED and at.align == ANYWHERE:
            self._rounds(size // STRIDE, lambda offset: self._zero(self.b.gep(at, offset), 0, STRIDE))
            self._zero(at, size // STRIDE * STRIDE, size)
        else:
            self._zero(at, 0, size)

    def _zero(self, at: Value, start: int, size: int) -> None:
        for offset, width in pieces(size, at.align, start):
            self.b.store(self.const(0, f"i{8 * width}"), at, offset)

    def copy(self, to: Value, source: Value, size: int, align: int = 1) -> None:
        if to.text == source.text:
            return
        if align > 1:
            to, source = self._aligned(to, align), self._aligned(source, align)
        if size > UNROLLED and to.align == source.align == ANYWHERE:
            self._rounds(
                size // STRIDE,
                lambda offset: self._copy(self.b.gep(to, offset), self.b.gep(source, offset), 0, STRIDE),
            )
            self._copy(to, source, size // STRIDE * STRIDE, size)
        else:
            self._copy(to, source, 0, size)

    @staticmethod
    def _aligned(pointer: Value, align: int) -> Value:
        return Value(pointer.text, "ptr", max(pointer.align, align))

    def _copy(self, to: Value, source: Value, start: int, size: int) -> None:
        for offset, width in pieces(size, min(to.align, source.align), start):
            self.b.store(self.b.load(f"i{8 * width}", source, offset), to, offset)

    def _rounds(self, count: int, body: Callable[[Value], None]) -> None:
        """Runs `body(offset)` for offsets 0, STRIDE, …: a loop of constant length, which the verifier walks through."""
        b = self.b
        before, again, done = b.current, b.block("copy"), b.block("copied")
        b.place(again)
        offset = Value(b.name(), "i64")
        at = len(b.lines)
        body(offset)
        following = b.add(offset, STRIDE)
        b.lines.insert(at, f"{offset.text} = phi i64 [ 0, %{before} ], [ {following.text}, %{b.current} ]")
        b.cond_br(b.ult(following, count * STRIDE), again, done)
        b.place(done)

    def fill_bytes(self, data: bytes, size: int, at: Value) -> None:
        text = data[:size]
        end = size if self.strict else min(size, len(text) + 1)
        if len(text) > UNROLLED // 2 and at.align == ANYWHERE:
            done = min(align_up(len(text)), size)
            self.copy(at, self.rodata(text.ljust(done, b"\0"), 8), done)
        else:
            done = min(align_up(len(text)), end)
            padded = text.ljust(done, b"\0")
            for offset, width in pieces(done, at.align):
                number = int.from_bytes(padded[offset : offset + width], "little")
                self.b.store(self.const(number, f"i{8 * width}"), at, offset)
        if done < end:
            self.zero(self.b.gep(at, done), end - done)

    def end_string(self, at: Value, size: int) -> None:
        """Zeroes what stands behind the NUL of a string. In the kernel's memory that may be anything, but equal strings
        must be equal keys."""
        b = self.b
        if size <= UNROLLED or at.align != ANYWHERE:
            alive = self.const(-1)
            for offset, width in pieces(size, at.align):
                alive = self._end_word(at, offset, width, alive)
            return
        cell = self.scratch(8)
        b.store(-1, cell, volatile=True)

        def round_(offset: Value) -> None:
            alive = self.b.load("i64", cell, volatile=True)
            for start in range(0, STRIDE, 8):
                alive = self._end_word(self.b.gep(at, offset), start, 8, alive)
            self.b.store(alive, cell, volatile=True)

        self._rounds(size // STRIDE, round_)
        alive = b.load("i64", cell, volatile=True)
        for offset, width in pieces(size, at.align, size // STRIDE * STRIDE):
            alive = self._end_word(at, offset, width, alive)

    def ended(self, words: Sequence[Value]) -> list[Value]:
        alive, result = self.const(-1), []
        for word in words:
            kept, alive = self._ended(word, 8, alive)
            result.append(kept)
        return result

    def _end_word(self, at: Value, offset: int, width: int, alive: Value) -> Value:
        """One word of that; `alive` is all ones until there was a NUL, and 0 behind it."""
        b = self.b
        kept, alive = self._ended(b.zext(b.load(f"i{8 * width}", at, offset)), width, alive)
        b.store(b.trunc(kept, f"i{8 * width}") if width < 8 else kept, at, offset)
        return alive

    def _ended(self, word: Value, width: int, alive: Value) -> tuple[Value, Value]:
        """What is kept of a word of so many bytes, and `alive` for the next."""
        b = self.b
        # The lowest 0x80 in `marks` stands in the first zero byte.
        marks = b.and_(b.and_(b.sub(word, ONES), b.not_(word)), HIGHS >> 8 * (8 - width))
        before = b.sub(b.lshr(b.and_(marks, b.neg(marks)), 7), 1)
        kept = b.and_(b.and_(word, before), alive)
        # A branch at each word would double the ways that the verifier has to walk. (LLVM would make one of this, too.)
        found = b.lshr(b.barrier(b.or_(marks, b.neg(marks))), 63)
        return kept, b.and_(alive, b.sub(found, 1))

    def keep(self, value: Value) -> Callable[[], Value]:
        """Puts a scalar into scratch memory; the result reads it back."""
        where, memory = self.space.allocate(8), "i8" if value.type == "i1" else value.type
        self.b.store(self.b.resize(value, memory), self.slot(where), volatile=True)

        def read() -> Value:
            loaded = self.b.load(memory, self.slot(where), volatile=True)
            return self.b.ne(loaded, 0) if value.type == "i1" else loaded

        return read

    # variables

    def variable(self, var: core.Var) -> Value:
        if self.plan.homes[var.index].kind == "scratch":
            return self.slot(self.offsets[var.index])
        place = self.frame.places.get(var.index)
        if place is None:
            if core.is_scalar(var.type):
                place = self.b.register(memory_type(var.type))
            else:
                place = self.b.alloca(size_of(var.type))
                self.frame.stack -= align_up(size_of(var.type))
            self.frame.places[var.index] = place
        return place

    def volatile(self, var: core.Var) -> bool:
        """Whether LLVM must not keep the variable in a register between accesses."""
        return self.plan.homes[var.index].kind == "scratch"

    def set_variable(self, var: core.Var, value: Value) -> None:
        self.store_scalar(value, var.type, self.variable(var), volatile=self.volatile(var))

    def zero_variable(self, var: core.Var) -> None:
        if core.is_scalar(var.type):
            self.set_variable(var, self.const(0, register_type(var.type)))
        else:
            self.zero(self.variable(var), size_of(var.type))
