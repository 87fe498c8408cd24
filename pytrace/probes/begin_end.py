"""`begin`, `end` and `self`: programs that the session runs itself, none is attached to anything.

They are RAW_TRACEPOINT programs executed by BPF_PROG_TEST_RUN in the context of the tracing process.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, ClassVar, Iterator
from pytrace.probes.patterns import matcher
from pytrace.probes.provider import Host, Provider, Spec, Target

if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics
    from pytrace.probes.contexts import ProbeContext


class _Run(Provider):
    prog_type = "raw_tracepoint"
    attach_pass = 0
    filtered_by_pid = True

    @property
    def probetype(self) -> str:
        return "special"

    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        return [Target(self.name, ":".join((self.name, *spec.parts)), label=spec.label)]

    def context(self, target: Target, host: Host) -> ProbeContext:
        from pytrace.probes.contexts import ProbeContext

        return ProbeContext(self.probetype, self.prog_type)


class Begin(_Run):
    name = "begin"

    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        if spec.parts and spec.parts != ("*",):
            self.wrong_count(spec, "0", diagnostics)
            return None
        return spec

    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        return [Target(self.name, self.name, label=spec.label)]


class End(Begin):
    name = "end"


class Self(_Run):
    """`self:signal:SIGUSR1`: run when the tracing process gets that signal."""

    name = "self"
    listed = "named"
    listed_parts = 2
    SIGNALS: ClassVar[tuple[str, ...]] = ("SIGUSR1",)

    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        if len(spec.parts) != 2:
            self.wrong_count(spec, "2", diagnostics)
            return None
        return spec

    def check(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Spec]:
        trigger, signal = spec.parts
        if trigger != "signal":
            diagnostics.error(spec.span, f"{trigger} is not a supported trigger")
        elif signal not in self.SIGNALS:
            diagnostics.error(spec.span, f"{signal} is not a supported signal")
        else:
            return [spec]
        return []

    def listing(self, pattern: Spec | None, host: Host, verbose: bool) -> Iterator[tuple[str, list[str]]]:
        trigger, signal = (*(pattern.parts if pattern is not None else ()), "*", "*")[:2]
        if matcher(trigger)("signal"):
            yield from ((f"self:signal:{name}", []) for name in self.SIGNALS if matcher(signal)(name))


PROVIDERS: tuple[Provider, ...] = (Begin(), End(), Self())
