"""`iter:NAME[:PIN]`: programs that the kernel runs for each of its objects of a kind, when a file is read."""

from __future__ import annotations

import os

from pytrace.hints import TYPE_CHECKING, Callable, Iterator
from pytrace.probes.patterns import has_wildcard, matcher
from pytrace.probes.provider import AttachError, Attachment, Host, Loading, Provider, Spec, Target

if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics
    from pytrace.probes.contexts import ProbeContext

PIN_ROOT = "/sys/fs/bpf"
_READ = 1 << 16


class Iter(Provider):
    name = "iter"
    prog_type = "tracing"
    expected_attach_type = "trace_iter"
    filtered_by_pid = True
    attach_pass = 2
    alone = True
    listed = "kernel"

    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        if len(spec.parts) not in (1, 2):
            diagnostics.error(spec.span, "iter probe type takes 2 arguments (1 optional)")
            return None
        return spec.with_data(iterator=spec.parts[0], pin=spec.parts[1] if len(spec.parts) == 2 else "")

    def check(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Spec]:
        name = spec.string("iterator")
        if any(map(has_wildcard, spec.parts)):
            diagnostics.error(spec.span, "iter probe type does not support wildcards")
        elif not name:
            diagnostics.error(spec.span, "iter should specify a iterator's name")
        elif host.kernel.iterator(name) is None:
            diagnostics.error(spec.span, f"iter {name} not available for your kernel version.")
        else:
            return [spec]
        return []

    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        name, pin = spec.string("iterator"), spec.string("pin")
        if pin and not pin.startswith("/"):
            pin = f"{PIN_ROOT}/{pin}"
        found = host.kernel.iterator(name)
        data = (("iterator", name), ("pin", pin), ("btf", found.attach_btf if found is not None else ""))
        return [Target(self.name, f"{self.name}:{name}", data, spec.label)]

    def context(self, target: Target, host: Host) -> ProbeContext:
        from pytrace.probes.contexts import ProbeContext
        from pytrace.semantics.types import Pointer, Space

        struct = host.types.struct("struct", f"bpf_iter__{target.text('iterator')}")
        found = host.kernel.iterator(target.text("iterator"))
        return ProbeContext(
            self.probetype, self.prog_type, Space.KERNEL,
            ctx=Pointer(struct, Space.KERNEL, trusted=True) if struct is not None else None,
            subject=found.subject if found is not None else None,
        )

    def loading(self, target: Target) -> Loading:
        return Loading(self.prog_type, self.expected_attach_type, target.text("btf"))

    def attach_one(self, prog_fd: int, target: Target, cookie: int, pid: int | None) -> list[Attachment]:
        from pytrace.kernel.links import link_iter

        by_task = target.text("iterator").startswith("task")
        try:
            return [Attachment(1, (link_iter(prog_fd, pid=pid or 0 if by_task else 0),))]
        except OSError as error:
            raise AttachError(target, str(error), cause=error) from error

    def listing(self, pattern: Spec | None, host: Host, verbose: bool) -> Iterator[tuple[str, list[str]]]:
        matches = matcher(pattern.parts[0] if pattern is not None and pattern.parts else "*")
        for name in filter(matches, host.kernel.iterators()):
            target = Target(self.name, f"{self.name}:{name}", (("iterator", name),))
            yield target.name, self.argument_lines(target, host) if verbose else []

    def argument_lines(self, target: Target, host: Host) -> list[str]:
        found = host.kernel.iterator(target.text("iterator"))
        return [f"{type_} {name}" for type_, name in found.parameters] if found is not None else []


def pin_iterator(link_fd: int, target: Target) -> str:
    """Pin an attached iterator where its specification says; gives the path. Raises `OSError`."""
    from pytrace.kernel.links import obj_pin

    path = target.text("pin")
    obj_pin(link_fd, path)
    return path


def run_iterator(link_fd: int, write: Callable[[bytes], object]) -> None:
    """Run an attached iterator from beginning to end; what its program prints goes to `write`. Raises `OSError`."""
    from pytrace.kernel.links import iter_create

    fd = iter_create(link_fd)
    try:
        while chunk := os.read(fd, _READ):
            write(chunk)
    finally:
        os.close(fd)


PROVIDERS: tuple[Provider, ...] = (Iter(),)
