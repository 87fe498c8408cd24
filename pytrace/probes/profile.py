"""`profile`: a timer on every CPU, or on the threads of one process."""

from __future__ import annotations

from pytrace.probes.perf_events import attach_events, threads_of
from pytrace.probes.provider import Attachment, Provider, Target
from pytrace.probes.units import TimerProvider, clock_event


class Profile(TimerProvider):
    name = "profile"
    listed = "named"

    def attach_one(self, prog_fd: int, target: Target, cookie: int, pid: int | None) -> list[Attachment]:
        from pytrace.kernel import maps

        if pid is None:
            opens = [lambda cpu=cpu: clock_event(target, cpu=cpu) for cpu in maps.online_cpus()]
        else:
            opens = [lambda thread=thread: clock_event(target, pid=thread) for thread in threads_of(pid)]
        return attach_events(prog_fd, target, cookie, opens)


PROVIDERS: tuple[Provider, ...] = (Profile(),)
