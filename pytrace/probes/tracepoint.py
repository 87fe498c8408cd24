"""`tracepoint:CATEGORY:EVENT`: static tracepoints with the records that their format files describe.

Targets that are `shared` stand for system calls and are attached together (`semantics/sharing.py`).
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics
from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING, Callable, Iterator
from pytrace.probes.patterns import has_wildcard, matcher
from pytrace.probes.perf_events import attach_event
from pytrace.probes.provider import (
    AttachError,
    Attachment,
    ContextField,
    Host,
    ProbeContext,
    Provider,
    Spec,
    Target,
    Targets,
)
from pytrace.semantics.types import (
    BOOL,
    I64,
    VOID,
    Array,
    Bool,
    Enum,
    Int,
    Pointer,
    Space,
    Str,
    Type,
    TypeTable,
    size_of,
)

if TYPE_CHECKING:
    from pytrace.kernel.tracefs import FormatField

_COMMON = 8
"""The fields before this offset are refused by the verifier: struct trace_entry (kernel/trace/bpf_trace.c)."""
_QUALIFIERS = frozenset(("const", "volatile", "restrict", "__user", "__rcu", "__force"))
_INTEGERS = frozenset((
    "int", "unsigned", "signed", "long", "short", "char", "uint", "size_t", "ssize_t", "pid_t", "uid_t", "gid_t",
    "dev_t", "ino_t", "loff_t", "off_t", "umode_t", "gfp_t", "sector_t",
    *(f"{prefix}{sign}{bits}" for prefix in ("", "__") for sign in "us" for bits in (8, 16, 32, 64)),
    *(f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)),
))  # fmt: skip
"""Words of integer types: their size and signedness stand in the format, so that kernel types need not be searched."""


def _base(words: list[str], types: TypeTable) -> Type | None:
    """The type that words without stars name; None if unknown."""
    if words[:1] == ["struct"] or words[:1] == ["union"]:
        return types.struct(words[0], " ".join(words[1:]))
    if words[:1] == ["enum"]:
        return types.enum(" ".join(words[1:]))
    if words == ["void"]:
        return VOID
    if words in (["bool"], ["_Bool"]):
        return BOOL
    return types.named(" ".join(words))


def _pointer(text: str, types: TypeTable, space: Space) -> Pointer:
    words = [word for word in text.replace("*", " * ").split() if word not in _QUALIFIERS]
    stars = words.count("*")
    # Function pointers and what is unknown can be passed on, not followed.
    pointee = None if "(" in text else _base([word for word in words if word != "*"], types)
    result = Pointer(pointee or VOID, space)
    for _ in range(stars - 1):
        result = Pointer(result, space)
    return result


def field_type(field: FormatField, types: TypeTable, space: Space) -> Type:
    """The type of a field (PROBES 2.5)."""
    if field.data_loc or field.rel_loc:
        return I64
    if "*" in field.type:
        return _pointer(field.type, types, space)
    words = [word for word in field.type.split() if word not in _QUALIFIERS]
    if field.count is not None:
        if words == ["char"]:
            return Str(field.size)
        size = field.size // field.count if field.count else 1
        return Array(_scalar(words, size, field.signed, types, space), field.count)
    return _scalar(words, field.size, field.signed, types, space)


def _scalar(words: list[str], size: int, signed: bool, types: TypeTable, space: Space) -> Type:
    fits = size in (1, 2, 4, 8)
    known = None if fits and _INTEGERS.issuperset(words) else _base(words, types)
    if isinstance(known, Pointer):
        return Pointer(known.pointee, space)
    if isinstance(known, Enum | Bool) and fits:
        return known
    if known is not None and not isinstance(known, Int) and size_of(known) == size:
        return known
    # An integer, or something the kernel does not describe, such as a structure of a header that is not compiled in.
    return Int(size, signed) if fits else Array(Int(1, False), size)


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
