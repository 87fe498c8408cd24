"""What a generated expression gives, as far as two expressions must agree in it.

Integers of all widths agree with each other, and so do strings of all lengths: their shape says no more.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = [
    "AGGREGATES", "CASTABLE", "INTEGERS", "Array", "Data", "Enumerator", "Opaque", "Pointer",
    "Record", "Shape", "Stack", "Structure", "Text", "Truth", "Tuple", "Whole", "random_shape",
]  # fmt: skip

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
CASTABLE = ("count", "sum", "min", "max", "avg")
"""Aggregations that count as integers."""
AGGREGATES = (*CASTABLE, "stats", "hist", "lhist", "tseries")


@dataclass(frozen=True)
class Shape:
    pass


@dataclass(frozen=True)
class Whole(Shape):
    """An integer."""


@dataclass(frozen=True)
class Truth(Shape):
    """A boolean."""


@dataclass(frozen=True)
class Text(Shape):
    """A string."""


@dataclass(frozen=True)
class Enumerator(Shape):
    """A constant of the script's enum."""


@dataclass(frozen=True)
class Tuple(Shape):
    items: tuple[Shape, ...]


@dataclass(frozen=True)
class Record(Shape):
    items: tuple[tuple[str, Shape], ...]


@dataclass(frozen=True)
class Array(Shape):
    """`elem` is one of INTEGERS."""

    elem: str
    count: int


@dataclass(frozen=True)
class Pointer(Shape):
    """`to` is one of INTEGERS or `struct NAME`."""

    to: str


@dataclass(frozen=True)
class Stack(Shape):
    """`call` is how it is written: `kstack(perf, 3)`."""

    call: str


@dataclass(frozen=True)
class Structure(Shape):
    """The script's `struct mix`, as a value."""


@dataclass(frozen=True)
class Data(Shape):
    """A buffer."""


@dataclass(frozen=True)
class Opaque(Shape):
    """What is only there to be printed; `name` is the function or builtin that gives it."""

    name: str


_OPAQUE = ("ksym", "usym", "username", "strftime", "ntop", "ntop6", "macaddr", "cgroup_path")
_STACKS = ("kstack", "ustack", "kstack(3)", "ustack(raw)", "kstack(perf, 5)", "ustack(build_id, 2)", "ustack(perf, 1)")
_PLAIN: tuple[Shape, ...] = (Whole(), Whole(), Whole(), Truth(), Text(), Text())


def random_shape(rng: random.Random, depth: int = 2, *, enums: bool = False) -> Shape:
    """A shape for a variable, a value or a member. `enums`: the script has C definitions."""
    if rng.random() < 0.55 or depth == 0:
        return rng.choice(_PLAIN)
    match rng.randrange(9):
        case 0 | 1:
            return Tuple(tuple(random_shape(rng, depth - 1, enums=enums) for _ in range(rng.randint(1, 3))))
        case 2:
            count = rng.randint(1, 3)
            return Record(tuple((f"f{n}", random_shape(rng, depth - 1, enums=enums)) for n in range(count)))
        case 3:
            elem = rng.choice(INTEGERS)
            size = int(elem.lstrip("uint")) // 8
            return Array(elem, max(1, rng.choice((2, 4, 8)) // size))
        case 4:
            return Pointer(rng.choice((*INTEGERS, "struct task_struct")))
        case 5:
            return Stack(rng.choice(_STACKS))
        case 6:
            return Opaque(rng.choice(_OPAQUE))
        case 7 if enums:
            return Enumerator() if rng.random() < 0.5 else Structure()
        case _:
            return Data() if rng.random() < 0.5 else Text()


