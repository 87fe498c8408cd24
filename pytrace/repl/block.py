"""A block of the session: a script that was entered, and what became of it."""

from __future__ import annotations

from pytrace.codegen.image import Image
from pytrace.frozen import record
from pytrace.hints import TYPE_CHECKING
from pytrace.kernel import bpf
from pytrace.output.streams import Messages, Output
from pytrace.repl.trickle import Trickle
from pytrace.runtime.block import Block
from pytrace.runtime.outcome import Outcome

if TYPE_CHECKING:
    from pytrace.runtime.unwinding import Unwinding

__all__ = ["Feed", "FeedMessages", "LiveBlock", "Usage"]

_PATIENCE = 1.0
"""Seconds after which an unfinished line is taken for a whole one."""


class Feed(Output):
    """What a block prints, as whole lines to be taken away."""

    def __init__(self) -> None:
        super().__init__(-1)
        self._kept: list[bytes] = []
        self._begun = 0.0

    def write(self, data: bytes) -> None:
        self._kept.append(data)

    def settle(self) -> None:
        """Nothing leaves by itself."""

    def flush(self) -> None:
        """Nothing leaves by itself."""

    def take(self, now: float, *, all: bool = False) -> bytes:
        """The lines that are whole; what is behind them when it has waited for long, or when `all` is wanted."""
        if not self._kept:
            return b""
        data = b"".join(self._kept)
        self._kept.clear()
        whole, newline, rest = data.rpartition(b"\n")
        if rest and (all or (self._begun and now - self._begun > _PATIENCE)):
            whole, rest = data, b""
            newline = b"\n"
        if rest:
            self._kept.append(rest)
            self._begun = self._begun if self._begun and not newline else now
        else:
            self._begun = 0.0
        return whole + newline


class FeedMessages(Messages):
    """Warnings and errors of a block stand among its lines."""

    def write(self, text: bytes) -> None:
        self.output.write(text)


@record
class Usage:
    """What a block has cost: runs of its programs and nanoseconds in them; and of late: the share of a CPU that it
    took, and runs a second."""

    runs: int = 0
    nanoseconds: int = 0
    share: float = 0.0
    rate: float = 0.0

    @property
    def each(self) -> float:
        """Nanoseconds of a run."""
        return self.nanoseconds / self.runs if self.runs else 0.0


class LiveBlock:
    """`name` is what diagnostics call its source, `positional` are its `$1`…

    `state` is "starting", "running", "stopped" (by its user), "ended" (it said `exit()`), or "done" (nothing of it is
    left that could run). `warnings` are those of the compiler. `lost` counts records for which there was no room.
    """

    def __init__(self, number: int, name: str, text: str, positional: tuple[str, ...], *, limited: bool) -> None:
        self.number = number
        self.name = name
        self.text = text
        self.positional = positional
        self.state = "starting"
        self.feed = Feed()
        self.trickle = Trickle(number, limited=limited)
        self.outcome = Outcome()
        self.image: Image | None = None
        self.block: Block | None = None
        self.unwinding: Unwinding | None = None
        self.usage = Usage()
        self.warnings: tuple[str, ...] = ()
        self.lines = 0
        self.lost = 0
        self.probes = 0
        self.ending = False
        """Whether it said `exit()` and is still attached."""

    @property
    def maps(self) -> tuple[str, ...]:
        """The names of the maps that it uses."""
        return tuple(each.name for each in self.image.script_maps) if self.image is not None else ()

    @property
    def title(self) -> str:
        """Its probes, each as the script calls it."""
        if self.image is None:
            return " ".join(self.text.split())
        names = []
        for program in self.image.programs:
            (first, _), *others = program.targets
            names.append(f"{first.label or first.name}{f' and {len(others)} more' if others else ''}")
        return ", ".join(dict.fromkeys(names))

    def sample(self, seconds: float) -> None:
        """Looks at what its programs have cost, and at what a process whose stacks it unwinds has mapped; `seconds`
        have passed since this was last done."""
        if self.block is None:
            return
        infos = [bpf.prog_info(fd) for fd in self.block.loaded.programs if fd >= 0]
        runs, spent = sum(info.run_count for info in infos), sum(info.run_time for info in infos)
        self.usage.share = (spent - self.usage.nanoseconds) / 1e9 / seconds if seconds > 0 else 0.0
        self.usage.rate = (runs - self.usage.runs) / seconds if seconds > 0 else 0.0
        self.usage.runs, self.usage.nanoseconds = runs, spent
        self.lost += self.block.losses.new_records()
        if self.unwinding is not None:
            self.unwinding.update_all()
