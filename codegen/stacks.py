"""Kernel stacks that a program takes at several places.

A program that the kernel calls as a function, without registers of its own, is the first frame of its stack, at the
place of the call that takes it. Two stacks of one run would differ in nothing else; so it is taken once, where it is
first needed, and copied from there.
"""

from __future__ import annotations

from pytrace.codegen.emitter import Value
from pytrace.codegen.memory import Memory
from pytrace.codegen.visit import nodes
from pytrace.semantics import program as core
from pytrace.semantics.types import Stack, Type, size_of

__all__ = ["Stacks"]

_WITHIN = frozenset(("raw_tracepoint", "tracing", "xdp"))
"""Types of programs that are part of the stacks they take."""


class Stacks(Memory):
    def keep_stacks(self) -> None:
        """Decides, at the start of the program, which stacks are kept; none is there yet."""
        self._kept: dict[Type, tuple[int, int]] = {}
        if self.context.prog_type not in _WITHIN:
            return
        taken: dict[Type, int] = {}
        for node in nodes(self.probe.body):
            if isinstance(node, core.Call) and isinstance(node.type, Stack) and node.type.kind == "kstack":
                taken[node.type] = taken.get(node.type, 0) + 1
        for type_, times in taken.items():
            if times > 1:
                self._kept[type_] = self.space.allocate(size_of(type_))
                self.b.store(-1, self.slot(self._kept[type_]))

    def kept(self, type_: Type) -> Value | None:
        where = self._kept.get(type_)
        return None if where is None else self.slot(where)
