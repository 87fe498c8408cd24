"""`software`: events that the kernel counts."""

from __future__ import annotations

from pytrace.hints import ClassVar
from pytrace.probes.counters import CounterProvider
from pytrace.probes.provider import Provider


class Software(CounterProvider):
    name = "software"
    EVENTS: ClassVar = {
        "alignment-faults": 1, "bpf-output": 1, "context-switches": 1000, "cpu-clock": 1000000, "cpu-migrations": 1,
        "dummy": 1, "emulation-faults": 1, "major-faults": 1, "minor-faults": 100, "page-faults": 100, "task-clock": 1,
    }
    ALIASES: ClassVar = {"cpu": "cpu-clock", "cs": "context-switches", "faults": "page-faults"}


PROVIDERS: tuple[Provider, ...] = (Software(),)
