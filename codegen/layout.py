"""How the language's values stand in registers and memory, and the order in which memory is accessed piece by piece."""

from __future__ import annotations

from pytrace.codegen.emitter import ANYWHERE
from pytrace.hints import Iterator
from pytrace.semantics.types import Bool, Int, Type, size_of

__all__ = ["align_up", "is_signed", "memory_type", "pieces", "register_type"]


def register_type(type_: Type) -> str:
    """The type of a scalar in a register: bool is an i1; pointers, enums and what is 8 bytes large are i64."""
    match type_:
        case Int(size=size):
            return f"i{8 * size}"
        case Bool():
            return "i1"
    return "i64"


def memory_type(type_: Type) -> str:
    """The same in memory, where bool is a byte."""
    return "i8" if isinstance(type_, Bool) else register_type(type_)


def is_signed(type_: Type) -> bool:
    """Whether a value of the type is extended by its sign."""
    return isinstance(type_, Int) and type_.signed


def align_up(value: int, to: int = 8) -> int:
    return (value + to - 1) // to * to


def pieces(size: int, align: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """The accesses that cover `start … size`: pairs of offset and width, widest first.

    `align` is that of the pointer: on the stack an access must be aligned to its width, elsewhere not.
    """
    offset = start
    while offset < size:
        width = 8
        while offset + width > size or (align != ANYWHERE and (offset % width or width > align)):
            width //= 2
        yield offset, width
        offset += width


def in_words(type_: Type) -> int:
    """The size of a value in memory, rounded up to whole words."""
    return align_up(size_of(type_))
