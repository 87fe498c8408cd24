"""Updating 64-bit words in place.

A value belongs to one CPU, so a plain addition is enough as long as nothing that updates the same word can run between
its load and its store. Where it can (`Emitter.exclusive` is False), atomic instructions are used, which cost several
times as much.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

__all__ = ["add", "raise_to"]

_TRIES = 4
"""How often `raise_to` tries again after another update came between. Each failure needs a preemption, or an interrupt
with a probe in it, within three instructions."""


def add(e: Emitter, at: Value, value: Value | int, offset: int = 0) -> None:
    """Adds to the word at `at` + `offset`."""
    if e.exclusive:
        e.b.store(e.b.add(e.b.load("i64", at, offset), value), at, offset)
    else:
        e.b.atomic_add(at, value, offset)


def raise_to(e: Emitter, at: Value, value: Value, offset: int = 0) -> None:
    """Makes the word at `at` + `offset` at least `value` (unsigned)."""
    if e.exclusive:
        e.when(e.b.ugt(value, e.b.load("i64", at, offset)), lambda: e.b.store(value, at, offset))
        return

    def attempt(left: int) -> None:
        seen = e.b.load("i64", at, offset)

        def swap() -> None:
            found = e.b.compare_exchange(at, seen, value, offset)
            if left > 1:
                e.when(e.b.ne(found, seen), lambda: attempt(left - 1))

        e.when(e.b.ugt(value, seen), swap)

    attempt(_TRIES)
