"""`tracepoint:CATEGORY:EVENT`: static tracepoints with the records that their format files describe.

Targets that are `shared` stand for system calls and are attached together (`semantics/sharing.py`).
"""

from __future__ import annotations

from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING, Callable, Iterator
from pytrace.probes.patterns import has_wildcard, matcher
from pytrace.probes.perf_events import attach_event
from pytrace.probes.provider import AttachError, Attachment, Host, Provider, Spec, Target, Targets

if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics
    from pytrace.probes.contexts import ProbeContext

_COMMON = 8
"""The fields before this offset are refused by the verifier: struct trace_entry (kernel/trace/bpf_trace.c)."""


class Tracepoint(Provider):
    name = "tracepoint"
    prog_type = "tracepoint"
    listed = "kernel"
    listed_parts = 2

    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        parts = spec.parts
        if len(parts) == 1 and has_wildcard(parts[0]):
            parts = ("*", *parts)
        if len(parts) != 2:
            self.wrong_count(spec, "2", diagnostics)
            return None
        if not all(parts):
            diagnostics.error(spec.span, "tracepoint probe must have a target")
            return None
        return spec.with_data(category=parts[0], event=parts[1])

    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        category, event = spec.string("category"), spec.string("event")
        try:
            tracefs = host.tracefs
        except OSError as error:
            diagnostics.error(spec.span, f"Tracepoints cannot be found: {error}")
            return []
        if has_wildcard(category) or has_wildcard(event):
            return [self._target(*found, spec.label) for found in self._matches(category, event, host)]
        if tracefs.event_id(category, event) is None:
            self.missing(spec, f"{category}:{event}", host, diagnostics)
            return []
        return [self._target(category, event, spec.label)]

    def _target(self, category: str, event: str, label: str) -> Target:
        return Target(
            self.name, f"{self.name}:{category}:{event}", (("category", category), ("event", event)), label
        )

    def _matches(self, category: str, event: str, host: Host) -> list[tuple[str, str]]:
        if "\0" in category:
            return []
        in_category, is_event = matcher(category), matcher(event)
        tracefs = host.tracefs
        found = [
            (group, name)
            for group in (tracefs.categories() if has_wildcard(category) else [category])
            if in_category(group)
            for _, name in tracefs.events(group)
            # Those of ftrace itself have no id: nothing can be attached to them.
            if is_event(name) and group != "ftrace"
        ]
        return sorted(found, key=":".join)

    def context(self, target: Target, host: Host) -> ProbeContext:
        from pytrace.probes.contexts import ContextField, ProbeContext
        from pytrace.probes.tracepoint_fields import field_type
        from pytrace.semantics.types import Space

        category, event = target.text("category"), target.text("event")
        space = Space.USER if category == "syscalls" else Space.KERNEL
        try:
            fields = host.tracefs.format(category, event).fields
        except OSError:
            # It existed when it was matched; a module was removed since.
            fields = ()
        return ProbeContext(
            self.probetype, self.prog_type, Space.KERNEL,
            args=tuple(
                ContextField(
                    # Variable data stands in the record itself, even where it was copied from user space.
                    field.name, field_type(field, host.types, space), field.offset, field.size,
                    Space.KERNEL if field.data_loc or field.rel_loc else space,
                    data_loc=field.data_loc, rel_loc=field.rel_loc,
                )
                for field in fields
            ),
            refused=frozenset(field.name for field in fields if field.offset < _COMMON),
            args_name=f"tracepoint:{category}:{event}_args",
        )

    def attach(
        self, prog_fd: int, targets: Targets, *, pid: int | None, failed: Callable[[AttachError], None] | None = None
    ) -> list[Attachment]:
        first = targets[0][0]
        if not first.number("shared"):
            return super().attach(prog_fd, targets, pid=pid, failed=failed)
        direction = "sys_enter" if first.text("event").startswith("sys_enter") else "sys_exit"
        common = Target(self.name, first.name, (("category", "raw_syscalls"), ("event", direction)), first.label)
        made = super().attach(prog_fd, [(common, 0)], pid=pid, failed=failed)
        return [replace(each, count=len(targets)) for each in made]

    def attach_one(self, prog_fd: int, target: Target, cookie: int, pid: int | None) -> list[Attachment]:
        from pytrace.kernel import perf, tracefs

        number = tracefs.find().event_id(target.text("category"), target.text("event"))
        if number is None:
            raise AttachError(target, f"tracepoint {target.text('category')}:{target.text('event')} does not exist")
        try:
            return [Attachment(1, attach_event(prog_fd, perf.tracepoint_event(number), cookie))]
        except OSError as error:
            raise AttachError(target, str(error), cause=error) from error

    def listing(self, pattern: Spec | None, host: Host, verbose: bool) -> Iterator[tuple[str, list[str]]]:
        parts = pattern.parts if pattern is not None else ()
        category, event = ("*", "*", *parts)[-2:]
        for group, name in self._matches(category, event, host):
            target = self._target(group, name, "")
            yield target.name, self.argument_lines(target, host) if verbose else []

    def argument_lines(self, target: Target, host: Host) -> list[str]:
        fields = host.tracefs.format(target.text("category"), target.text("event")).fields
        return [field.text for field in fields if not field.common]


PROVIDERS: tuple[Provider, ...] = (Tracepoint(),)
