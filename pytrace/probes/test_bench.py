"""`test:NAME` and `bench:NAME`: programs that --test and --bench run.

They are XDP programs executed by BPF_PROG_TEST_RUN with an Ethernet header (14 bytes) as their packet.
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics, Span
from pytrace.hints import TYPE_CHECKING, Sequence
from pytrace.probes.provider import Host, Provider, Spec, Target

if TYPE_CHECKING:
    from pytrace.probes.contexts import ProbeContext

PACKET = bytes(14)
"""The packet that the programs are run with: the kernel wants an Ethernet header (ETH_HLEN) at least."""


class Test(Provider):
    name = "test"
    prog_type = "xdp"
    expected_attach_type = "xdp"
    attach_pass = 0
    filtered_by_pid = True

    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        if len(spec.parts) != 1:
            self.wrong_count(spec, "1", diagnostics)
            return None
        return spec

    def check(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Spec]:
        if not spec.parts[0]:
            diagnostics.error(spec.span, f"{self.name} probes must have a name")
            return []
        return [spec]

    def check_script(self, specs: Sequence[Spec], diagnostics: Diagnostics) -> None:
        first: dict[str, Span] = {}
        for spec in specs:
            name = spec.parts[0]
            if name and first.setdefault(name, spec.span) is not spec.span:
                diagnostics.error(
                    spec.span, f'"{name}" was used as the name for more than one {self.name.upper()} probe',
                    notes=[(first[name], "this is the other instance")],
                )

    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        name = spec.parts[0]
        return [Target(self.name, f"{self.name}:{name}", (("name", name),), spec.label)]

    def context(self, target: Target, host: Host) -> ProbeContext:
        from pytrace.probes.contexts import ProbeContext

        return ProbeContext(self.probetype, self.prog_type)


class Bench(Test):
    name = "bench"

    @property
    def probetype(self) -> str:
        return "benchmark"


PROVIDERS: tuple[Provider, ...] = (Test(), Bench())
