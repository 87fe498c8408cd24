"""`fentry` and `fexit`: entry and exit of kernel functions and BPF programs, by trampolines, with typed arguments.

`fentry[:MODULE]:FUNCTION`, `fentry:bpf[:ID]:PROGRAM`.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, ClassVar, Iterator
from pytrace.probes.patterns import has_wildcard
from pytrace.probes.provider import AttachError, Attachment, Host, Loading, Provider, Spec, Target

if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics
    from pytrace.probes.contexts import ProbeContext
    from pytrace.probes.kernel_btf import Named

_BPF = "bpf"
_DANGEROUS = frozenset(
    ("_raw_spin_lock", "_raw_spin_lock_irqsave", "_raw_spin_unlock_irqrestore", "queued_spin_lock_slowpath")
)
"""Functions that programs run themselves while they hold locks."""


class Fentry(Provider):
    name = "fentry"
    prog_type = "tracing"
    expected_attach_type = "trace_fentry"
    attach_pass = 2
    listed = "kernel"
    listed_parts = 3
    returns: ClassVar[bool] = False

    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        parts = spec.parts
        if len(parts) not in (1, 2, 3):
            self.wrong_count(spec, "1 or 3", diagnostics)
            return None
        if parts[0] != _BPF:
            if len(parts) == 3:
                diagnostics.error(spec.span, "Only the 'bpf' variant of this probe supports 4 arguments")
                return None
            module, function = ("*", *parts)[-2:]
            if not function:
                diagnostics.error(spec.span, "fentry/fexit should specify a function")
                return None
            return spec.with_data(module=module or "*", function=function)
        if len(parts) == 1:
            diagnostics.error(
                spec.span, "the 'bpf' variant of this probe requires a bpf program name and optional bpf program id"
            )
            return None
        number, function = ("*", *parts[1:])[-2:]
        if not function:
            diagnostics.error(spec.span, "fentry/fexit should specify a function")
        elif number != "*" and not (number.isascii() and number.isdigit() and len(number) <= 10):
            diagnostics.error(spec.span, "bpf program id must be a number or '*'")
        else:
            return spec.with_data(module=_BPF, program=0 if number == "*" else int(number), function=function)
        return None

    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        if spec.get("program") is not None:
            return self._expand_bpf(spec, host, diagnostics)
        module, function = spec.string("module"), spec.string("function")
        found = host.kernel.functions(module, function)
        exact = not has_wildcard(function) and len(spec.parts) == 1
        if exact and len({each.module for each in found}) > 1:
            modules = ", ".join(each.module for each in found)
            diagnostics.error(
                spec.span, f"ambiguous attach point: {function} is defined in {modules}; please specify the module"
            )
            return []
        if not found and not has_wildcard(function) and (exact or not has_wildcard(module)):
            self.missing(spec, function if exact else f"{module}:{function}", host, diagnostics)
        for each in found:
            if each.name in _DANGEROUS:
                diagnostics.warning(
                    spec.span,
                    f"Attaching to dangerous function: {each.module}:{each.name}. Programs take such locks themselves, "
                    "which may stop the machine.",
                )
        return [self._target(each, spec.label) for each in found]

    def _target(self, found: Named, label: str) -> Target:
        data = (("module", found.module), ("function", found.name), ("btf", found.attach_btf))
        more = (("dangerous", 1),) if found.name in _DANGEROUS else ()
        return Target(self.name, f"{self.name}:{found.module}:{found.name}", (*data, *more), label)

    def _expand_bpf(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        number, function = spec.number("program"), spec.string("function")
        found = host.kernel.bpf_functions(number, function)
        if not found and number and not has_wildcard(function):
            self.missing(spec, f"{_BPF}:{function}", host, diagnostics)
        return [
            Target(
                self.name, f"{self.name}:{_BPF}:{program}:{name}",
                (("module", _BPF), ("function", name), ("btf", f"prog/{program}/{name}")), spec.label,
            )
            for program, name in found
        ]

    def context(self, target: Target, host: Host) -> ProbeContext:
        from pytrace.probes.contexts import ProbeContext
        from pytrace.probes.registers import registers
        from pytrace.semantics.types import Space

        if target.text("module") == _BPF:
            return ProbeContext(
                self.probetype, self.prog_type, Space.KERNEL, func="kernel",
                args_error=f"The args builtin is not available in {self.name}:bpf probes",
            )
        function = host.kernel.function(target.text("module"), target.text("function"))
        known = function is not None and not function.too_many
        return ProbeContext(
            self.probetype, self.prog_type, Space.KERNEL, func="kernel", args_printable=True,
            args=function.fields if function is not None and known else None, args_name=f"{target.name}_args",
            args_error=""
            if known
            else f'Could not parse arguments of "{target.text("function")}": functions with more than '
            f"{len(registers().arguments)} parameters are not supported.",
            retval=function.result if function is not None and self.returns else None,
            retval_error="Can't find a field $retval: the function returns nothing"
            if self.returns
            else "Can't find a field $retval: the function has not returned yet",
        )

    def loading(self, target: Target) -> Loading:
        return Loading(self.prog_type, self.expected_attach_type, target.text("btf"))

    def attach_one(self, prog_fd: int, target: Target, cookie: int, pid: int | None) -> list[Attachment]:
        from pytrace.kernel.links import raw_tracepoint_open

        try:
            return [Attachment(1, (raw_tracepoint_open(prog_fd),))]
        except OSError as error:
            raise AttachError(target, str(error), cause=error) from error

    def listing(self, pattern: Spec | None, host: Host, verbose: bool) -> Iterator[tuple[str, list[str]]]:
        parts = pattern.parts if pattern is not None else ()
        if parts[:1] == (_BPF,):
            number, name = ("*", *parts[1:])[-2:] if len(parts) > 1 else ("*", "*")
            wanted = int(number) if number.isdigit() else 0
            for program, function in host.kernel.bpf_functions(wanted, name):
                yield f"{self.name}:{_BPF}:{program}:{function}", []
            return
        if len(parts) > 2:
            return
        module, name = ("*", "*", *parts)[-2:]
        prefix = f"{self.name}:"
        for line in host.kernel.function_names(module, name):
            owner, _, function = line.partition(":")
            yield prefix + line, self._lines(owner, function, host) if verbose else []

    def argument_lines(self, target: Target, host: Host) -> list[str]:
        return self._lines(target.text("module"), target.text("function"), host)

    def _lines(self, module: str, name: str, host: Host) -> list[str]:
        function = host.kernel.signature(module, name)
        if function is None:
            return []
        lines = [f"{type_} {name}" for type_, name in function.parameters]
        if self.returns and function.returns != "void":
            lines.append(f"{function.returns} retval")
        return lines


class Fexit(Fentry):
    name = "fexit"
    expected_attach_type = "trace_fexit"
    listed = "named"
    returns = True


PROVIDERS: tuple[Provider, ...] = (Fentry(), Fexit())
