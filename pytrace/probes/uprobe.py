"""`uprobe` and `uretprobe`: functions and instructions of programs and libraries.

`uprobe:BINARY:FUNCTION[+OFFSET]`, `uprobe:BINARY:ADDRESS`, `uprobe:BINARY:cpp:"DEMANGLED"`,
`uprobe:BINARY@FILE:LINE[:COLUMN]`, with -p also `uprobe:FUNCTION`.

All places of one program are attached by uprobe-multi links, one for each file, where the kernel has them (Linux 6.6):
a perf event for each place takes a hundred times longer to close.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, Callable, ClassVar, Iterator
from pytrace.once import Later
from pytrace.probes.patterns import has_wildcard
from pytrace.probes.provider import AttachError, Attachment, Host, Loading, Provider, Spec, Target, Targets
from pytrace.probes.user_attaching import attach_user, file_of

if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics
    from pytrace.probes import archives, binaries, kprobe, numbers, user_places
    from pytrace.probes.contexts import ContextField, ProbeContext
else:
    archives, binaries, kprobe, numbers, user_places = (
        Later(f"pytrace.probes.{name}") for name in ("archives", "binaries", "kprobe", "numbers", "user_places")
    )

_SOURCE_FORMAT = "expected format: uprobe:TARGET@FILE:LINE[:COL]"


def user_context(
    provider: Provider,
    *,
    arguments: tuple[ContextField, ...] = (),
    retval: bool = False,
    func: str = "user",
) -> ProbeContext:
    """What all probes of user space see: registers and values of the process."""
    from pytrace.probes.contexts import ProbeContext
    from pytrace.probes.registers import pt_regs_size, return_field
    from pytrace.semantics.types import Pointer, Space, Struct

    regs = Pointer(Struct("pt_regs", pt_regs_size(), 8, "struct", "vmlinux"), Space.KERNEL)
    return ProbeContext(
        provider.probetype, provider.prog_type, Space.USER, registers=0, ctx=regs, func=func,
        arguments=arguments, retval=return_field(Space.USER) if retval else None,
    )


class Uprobe(Provider):
    name = "uprobe"
    prog_type = "kprobe"
    filtered_by_pid = True
    attach_pass = 2
    listed = "user"
    listed_parts = 3
    returns: ClassVar[bool] = False

    # --- spelling -------------------------------------------------------------------------------------------------

    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        if "@" in spec.parts[1:2]:
            return self._parse_source(spec, diagnostics)
        if len(spec.parts) not in (1, 2, 3):
            self.wrong_count(spec, "2 or 3", diagnostics)
            return None
        *targets, text = spec.parts
        language = targets.pop() if len(targets) == 2 else ""
        if targets and not targets[0]:
            diagnostics.error(spec.span, f"{self.name} should have a target")
        if not text:
            diagnostics.error(spec.span, "uprobe should be attached to a function and/or address")
            return None
        data: dict[str, str | int] = {"target": targets[0] if targets else "", "language": language}
        if language:
            # The text of C++ operators may hold a plus sign.
            return spec.with_data(**data, function=text)
        if "+" not in text:
            try:
                return spec.with_data(**data, address=numbers.number(text))
            except numbers.BadNumber:
                pass
        read = kprobe.read_function(text, spec, diagnostics)
        if read is None:
            return None
        if self.returns and "+" in text:
            diagnostics.error(spec.span, "Offset not allowed")
            return None
        return spec.with_data(**data, function=read[0], offset=read[1])

    def _parse_source(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        target, _, *place = spec.parts
        if self.returns:
            diagnostics.error(spec.span, "Source code location not allowed")
        elif len(place) not in (2, 3):
            diagnostics.error(spec.span, f"Invalid uprobe arguments, {_SOURCE_FORMAT}")
        elif has_wildcard(target) or has_wildcard(place[0]):
            diagnostics.error(spec.span, "Cannot use wildcards with source code location")
        else:
            values = []
            for text, what in zip(place[1:], ("line", "column"), strict=False):
                try:
                    values.append(numbers.number(text))
                except numbers.BadNumber as error:
                    diagnostics.error(spec.span, f"Invalid {what} number: {error}")
                    return None
            line, column = (*values, 0)[:2]
            return spec.with_data(target=target, file=place[0], line=line, column=column)
        return None

    # --- the target file ------------------------------------------------------------------------------------------

    def check(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Spec]:
        language = spec.string("language")
        if language not in ("", "cpp"):
            diagnostics.error(spec.span, f"unsupported language type: {language}")
            return []
        target = spec.string("target")
        if len(spec.parts) == 1:
            if host.pid is None:
                self.wrong_count(spec, "2 or 3", diagnostics)
                return []
            target = f"/proc/{host.pid}/exe"
        if archives.is_member(target):
            return user_places.check_member(self, spec, target, diagnostics)
        found = binaries.find_binaries(target, host.pid, unsafe=host.unsafe)
        if not found and not has_wildcard(target):
            diagnostics.error(
                spec.span, f"{self.name} target file '{target}' does not exist or is not executable"
            )
        if found and found[0].others:
            diagnostics.warning(
                spec.span,
                f"attaching to {self.name} target file '{found[0].path}' but matched {found[0].others + 1} "
                "binaries",
            )
        values: dict[str, str | int] = dict(spec.data)
        return [spec.with_data(**values | {"path": binary.path, "several": int("*" in target)}) for binary in found]

    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        return user_places.targets(self, spec, host, diagnostics)

    # --- the rest -------------------------------------------------------------------------------------------------

    def context(self, target: Target, host: Host) -> ProbeContext:
        from pytrace.probes.registers import argument_fields
        from pytrace.semantics.types import Space

        if self.returns:
            return user_context(self, retval=True)
        context = user_context(self, arguments=argument_fields(Space.USER))
        return user_places.with_parameters(context, target, host)

    def loading(self, target: Target) -> Loading:
        return Loading(self.prog_type, "trace_uprobe_multi" if target.number("multi") else "")

    def attach(
        self, prog_fd: int, targets: Targets, *, pid: int | None, failed: Callable[[AttachError], None] | None = None
    ) -> list[Attachment]:
        return attach_user(prog_fd, targets, pid, self.returns, failed)

    def files(self, target: Target) -> tuple[str, ...]:
        return user_places.files(file_of(target))

    def listing(self, pattern: Spec | None, host: Host, verbose: bool) -> Iterator[tuple[str, list[str]]]:
        return user_places.listing(self, pattern, host, verbose)

    def argument_lines(self, target: Target, host: Host) -> list[str]:
        return user_places.argument_lines(target, host)

    def listed_target(self, target: Target, spec: Spec) -> str:
        listed = target.text("listed")
        return f"{self.name}:{target.text('path')}:{listed}" if listed else target.name


class Uretprobe(Uprobe):
    name = "uretprobe"
    listed = "named"
    returns = True

    def argument_lines(self, target: Target, host: Host) -> list[str]:
        return []


PROVIDERS: tuple[Provider, ...] = (Uprobe(), Uretprobe())
