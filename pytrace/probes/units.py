"""The time specifications of `interval` and `profile`: `hz:RATE`, `s:N`, `ms:N`, `us:N`, or nanoseconds."""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, Iterator
from pytrace.probes.patterns import matcher
from pytrace.probes.perf_events import PerfEventProvider
from pytrace.probes.provider import Host, Spec, Target

if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics

__all__ = ["UNITS", "TimerProvider", "clock_event"]

UNITS = {"hz": 0, "s": 1_000_000_000, "ms": 1_000_000, "us": 1_000}
"""Nanoseconds of each unit; `hz` is a frequency."""
MINIMUM = 1_000
"""The shortest bare number, in nanoseconds."""
PERIOD_LIMIT = 1 << 63
"""perf_event_open refuses periods with the highest bit set (kernel/events/core.c)."""


def clock_event(target: Target, *, pid: int = -1, cpu: int = -1) -> int:
    """Open the timer of a target on one CPU, or for a thread and those that it makes. Raises `OSError`."""
    from pytrace.kernel import perf

    unit, value = target.text("unit"), target.number("value")
    period, frequency = (0, value) if unit == "hz" else (value * UNITS[unit], 0)
    return perf.software_event("cpu-clock", period=period, frequency=frequency, pid=pid, cpu=cpu, inherit=pid >= 0)


class TimerProvider(PerfEventProvider):
    """Parsing, which both providers share."""

    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        if len(spec.parts) not in (1, 2):
            self.wrong_count(spec, "1 or 2", diagnostics)
            return None
        from pytrace.probes.numbers import BadNumber, number

        rate = f"Invalid rate of {self.name} probe"
        try:
            value = number(spec.parts[-1])
        except BadNumber as error:
            diagnostics.error(spec.span, f"{rate}: {error}")
            return None
        if len(spec.parts) == 2:
            return spec.with_data(unit=spec.parts[0], value=value)
        if 0 <= value < MINIMUM:
            diagnostics.error(spec.span, f"{rate}. Minimum is 1000 or 1us. Found: {value} nanoseconds")
            return None
        return spec.with_data(unit="us", value=value // 1_000)

    def check(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Spec]:
        unit, value = spec.string("unit"), spec.number("value")
        if unit not in UNITS:
            diagnostics.error(spec.span, f"{unit} is not an accepted unit of time")
        elif value <= 0 or value * max(UNITS[unit], 1) >= PERIOD_LIMIT:
            diagnostics.error(spec.span, f"{self.name} frequency should be a positive integer")
        else:
            return [spec]
        return []

    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        unit, value = spec.string("unit"), spec.number("value")
        return [Target(self.name, f"{self.name}:{unit}:{value}", (("unit", unit), ("value", value)), spec.label)]

    def listing(self, pattern: Spec | None, host: Host, verbose: bool) -> Iterator[tuple[str, list[str]]]:
        matches = matcher(pattern.parts[0] if pattern is not None and pattern.parts else "*")
        yield from ((f"{self.name}:{unit}:", []) for unit in sorted(UNITS) if matches(unit))

    def listed_target(self, target: Target, spec: Spec) -> str:
        return f"{self.name}:{target.text('unit')}:"
