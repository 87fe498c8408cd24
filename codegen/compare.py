"""Equality of values in memory."""

from __future__ import annotations

from pytrace.codegen.builder import truth
from pytrace.codegen.cleaning import Cleaning
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.layout import pieces
from pytrace.codegen.memory import HIGHS, ONES
from pytrace.codegen.visit import is_pure
from pytrace.hints import Callable, Iterator
from pytrace.semantics import program as core
from pytrace.semantics.types import Buffer, Record, Str, Tuple, Type, members_of, offsets_of, size_of
from pytrace.within import contextmanager

__all__ = ["Comparison"]

UNROLLED = 64
"""Up to so many bytes are compared without a loop."""


class Comparison(Cleaning):
    @contextmanager
    def strictly(self) -> Iterator[None]:
        """What is built inside is compared, so no byte of it may be left to chance."""
        before, self.strict = self.strict, True
        yield
        self.strict = before

    def equal(self, expr: core.Equal) -> Value:
        with self.strictly():
            return self._equal(expr)

    def _equal(self, expr: core.Equal) -> Value:
        left, right = expr.left, expr.right
        if isinstance(left, core.Text) and not isinstance(right, core.Text):
            left, right = right, left  # a constant has no effects, so the order does not matter
        first = self.cleaned(left)
        if not is_pure(right):  # what the left side is a part of may change
            kept = self.temporary(left.type)
            self.copy(kept, first, size_of(left.type))
            first = kept
        if isinstance(right, core.Text) and isinstance(left.type, Str):
            same = self._is_text(first, left.type.size, right)
        else:
            same = self._same(left.type, first, right.type, self.cleaned(right), expr)
        return self.b.xor(same, 1) if expr.negate else same

    def _same(self, left_type: Type, left: Value, right_type: Type, right: Value, expr: core.Equal) -> Value:
        match left_type, right_type:
            case Str(size=a), Str(size=b):
                return self._same_text(left, right, min(a, b))
            case Buffer(capacity=a), Buffer(capacity=b):
                return self._same_buffer(left, right, min(a, b))
            case (Tuple() | Record(), Tuple() | Record()):
                return self._same_members(left_type, left, right_type, right, expr)
        if core.is_scalar(left_type):
            return self.b.eq(self.load_scalar(left_type, left), self.load_scalar(right_type, right))
        return self._same_bytes(left, right, min(size_of(left_type), size_of(right_type)))

    def _same_members(
        self, left_type: Tuple | Record, left: Value, right_type: Tuple | Record, right: Value, expr: core.Equal
    ) -> Value:
        b = self.b
        order: list[int] = list(range(len(members_of(left_type))))
        if isinstance(left_type, Record) and isinstance(right_type, Record):
            positions = {name: i for i, (name, _) in enumerate(right_type.fields)}
            order = [positions[name] for name, _ in left_type.fields]
        differ, join = b.block("differ"), b.block("join")
        types, offsets = members_of(right_type), offsets_of(right_type)
        for member, offset, i in zip(members_of(left_type), offsets_of(left_type), order, strict=True):
            same = self._same(member, b.gep(left, offset), types[i], b.gep(right, offsets[i]), expr)
            following = b.block("same")
            b.cond_br(same, following, differ)
            b.place(following)
        equal = b.current
        b.br(join)
        b.place(differ)
        b.place(join)
        return b.phi((truth(True), equal), (truth(False), differ))

    def _is_text(self, at: Value, size: int, text: core.Text) -> Value:
        """Whether a string is a constant one: all its bytes up to the NUL, as far as both have room."""
        limit = min(size, size_of(text.type))
        wanted = (text.value.split(b"\0")[0] + b"\0")[:limit]
        if len(wanted) > UNROLLED and at.align == ANYWHERE:
            return self._same_text(at, self.place(text), limit)
        b = self.b
        difference: Value | None = None
        for offset, width in pieces(len(wanted), at.align):
            number = int.from_bytes(wanted[offset : offset + width], "little")
            word = b.load(f"i{8 * width}", at, offset)
            part = b.zext(b.xor(word, self.const(number, word.type)))
            difference = part if difference is None else b.or_(difference, part)
        return truth(True) if difference is None else b.eq(difference, 0)

    def _same_text(self, left: Value, right: Value, size: int) -> Value:
        """Compares word by word up to the first NUL.

        In `word`, the lowest set bit of `zeros` marks the first NUL, if there is one; the bytes up to it decide.
        """
        b = self.b
        differ, same, join = b.block("differ"), b.block("same"), b.block("join")

        def word(offset: int | Value, width: int) -> None:
            a = b.load(f"i{8 * width}", b.gep(left, offset))
            c = b.load(f"i{8 * width}", b.gep(right, offset))
            mask = (1 << 8 * width) - 1
            zeros = b.and_(b.and_(b.sub(a, ONES & mask), b.not_(a)), HIGHS & mask)
            counts = b.and_(b.xor(a, c), b.xor(zeros, b.sub(zeros, 1)))
            alike, further = b.block("alike"), b.block("further")
            b.cond_br(b.ne(counts, 0), differ, alike)
            b.place(alike)
            b.cond_br(b.ne(zeros, 0), same, further)
            b.place(further)

        self._each_word(left, right, size, word)
        b.br(same)
        return self._verdict(same, differ, join)

    def _same_bytes(self, left: Value, right: Value, size: int) -> Value:
        b = self.b
        differ, same, join = b.block("differ"), b.block("same"), b.block("join")

        def word(offset: int | Value, width: int) -> None:
            a = b.load(f"i{8 * width}", b.gep(left, offset))
            c = b.load(f"i{8 * width}", b.gep(right, offset))
            further = b.block("further")
            b.cond_br(b.ne(a, c), differ, further)
            b.place(further)

        self._each_word(left, right, size, word)
        b.br(same)
        return self._verdict(same, differ, join)

    def _verdict(self, same: str, differ: str, join: str) -> Value:
        b = self.b
        b.place(same)
        b.br(join)
        b.place(differ)
        b.place(join)
        return b.phi((truth(True), same), (truth(False), differ))

    def _each_word(self, left: Value, right: Value, size: int, word: Callable[[int | Value, int], None]) -> None:
        """Runs `word(offset, width)` over both values: in a loop if they are long."""
        start = 0
        if size > UNROLLED and left.align == right.align == ANYWHERE:
            start = size // 8 * 8
            self.count_to(size // 8, size // 8, lambda index: word(self.b.shl(index, 3), 8))
        for offset, width in pieces(size, min(left.align, right.align), start):
            word(offset, width)

    def _same_buffer(self, left: Value, right: Value, capacity: int) -> Value:
        """Buffers are a length and bytes; the shorter length counts."""
        b = self.b
        differ, same, join = b.block("differ"), b.block("same"), b.block("join")
        length = self.clamp(b.umin(b.load("i32", left), b.load("i32", right)), capacity)

        def byte(index: Value) -> None:
            a = b.load("i8", b.gep(left, b.add(index, 4)))
            c = b.load("i8", b.gep(right, b.add(index, 4)))
            further = b.block("further")
            b.cond_br(b.ne(a, c), differ, further)
            b.place(further)

        self.count_to(length, capacity, byte)
        b.br(same)
        return self._verdict(same, differ, join)
