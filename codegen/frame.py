"""What belongs to one function in the making: its builder, its stack, the loops around the current place.

A probe is one function, plus one for each loop that is compiled to a callback. They share the scratch map of the
program, whose space one `Scratch` hands out.
"""

from __future__ import annotations

from pytrace.codegen.builder import Builder
from pytrace.codegen.emitter import Value
from pytrace.codegen.layout import align_up
from pytrace.frozen import field, record
from pytrace.hints import Sequence

__all__ = ["Frame", "Loop", "Scratch", "TooLarge"]

CHUNK = 32768
"""The largest value of a per-CPU map (PCPU_MIN_UNIT_SIZE in include/linux/percpu.h)."""


class TooLarge(Exception):
    """A single object does not fit into an element of a per-CPU map."""


class Scratch:
    """Space in the scratch map of a program: elements of at most `CHUNK` bytes, each the same for all objects.

    Variables keep their place; what a statement allocates is free again after it (`mark`, `release`).
    """

    def __init__(self, limit: int = CHUNK) -> None:
        self.limit = limit
        self.used = [0]
        self._at = (0, 0)

    def allocate(self, size: int) -> tuple[int, int]:
        """The chunk and the offset of a new object."""
        size = align_up(size)
        if size > self.limit:
            raise TooLarge
        chunk, offset = self._at
        if offset + size > self.limit:
            chunk, offset = chunk + 1, 0
            if chunk == len(self.used):
                self.used.append(0)
        self._at = chunk, offset + size
        self.used[chunk] = max(self.used[chunk], offset + size)
        return chunk, offset

    def mark(self) -> tuple[int, int]:
        return self._at

    def release(self, mark: tuple[int, int]) -> None:
        self._at = mark

    @property
    def size(self) -> int:
        """Bytes of each element; 0 if nothing was allocated."""
        return max(self.used)


@record
class Loop:
    """A loop around the current place. `leave` ends it; `again` starts its next round.

    In a loop with a kernel iterator, `iterator` is what has to be destroyed before the function is left. Loops that
    are callbacks have no labels: they are functions, which return to go on.
    """

    again: str = ""
    leave: str = ""
    iterator: Value | None = None


@record
class Frame:
    """One function. `state` is the struct on the caller's stack through which a callback reports (None: the program).

    `stack` is how many bytes are left for objects.
    """

    name: str
    b: Builder
    context: Value | None
    stack: int
    state: Value | None = None
    loops: list[Loop] = field(default_factory=list)
    chunks: set[int] = field(default_factory=set)
    """Chunks of scratch memory whose addresses the prologue has to find."""
    prologue: int = 0
    """The line before which the prologue goes."""
    places: dict[int, Value] = field(default_factory=dict)
    """Variables on the stack or in registers."""
    held: list[tuple[int, Value]] = field(default_factory=list)
    """Stack objects in use by the statements around the current place: size and pointer."""
    free: dict[int, list[Value]] = field(default_factory=dict)

    def take(self, size: int) -> Value | None:
        """A stack object for the current statement, or None if the stack is used up."""
        size = align_up(size)
        free = self.free.get(size)
        if free:
            pointer = free.pop()
        elif self.stack >= size:
            self.stack -= size
            pointer = self.b.alloca(size)
        else:
            return None
        self.held.append((size, pointer))
        return pointer

    def give_back(self, count: int) -> None:
        """Free what was taken since `held` had `count` entries."""
        for size, pointer in self.held[count:]:
            self.free.setdefault(size, []).append(pointer)
        del self.held[count:]

    def text(self, attributes: str, section: str, subprogram: str) -> str:
        """The function in LLVM's language."""
        parameters = ", ".join(f"ptr %{name}" if name != "index" else f"i64 %{name}" for name in self.b.parameters)
        linkage = "internal " if not section else ""
        place = f' section "{section}"' if section else ""
        lines: Sequence[str] = ("entry:", *self.b.entry, *self.b.lines)
        return (
            f"define {linkage}i64 @{self.name}({parameters}) {attributes}{place} {subprogram}{{\n"
            + "\n".join(lines)
            + "\n}\n"
        )
