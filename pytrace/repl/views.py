"""Maps as they change: what `:watch`, `:top` and `:heat` keep below the prompt.

A view looks at its map every so often (`sample`) and makes lines of what it saw (`lines`), which cost nothing to ask
for again.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from pytrace.hints import TYPE_CHECKING, Any, ClassVar
from pytrace.output.contents import Contents, aggregation_of
from pytrace.problem import Problem
from pytrace.repl.trickle import harmless
from pytrace.semantics.types import Aggregate, Enum, Int

if TYPE_CHECKING:
    from pytrace.aggregations import Histogram
    from pytrace.output.text_maps import TextMaps
    from pytrace.repl.engine import Engine

__all__ = ["DEFAULTS", "View", "make"]

DEFAULTS = {"watch": 1.0, "top": 1.0, "heat": 1.0}
"""Seconds between looks at the map."""
_SHADES = " ·░▒▓█"
_ROWS = 200
"""Intervals that a heat map remembers."""
_BAR = 20


class View(ABC):
    """`seconds` lie between looks; `lines` are those of the last one, the most important ones last."""

    kind: ClassVar[str]

    def __init__(self, engine: Engine, name: str, seconds: float) -> None:
        self.engine = engine
        self.name = name
        self.seconds = seconds
        self.lines: list[str] = []
        contents = engine.contents(name)
        self.check(contents)
        self.sample()

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name} every {self.seconds:g} s"

    def check(self, contents: Contents) -> None:
        """Raises `Problem` for a map that cannot be shown in this way."""
        return

    def sample(self) -> bool:
        """Looks at the map; tells whether there is anything new. Raises `Unknown` when the map has gone."""
        with self.engine.showing():
            contents = self.engine.contents(self.name)
            lines = self.draw(contents, self.engine.map_printer().maps)
        lines = [line.rstrip() for line in lines]
        changed, self.lines = lines != self.lines, lines
        return changed

    @abstractmethod
    def draw(self, contents: Contents, maps: TextMaps) -> list[str]:
        """The lines for what a map holds now."""


def _text(data: bytes) -> str:
    return harmless(data).decode("utf-8", "replace")


class Watch(View):
    kind = "watch"

    def draw(self, contents: Contents, maps: TextMaps) -> list[str]:
        lines = _text(maps.render(contents)).rstrip("\n").split("\n")
        return lines if lines != [""] else [f"{self.name} is empty"]


class Top(View):
    """Entries by value, each with what it has grown by in a second."""

    kind = "top"

    def __init__(self, engine: Engine, name: str, seconds: float) -> None:
        self._before: dict[Any, int] = {}
        self._then = 0.0
        super().__init__(engine, name, seconds)

    def check(self, contents: Contents) -> None:
        if contents.key is None:
            raise Problem(f"{self.name} has no keys to choose from: `:watch {self.name}`")
        if isinstance(contents.value, Aggregate):
            if contents.value.name == "tseries":
                raise Problem(f"{self.name} holds series, which have no order: `:watch {self.name}`")
        elif not isinstance(contents.value, Int | Enum):
            raise Problem(f"{self.name} holds no numbers: `:watch {self.name}`")

    @staticmethod
    def _rank(contents: Contents, value: Any) -> int:
        type_ = contents.value
        return int(aggregation_of(type_).sort_key(type_, value) or 0) if isinstance(type_, Aggregate) else int(value)

    def draw(self, contents: Contents, maps: TextMaps) -> list[str]:
        assert contents.key is not None
        now, key = time.monotonic(), maps.text.key(contents.key)
        entries = [
            (_text(key(decoded)), self._rank(contents, value)) for decoded, value in maps.entries.of(contents, _ROWS)
        ]
        seconds = now - self._then if self._then else 0.0
        greatest = max((abs(rank) for _, rank in entries), default=0) or 1
        width = min(max((len(name) for name, _ in entries), default=0), 40)
        lines = []
        for name, rank in entries:
            rate = f"{(rank - self._before.get(name, 0)) / seconds:+,.0f}/s" if seconds and name in self._before else ""
            bar = "█" * (_BAR * abs(rank) // greatest)
            lines.append(f"{name.replace(chr(10), ' ')[:width]:<{width}} {rank:>15,} {rate:>12} {bar}")
        self._before, self._then = dict(entries), now
        return lines or [f"{self.name} is empty"]


class Heat(View):
    """Histograms of intervals, one line each, the newest last: how much came into each bucket is a shade."""

    kind = "heat"

    def __init__(self, engine: Engine, name: str, seconds: float) -> None:
        self._before: list[int] | None = None
        self._rows: list[tuple[str, list[int]]] = []
        super().__init__(engine, name, seconds)

    def check(self, contents: Contents) -> None:
        type_ = contents.value
        if not isinstance(type_, Aggregate) or type_.name not in ("hist", "lhist"):
            raise Problem(f"{self.name} holds no histograms, but {type_}")

    def draw(self, contents: Contents, maps: TextMaps) -> list[str]:
        type_ = contents.value
        assert isinstance(type_, Aggregate)
        histogram: Histogram = aggregation_of(type_)  # type: ignore[assignment]  # `check` has seen to it
        counts = histogram.fold(type_, ())
        for _, value in contents.items:
            counts = histogram.merge(type_, counts, value)
        if self._before is not None:
            # What was cleared meanwhile counts from nothing.
            grown = [now - then if now >= then else now for now, then in zip(counts, self._before, strict=True)]
            self._rows = [*self._rows[1 - _ROWS :], (time.strftime("%H:%M:%S"), grown)]
        self._before = counts
        used = [index for index in range(len(counts)) if any(row[index] for _, row in self._rows)]
        if not used:
            return [f"{self.name}: nothing yet"]
        buckets = range(used[0], used[-1] + 1)
        width = max(1, min(6, 60 // len(buckets)))
        labels = [histogram.bucket(type_, index).label for index in buckets]
        return [*(_row(clock, [row[n] for n in buckets], width) for clock, row in self._rows), _axis(labels, width)]


def _row(clock: str, counts: Sequence[int], width: int) -> str:
    greatest = max(counts) or 1
    shades = "".join(_SHADES[-(-count * (len(_SHADES) - 1) // greatest)] * width for count in counts)
    return f"{clock} |{shades}| {sum(counts):,}"


def _axis(labels: Sequence[str], width: int) -> str:
    """Lower bounds below their buckets, as many as have room."""
    line = ""
    for number, label in enumerate(labels):
        at = number * width
        if len(line) <= at or not number:
            line = line.ljust(at) + label.strip("[()]").split(",")[0] + " "
    return f"{'':9}{line.rstrip()}"


_KINDS: dict[str, type[View]] = {view.kind: view for view in (Watch, Top, Heat)}


def make(kind: str, engine: Engine, name: str, seconds: float) -> View:
    """A view of that kind. Raises `Unknown`, `Problem`."""
    return _KINDS[kind](engine, name, seconds)
