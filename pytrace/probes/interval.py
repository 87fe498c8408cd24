"""`interval`: a timer on one CPU, whatever process runs there."""

from __future__ import annotations

from pytrace.probes.perf_events import attach_events
from pytrace.probes.provider import Attachment, Provider, Target
from pytrace.probes.units import TimerProvider, clock_event


class Interval(TimerProvider):
    name = "interval"
    listed = "named"

    def attach_one(self, prog_fd: int, target: Target, cookie: int, pid: int | None) -> list[Attachment]:
        from pytrace.kernel import maps

        return attach_events(prog_fd, target, cookie, [lambda: clock_event(target, cpu=maps.online_cpus()[0])])


PROVIDERS: tuple[Provider, ...] = (Interval(),)
