"""`hardware`: events that the processor counts."""

from __future__ import annotations

from pytrace.hints import ClassVar
from pytrace.probes.counters import CounterProvider
from pytrace.probes.provider import Provider


class Hardware(CounterProvider):
    name = "hardware"
    EVENTS: ClassVar = {
        "backend-stalls": 1000000, "branch-instructions": 100000, "branch-misses": 100000, "bus-cycles": 100000,
        "cache-misses": 1000000, "cache-references": 1000000, "cpu-cycles": 1000000, "frontend-stalls": 1000000,
        "instructions": 1000000, "ref-cycles": 1000000,
    }
    ALIASES: ClassVar = {"branches": "branch-instructions", "cycles": "cpu-cycles"}


PROVIDERS: tuple[Provider, ...] = (Hardware(),)
