"""`watchpoint:ADDRESS:LENGTH:MODE`: hardware breakpoints."""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING
from pytrace.once import partial
from pytrace.probes.perf_events import PerfEventProvider, attach_events, threads_of
from pytrace.probes.provider import Attachment, Host, Provider, Spec, Target

if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics

LENGTHS = (1, 2, 4, 8)


class Watchpoint(PerfEventProvider):
    name = "watchpoint"
    listed = "named"

    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        if len(spec.parts) != 3:
            self.wrong_count(spec, "3", diagnostics)
            return None
        from pytrace.probes.numbers import BadNumber, number

        values = []
        for part, what in zip(spec.parts, ("function/address", "length"), strict=False):
            try:
                values.append(number(part))
            except BadNumber as error:
                diagnostics.error(spec.span, f"Invalid {what} argument: {error}")
                return None
        return spec.with_data(address=values[0] & 0xFFFF_FFFF_FFFF_FFFF, length=values[1], mode=spec.parts[2])

    def check(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Spec]:
        from pytrace.probes.registers import registers

        mode = spec.string("mode")
        errors = []
        if not spec.number("address"):
            errors.append("watchpoint must be attached to a non-zero address")
        if spec.number("length") not in LENGTHS:
            errors.append("watchpoint length must be one of (1,2,4,8)")
        if not mode or set(mode) - set("rwx"):
            errors.append("watchpoint mode must be combination of (r,w,x)")
        if len(set(mode)) != len(mode):
            errors.append("watchpoint modes may not be duplicated")
        for message in errors:
            diagnostics.error(spec.span, message)
        supported = registers().watch_modes
        if sorted(mode) not in [sorted(known) for known in supported]:
            hint = f"supported modes: {','.join(supported)}" if supported else "this machine has no watchpoints"
            diagnostics.error(spec.span, f"invalid watchpoint mode: {mode}", hints=[hint])
            return []
        return [] if errors else [spec]

    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        address, length, mode = spec.number("address"), spec.number("length"), spec.string("mode")
        name = f"watchpoint:{address}:{length}:{mode}"
        return [Target(self.name, name, (("address", address), ("length", length), ("mode", mode)), spec.label)]

    def attach_one(self, prog_fd: int, target: Target, cookie: int, pid: int | None) -> list[Attachment]:
        from pytrace.kernel import maps, perf

        breakpoint_ = partial(
            perf.breakpoint_event, target.number("address"), target.number("length"), target.text("mode")
        )
        if pid is None:
            opens = [partial(breakpoint_, cpu=cpu) for cpu in maps.online_cpus()]
        else:
            # The kernel binds a breakpoint to one thread; threads made later are not watched.
            opens = [partial(breakpoint_, pid=thread) for thread in threads_of(pid)]
        return attach_events(prog_fd, target, cookie, opens, partly=True)


PROVIDERS: tuple[Provider, ...] = (Watchpoint(),)
