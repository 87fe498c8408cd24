"""`rawtracepoint[:MODULE]:EVENT`: the arguments of the kernel's trace call, typed by BTF.

Programs are of type TRACING, loaded for the typedef `btf_trace_EVENT`: unlike RAW_TRACEPOINT programs they may follow
pointers to kernel structures directly.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, Iterator
from pytrace.probes.patterns import has_wildcard
from pytrace.probes.provider import AttachError, Attachment, Host, Loading, Provider, Spec, Target

if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics
    from pytrace.probes.contexts import ProbeContext
    from pytrace.probes.kernel_btf import Named


class RawTracepoint(Provider):
    name = "rawtracepoint"
    prog_type = "tracing"
    expected_attach_type = "trace_raw_tp"
    listed = "kernel"
    listed_parts = 2

    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        if len(spec.parts) not in (1, 2):
            self.wrong_count(spec, "2 or 1", diagnostics)
            return None
        module, event = ("*", *spec.parts)[-2:]
        if not event:
            diagnostics.error(spec.span, "rawtracepoint should be attached to a function")
            return None
        return spec.with_data(module=module or "*", event=event)

    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        module, event = spec.string("module"), spec.string("event")
        if not host.kernel.available:
            diagnostics.error(
                spec.span, "rawtracepoint needs kernel type information (BTF), which this kernel lacks",
                hints=["use a tracepoint instead"],
            )
            return []
        found = host.kernel.tracepoints(module, event)
        if not found and not has_wildcard(module) and not has_wildcard(event):
            self.missing(spec, f"{module}:{event}", host, diagnostics)
        return [self._target(each, spec.label) for each in found]

    def _target(self, found: Named, label: str) -> Target:
        data = (("module", found.module), ("event", found.name), ("btf", found.attach_btf))
        return Target(self.name, f"{self.name}:{found.module}:{found.name}", data, label)

    def context(self, target: Target, host: Host) -> ProbeContext:
        from pytrace.probes.contexts import ContextField, ProbeContext
        from pytrace.semantics.types import U64, Space

        function = host.kernel.tracepoint(target.text("module"), target.text("event"))
        fields = function.fields if function is not None else ()
        return ProbeContext(
            self.probetype, self.prog_type, Space.KERNEL, args=fields, args_printable=True,
            args_name=f"{target.name}_args",
            # Every argument takes one slot, whatever its type.
            arguments=tuple(
                ContextField(f"arg{n}", U64, field.offset, 8, Space.KERNEL, copied=field.copied)
                for n, field in enumerate(fields)
            ),
        )

    def loading(self, target: Target) -> Loading:
        return Loading(self.prog_type, self.expected_attach_type, target.text("btf"))

    def attach_one(self, prog_fd: int, target: Target, cookie: int, pid: int | None) -> list[Attachment]:
        from pytrace.kernel.links import raw_tracepoint_open

        # A program has one target: its name is a constant, a cookie is never asked for.
        try:
            return [Attachment(1, (raw_tracepoint_open(prog_fd),))]
        except OSError as error:
            raise AttachError(target, str(error), cause=error) from error

    def listing(self, pattern: Spec | None, host: Host, verbose: bool) -> Iterator[tuple[str, list[str]]]:
        parts = pattern.parts if pattern is not None else ()
        module, event = ("*", "*", *parts)[-2:]
        for each in host.kernel.tracepoints(module, event):
            target = self._target(each, "")
            yield target.name, self.argument_lines(target, host) if verbose else []

    def argument_lines(self, target: Target, host: Host) -> list[str]:
        function = host.kernel.tracepoint_signature(target.text("module"), target.text("event"))
        return [f"{type_} {name}" for type_, name in function.parameters] if function is not None else []


PROVIDERS: tuple[Provider, ...] = (RawTracepoint(),)
