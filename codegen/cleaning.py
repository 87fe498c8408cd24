"""Bytes of values that mean nothing: padding of structs, bits beside bit-fields, what is behind the NUL of a `char[n]`.

In memory of the kernel or a process they may be anything. They are zeroed where values are compared byte by byte, as
the kernel does with keys: values that are equal by their members are one key.
"""

from __future__ import annotations

from pytrace.codegen.aggregates import Aggregates
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.layout import pieces
from pytrace.frozen import frozen
from pytrace.semantics import program as core
from pytrace.semantics.types import Array, Record, Str, Struct, StructDef, Tuple, Type, members_of, offsets_of, size_of

__all__ = ["Cleaning"]

UNROLLED = 8
"""Up to so many elements of an array are cleaned without a loop."""


@frozen
class _Meaning:
    """`mask` has the bits that mean something; `texts` are the offsets and sizes of strings that end with a NUL."""

    mask: bytes
    texts: tuple[tuple[int, int], ...] = ()

    @property
    def whole(self) -> bool:
        return not self.texts and not self.mask.strip(b"\xff")


class Cleaning(Aggregates):
    def is_unclean(self, type_: Type) -> bool:
        """Whether a value of the type may have bytes that mean nothing. A string by itself has none: it is cleaned
        where it is copied from memory."""
        match type_:
            case Struct():
                return not self._meaning(type_).whole
            case Array(elem=elem):
                return isinstance(elem, Str) or self.is_unclean(elem)
            case Tuple() | Record():
                return any(map(self.is_unclean, members_of(type_)))
        return False

    def cleaned(self, expr: core.Expr) -> Value:
        """The value of an expression in memory, without such bytes. Read-only, like a `place`."""
        if not self.is_unclean(expr.type):
            return self.place(expr)
        at = self.temporary(expr.type)
        self.store(expr, at)
        self.clean(expr.type, at)
        return at

    def clean(self, type_: Type, at: Value) -> None:
        """Zeroes the bytes at `at` that mean nothing."""
        match type_:
            case Array(elem=elem, count=count) if self.is_unclean(type_):
                size = size_of(elem)
                if count > UNROLLED and at.align == ANYWHERE:
                    self.count_to(count, count, lambda i: self._clean(elem, self.b.gep(at, self.b.mul(i, size))))
                    return
                for index in range(count):
                    self._clean(elem, self.b.gep(at, index * size))
            case Struct():
                self._clean(type_, at)
            case Tuple() | Record():
                for offset, member in zip(offsets_of(type_), members_of(type_), strict=True):
                    self.clean(member, self.b.gep(at, offset))

    def _clean(self, type_: Type, at: Value) -> None:
        if isinstance(type_, Array):
            self.clean(type_, at)
            return
        meaning = self._meaning(type_)
        for offset, size in meaning.texts:
            self.end_string(self.b.gep(at, offset), size)
        for offset, width in pieces(len(meaning.mask), at.align):
            mask = int.from_bytes(meaning.mask[offset : offset + width], "little")
            if mask == 0:
                self.b.store(self.const(0, f"i{8 * width}"), at, offset)
            elif mask != (1 << 8 * width) - 1:
                word = self.b.load(f"i{8 * width}", at, offset)
                self.b.store(self.b.and_(word, mask), at, offset)

    def _meaning(self, type_: Type) -> _Meaning:
        size = size_of(type_)
        match type_:
            case Str():
                return _Meaning(b"\xff" * size, ((0, size),))
            case Array(elem=elem, count=count):
                each, step = self._meaning(elem), size_of(elem)
                texts = tuple((start * step + offset, room) for start in range(count) for offset, room in each.texts)
                return _Meaning(each.mask * count, texts)
            case Struct():
                definition = self.module.program.structs.get(type_)
                if definition is not None:
                    return self._of_members(definition, size)
        return _Meaning(b"\xff" * size)

    def _of_members(self, definition: StructDef, size: int) -> _Meaning:
        mask, covered = 0, bytearray(size)
        texts: list[tuple[int, int]] = []
        for field in definition.fields:
            if field.bit_size:
                mask |= ((1 << field.bit_size) - 1) << (8 * field.offset + field.bit_offset)
                continue
            room = field.stored or size_of(field.type)
            each = self._meaning(Str(room) if isinstance(field.type, Str) else field.type)
            mask |= int.from_bytes(each.mask, "little") << 8 * field.offset
            texts += ((field.offset + offset, length) for offset, length in each.texts)
            for at in range(field.offset, min(field.offset + room, size)):
                covered[at] = min(covered[at] + 1, 2)
        # In a union, what is behind the NUL may belong to another member.
        alone = tuple((at, room) for at, room in texts if max(covered[at : at + room], default=0) < 2)
        return _Meaning((mask & ((1 << 8 * size) - 1)).to_bytes(size, "little"), alone)
