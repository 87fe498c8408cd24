"""What a generated script may name at a place."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.generate.shapes import CASTABLE, Shape

__all__ = ["MapShape", "Place", "ProbeShape"]


@dataclass(frozen=True)
class MapShape:
    """`keys` is empty for a scalar map. `value` is a shape or the name of an aggregation, with its further
    arguments."""

    name: str
    keys: tuple[Shape, ...]
    value: Shape | str
    arguments: str = ""

    @property
    def castable(self) -> bool:
        return self.value in CASTABLE


@dataclass(frozen=True)
class ProbeShape:
    """A probe and what it offers: expressions of its context, by shape. `header` is its attach points."""

    header: str
    wholes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    tracing: bool = False


@dataclass
class Place:
    """Variables are (name, shape, declared type or ""). `loops` counts the loops around, `bodies` those in whose body
    there is no context."""

    probe: ProbeShape
    maps: tuple[MapShape, ...]
    variables: list[tuple[str, Shape, str]] = field(default_factory=list)
    loops: int = 0
    bodies: int = 0
    fixed: set[str] = field(default_factory=set)
    """Variables that must not change: they end a loop."""
    made: int = 0

    @contextmanager
    def block(self, *, loop: bool = False, body: bool = False) -> Iterator[None]:
        kept = len(self.variables)
        self.loops += loop
        self.bodies += body
        try:
            yield
        finally:
            self.loops -= loop
            self.bodies -= body
            del self.variables[kept:]

    def fresh(self) -> str:
        self.made += 1
        return f"$v{self.made}"

    def pick(self, rng: random.Random, shape: Shape, *, declared: bool = False) -> tuple[str, str] | None:
        """Name and declared type of a variable of the shape."""
        found = [(name, type_) for name, have, type_ in self.variables if have == shape and (type_ or not declared)]
        return rng.choice(found) if found else None

    def maps_of(self, shape: Shape) -> list[MapShape]:
        return [each for each in self.maps if each.value == shape]
