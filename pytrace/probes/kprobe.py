"""`kprobe` and `kretprobe`: kernel functions, by breakpoint or function tracing.

`kprobe[:MODULE]:FUNCTION[+OFFSET]`, `kprobe:ADDRESS` (with --unsafe).

The functions of a pattern are attached by one link where the kernel has such (`multi`), entry and return of the same
functions by one program (`session`, see `semantics/sessions.py`).
"""

from __future__ import annotations

import errno

from pytrace.hints import TYPE_CHECKING, Callable, ClassVar, Iterator
from pytrace.once import Later
from pytrace.probes.multi import attach_together
from pytrace.probes.patterns import has_wildcard
from pytrace.probes.perf_events import attach_event
from pytrace.probes.provider import AttachError, Attachment, Host, Loading, Provider, Spec, Target, Targets

if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics
    from pytrace.probes import kernel_functions, numbers
    from pytrace.probes.contexts import ProbeContext
else:
    kernel_functions, numbers = Later("pytrace.probes.kernel_functions"), Later("pytrace.probes.numbers")


def read_function(text: str, spec: Spec, diagnostics: Diagnostics) -> tuple[str, int] | None:
    """`FUNCTION[+OFFSET]`; None after an error."""
    function, *offsets = text.split("+")
    if not offsets:
        return function, 0
    if len(offsets) > 1:
        diagnostics.error(spec.span, "Cannot take more than one offset")
    elif not function or not offsets[0]:
        diagnostics.error(spec.span, "Invalid offset")
    else:
        try:
            offset = numbers.number(offsets[0])
            if offset < 0:
                raise numbers.BadNumber(f"negative offset: {offsets[0]}")
            return function, offset
        except numbers.BadNumber as error:
            diagnostics.error(spec.span, f"Invalid offset: {error}")
    return None


class Kprobe(Provider):
    name = "kprobe"
    prog_type = "kprobe"
    attach_pass = 2
    listed = "kernel"
    listed_parts = 2
    returns: ClassVar[bool] = False

    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        if len(spec.parts) not in (1, 2):
            self.wrong_count(spec, "1 or 2", diagnostics)
            return None
        *modules, text = spec.parts
        if not text:
            diagnostics.error(spec.span, "kprobes should be attached to a function or an address")
            return None
        module = modules[0] if modules else ""
        if not modules and "+" not in text:
            try:
                return spec.with_data(address=numbers.number(text))
            except numbers.BadNumber:
                pass
        read = read_function(text, spec, diagnostics)
        if read is None:
            return None
        function, offset = read
        if self.returns and "+" in text:
            diagnostics.error(spec.span, "Offset not allowed")
            return None
        return spec.with_data(module=module, function=function, offset=offset)

    def check(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Spec]:
        if spec.get("address") is not None and not host.unsafe:
            diagnostics.error(spec.span, "Probing by address requires --unsafe")
            return []
        return [spec]

    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        address = spec.get("address")
        if isinstance(address, int):
            address &= 0xFFFF_FFFF_FFFF_FFFF
            return [Target(self.name, f"{self.name}:{address}", (("address", address),), spec.label)]
        module, function = spec.string("module"), spec.string("function")
        functions = host.functions
        if has_wildcard(function) or has_wildcard(module):
            multi = not module and host.has_feature("kprobe_multi") and not spec.number("offset")
            return [
                self._target(
                    spec, module and found_module, found, pattern=f"{self.name}:{function}" if multi else "",
                    unsafe=host.unsafe,
                )
                for found_module, found in functions.matching(module or "*", function)
            ]
        if module and not functions.is_loaded(module):
            diagnostics.error(
                spec.span, f"specified module {module} in probe {self.name}:{module}:{function} is not loaded."
            )
            return []
        if functions.is_traceable(module, function):
            return [self._target(spec, module, function, unsafe=host.unsafe)]
        diagnostics.warning(
            spec.span,
            f'{function} is not traceable (either non-existing, inlined, or marked as "notrace"); attaching to it '
            "will likely fail",
        )
        if host.unsafe:
            return [self._target(spec, module, function, unsafe=True)]
        self.missing(spec, f"{module}:{function}" if module else function, host, diagnostics)
        return []

    def _target(
        self, spec: Spec, module: str, function: str, *, pattern: str = "", unsafe: bool = False
    ) -> Target:
        """`pattern` is what those are called together that one link attaches."""
        offset = spec.number("offset")
        name = ":".join(filter(None, (self.name, module, function)))
        data: dict[str, str | int] = {"module": module, "function": function, "offset": offset}
        if pattern:
            data |= {"multi": 1, "pattern": pattern}
        if offset and not unsafe and (size := kernel_functions.function_size(function)) is not None and offset >= size:
            data["error"] = f"Offset outside the function bounds ('{function}' size is {size})"
        return Target(self.name, f"{name}+{offset}" if offset else name, tuple(data.items()), spec.label)

    def context(self, target: Target, host: Host) -> ProbeContext:
        from pytrace.probes.contexts import ProbeContext
        from pytrace.probes.registers import argument_fields, pt_regs_size, return_field
        from pytrace.semantics.types import Pointer, Space, Struct

        regs = Pointer(Struct("pt_regs", pt_regs_size(), 8, "struct", "vmlinux"), Space.KERNEL)
        return ProbeContext(
            self.probetype, self.prog_type, Space.KERNEL, registers=0, ctx=regs, func="kernel",
            arguments=() if self.returns else argument_fields(Space.KERNEL),
            retval=return_field(Space.KERNEL) if self.returns else None,
        )

    def loading(self, target: Target) -> Loading:
        if target.number("session"):
            return Loading(self.prog_type, "trace_kprobe_session")
        return Loading(self.prog_type, "trace_kprobe_multi" if target.number("multi") else "")

    def attach(
        self, prog_fd: int, targets: Targets, *, pid: int | None, failed: Callable[[AttachError], None] | None = None
    ) -> list[Attachment]:
        from pytrace.kernel.links import link_kprobe_multi

        if not targets[0][0].number("multi"):
            return super().attach(prog_fd, targets, pid=pid, failed=failed)
        return attach_together(
            targets,
            lambda some: link_kprobe_multi(
                prog_fd, [target.text("function") for target, _ in some], cookies=[cookie for _, cookie in some],
                returns=self.returns, session=bool(targets[0][0].number("session")),
            ),
            failed,
        )

    def attach_one(self, prog_fd: int, target: Target, cookie: int, pid: int | None) -> list[Attachment]:
        from pytrace.kernel import perf

        if reason := target.text("error"):
            raise AttachError(target, reason)
        address = target.get("address")
        module, function, offset = target.text("module"), target.text("function"), target.number("offset")
        qualified = f"{module}:{function}" if module not in ("", "vmlinux") else function
        try:
            event = perf.kprobe_event(
                address if isinstance(address, int) else qualified, offset, returns=self.returns
            )
            return [Attachment(1, attach_event(prog_fd, event, cookie))]
        except OSError as error:
            raise AttachError(target, _explain(error, function, offset), cause=error) from error

    def listing(self, pattern: Spec | None, host: Host, verbose: bool) -> Iterator[tuple[str, list[str]]]:
        parts = pattern.parts if pattern is not None else ()
        with_module = len(parts) == 2
        module = parts[0] if with_module else "*"
        for found_module, function in host.functions.matching(module, parts[-1] if parts else "*"):
            line = f"{self.name}:{found_module}:{function}" if with_module else f"{self.name}:{function}"
            yield line, self._lines(found_module, function, host) if verbose else []

    def argument_lines(self, target: Target, host: Host) -> list[str]:
        return self._lines(target.text("module") or "vmlinux", target.text("function"), host)

    def _lines(self, module: str, function: str, host: Host) -> list[str]:
        described = host.kernel.signature(module, function)
        if described is None:
            return []
        if self.returns:
            return [] if described.returns == "void" else [f"{described.returns} retval"]
        return [f"{type_} arg{n}" for n, (type_, _) in enumerate(described.parameters)]


def _explain(error: OSError, function: str, offset: int) -> str:
    if error.errno == errno.EILSEQ:
        return f"Could not add kprobe at {function}+{offset}: the offset is probably in the middle of an instruction"
    return str(error)


class Kretprobe(Kprobe):
    name = "kretprobe"
    listed = "named"
    returns = True

    def pass_of(self, target: Target, *, several: bool) -> int:
        # The kernel runs entries in reverse, and returns from the last entry to the first; of links, newer ones do not.
        if several and target.number("multi"):
            from pytrace.kernel import features

            return 2 if features.multi_returns_reversed() else 1
        return 1


PROVIDERS: tuple[Provider, ...] = (Kprobe(), Kretprobe())
