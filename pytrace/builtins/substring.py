"""Finding a string in another one where the kernel has no function for it (before Linux 6.17).

The verifier walks through every iteration of a loop and both ways of every branch, and gives up after 8192 branches
that it has yet to come back to. So the search takes time in proportion to the lengths, its way does not depend on the
texts, and it decides by masks instead of branches. That leaves hashing (Karp and Rabin): one pass over the needle, one
over the haystack with a hash of as many bytes as the needle has, and one that compares the first place where the hashes
agree. Hashes are polynomials of the bytes modulo 2^64; should they agree for different texts, which chance does once in
10^19 places, the needle counts as not found.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

_BASE = 0x9E3779B97F4A7C15
"""Odd, so that no byte loses its influence on the hash, and with bits all over."""

_NEEDLE, _HAY, _POWER, _FOUND, _NEEDLE_LENGTH, _HAY_LENGTH, _CELLS = range(0, 56, 8)

_CHUNK = 32
"""So many bytes are gone through before it is asked whether the end was reached."""


def room(size: int) -> int:
    """How much memory the search needs for a text of at most `size` bytes: a power of two, so that an index can be
    confined by a mask."""
    return 1 << max(size, 1).bit_length()


def find(e: Emitter, hay: tuple[Value, Value, int], needle: tuple[Value, Value, int]) -> Value:
    """Code for the place (i64) at which `needle` first stands in `hay`, else -1. Both are a pointer to the text, its
    length (i64), and the most that this can be; `room` says how many bytes can be read at the pointers."""
    b = e.b
    # LLVM would make an addition to an aligned pointer into an "or", which the verifier refuses for pointers.
    text, wanted, most, wanted_most = b.barrier(hay[0]), b.barrier(needle[0]), hay[2], needle[2]
    # In a map, not on the stack, and each time read anew: the verifier follows registers and the stack, and would tell
    # apart what it can conclude about them in each iteration.
    cells = e.scratch(max(_CELLS, e.config.on_stack_limit + 8))

    def get(cell: int) -> Value:
        return b.load("i64", cells, cell, volatile=True)

    def put(cell: int, value: Value | int) -> None:
        b.store(value, cells, cell, volatile=True)

    def put_if(mask: Value, cell: int, value: Value) -> None:
        old = get(cell)
        put(cell, b.xor(old, b.and_(b.xor(old, value), mask)))

    def byte(pointer: Value, index: Value, size: int) -> Value:
        return b.zext(b.load("i8", b.gep(pointer, b.and_(b.barrier(index), room(size) - 1))))

    # Masks of all ones or zeros. Behind a barrier, for LLVM would make comparisons and branches of them.
    def negative(value: Value) -> Value:
        return b.barrier(b.ashr(b.barrier(value), 63))

    def nonzero(value: Value) -> Value:
        value = b.barrier(value)
        return negative(b.or_(value, b.sub(0, value)))

    def each(length: int, size: int, body: Callable[[Value, Value], None]) -> None:
        """Calls `body` with each index below a length, and in the last chunk some more: with a mask that tells."""
        chunks = b.lshr(b.add(get(length), _CHUNK - 1), _CHUNK.bit_length() - 1)

        def chunk(number: Value) -> None:
            start = b.mul(number, _CHUNK)

            def step(offset: Value) -> None:
                index = b.add(start, offset)
                body(index, negative(b.sub(index, get(length))))

            e.count_to(_CHUNK, _CHUNK, step)

        e.count_to(chunks, size // _CHUNK + 1, chunk)

    put(_NEEDLE_LENGTH, needle[1])
    put(_HAY_LENGTH, hay[1])
    put(_NEEDLE, 0)
    put(_HAY, 0)
    put(_POWER, 1)
    put(_FOUND, nonzero(get(_NEEDLE_LENGTH)))

    def learn(index: Value, there: Value) -> None:
        put_if(there, _NEEDLE, b.add(b.mul(get(_NEEDLE), _BASE), byte(wanted, index, wanted_most)))
        put_if(there, _POWER, b.mul(get(_POWER), _BASE))

    def look(index: Value, there: Value) -> None:
        behind = b.sub(index, get(_NEEDLE_LENGTH))
        leaving = b.and_(byte(text, behind, most), b.not_(negative(behind)))
        now = b.add(b.mul(get(_HAY), _BASE), byte(text, index, most))
        put(_HAY, b.sub(now, b.mul(leaving, get(_POWER))))
        start = b.add(behind, 1)
        full = b.not_(negative(start))
        same = b.not_(nonzero(b.xor(get(_HAY), get(_NEEDLE))))
        first = negative(get(_FOUND))
        put_if(b.and_(b.and_(there, full), b.and_(same, first)), _FOUND, start)

    def check(index: Value, there: Value) -> None:
        found = byte(text, b.add(get(_HAY), index), most)
        differs = nonzero(b.xor(found, byte(wanted, index, wanted_most)))
        put_if(b.and_(there, differs), _FOUND, b.const(-1))

    each(_NEEDLE_LENGTH, wanted_most, learn)
    each(_HAY_LENGTH, most, look)
    put(_HAY, get(_FOUND))
    each(_NEEDLE_LENGTH, wanted_most, check)
    return get(_FOUND)
