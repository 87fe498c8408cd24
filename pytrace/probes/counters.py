"""What `software` and `hardware` share: events of the kernel and of the processor, by name and count."""

from __future__ import annotations

from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING, ClassVar, Iterator
from pytrace.once import partial
from pytrace.probes.patterns import has_wildcard, matcher
from pytrace.probes.perf_events import PerfEventProvider, attach_events, threads_of
from pytrace.probes.provider import Attachment, Host, Spec, Target

if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics


class CounterProvider(PerfEventProvider):
    """`EVENTS` gives the default count of each event, `ALIASES` the event that a second name stands for."""

    listed = "kernel"
    EVENTS: ClassVar[dict[str, int]]
    ALIASES: ClassVar[dict[str, str]]

    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        if len(spec.parts) not in (1, 2):
            self.wrong_count(spec, "1 or 2", diagnostics)
            return None
        count = 0
        if len(spec.parts) == 2 and spec.parts[1] != "*":
            from pytrace.probes.numbers import BadNumber, number

            try:
                count = number(spec.parts[1])
            except BadNumber as error:
                diagnostics.error(spec.span, f"Invalid count for {self.name} probe: {error}")
                return None
        return spec.with_data(event=spec.parts[0], count=count)

    def check(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Spec]:
        event = spec.string("event")
        if has_wildcard(event):
            diagnostics.error(spec.span, f"wildcards are not allowed for {self.name} probe type")
        elif event not in self.EVENTS and event not in self.ALIASES:
            diagnostics.error(spec.span, f"{event} is not a {self.name} probe")
        elif not 0 <= spec.number("count") < 1 << 63:
            diagnostics.error(spec.span, f"{self.name} count should be a positive integer")
        else:
            return [spec]
        return []

    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        event, count = spec.string("event"), spec.number("count")
        name = f"{self.name}:{event}:{count}" if count else f"{self.name}:{event}"
        event = self.ALIASES.get(event, event)
        return [Target(self.name, name, (("event", event), ("count", count or self.EVENTS[event])), spec.label)]

    def attach_one(self, prog_fd: int, target: Target, cookie: int, pid: int | None) -> list[Attachment]:
        from pytrace.kernel import maps, perf

        opener = perf.software_event if self.name == "software" else perf.hardware_event
        counter = partial(opener, target.text("event"), period=target.number("count"))
        if pid is None:
            opens = [partial(counter, cpu=cpu) for cpu in maps.online_cpus()]
        else:
            opens = [partial(counter, pid=thread, inherit=True) for thread in threads_of(pid)]
        return [replace(made, counter=target.name) for made in attach_events(prog_fd, target, cookie, opens)]

    def listing(self, pattern: Spec | None, host: Host, verbose: bool) -> Iterator[tuple[str, list[str]]]:
        matches = matcher(pattern.parts[0] if pattern is not None and pattern.parts else "*")
        events = filter(matches, (*self.EVENTS, *self.ALIASES))
        yield from ((line, []) for line in sorted(f"{self.name}:{event}:" for event in events))

    def listed_target(self, target: Target, spec: Spec) -> str:
        return f"{self.name}:{spec.string('event')}:"
