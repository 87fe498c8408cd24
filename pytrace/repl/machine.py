"""The machine as completion asks it: what a probe being typed sees, without waiting for long lists.

A probe's context is the provider's own answer, the same that a compilation gets. Only the list of kernel functions is
the one of the index, which is there already.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

from pytrace.diagnostics import CompileError, Diagnostics, Source, Span
from pytrace.probes import find_provider
from pytrace.probes.contexts import ProbeContext
from pytrace.probes.debug_info import Damaged
from pytrace.probes.host import MachineHost
from pytrace.probes.kernel_functions import KernelFunctions
from pytrace.probes.patterns import matcher
from pytrace.probes.provider import Provider, Spec, Target
from pytrace.problem import Problem
from pytrace.repl.index import Index
from pytrace.semantics import definitions
from pytrace.semantics.attach_points import WordError, split_word
from pytrace.semantics.types import TypeTable
from pytrace.semantics.unit import Options, Unit
from pytrace.syntax.parser import parse

__all__ = ["FAILURES", "PromptHost"]

FAILURES = (OSError, ValueError, Problem, CompileError, Damaged)
"""What looking things up may fail with, when files and kernels are not as they should be: nothing is offered then."""

_FEW = 64


class _IndexedFunctions(KernelFunctions):
    """The kernel functions of the index; as long as they have not arrived, any name will do."""

    def __init__(self, index: Index) -> None:
        super().__init__()
        self._index = index

    def is_traceable(self, module: str, function: str) -> bool:
        if not self._index.has("functions"):
            return True
        if module not in ("", "vmlinux"):
            return function in self._index.modules.get(module, ())
        return function in self._index.names("functions")

    def of_module(self, module: str, pattern: str) -> list[str]:
        matches = matcher(pattern)
        names = self._index.names("functions") if module == "vmlinux" else self._index.modules.get(module, ())
        found = []
        for name in names:
            if matches(name):
                found.append(name)
                if len(found) == _FEW:  # enough to know what the probes of a pattern have in common
                    break
        return found

    def matching(self, module: str, function: str) -> list[tuple[str, str]]:
        owners = [name for name in ("vmlinux", *self._index.modules) if matcher(module)(name)]
        return [(owner, name) for owner in owners for name in self.of_module(owner, function)]


class PromptHost(MachineHost):
    """This machine, for as long as a prompt lives."""

    def __init__(self, options: Options, index: Index) -> None:
        super().__init__(options)
        self.index = index
        self._contexts = lru_cache(maxsize=32)(self._look_up_context)
        self._script_types = lru_cache(maxsize=4)(self._read_preamble)

    @cached_property
    def functions(self) -> KernelFunctions:
        return _IndexedFunctions(self.index)

    # --- probes ---------------------------------------------------------------------------------------------------

    def context_of(self, attach_point: str) -> ProbeContext | None:
        """What the first target of an attach point sees; None if it has none, or is not complete yet."""
        attach_point = attach_point.encode("utf-8", "surrogateescape").decode("latin-1")
        try:
            return self._contexts(attach_point, self.index.loaded.is_set())
        except FAILURES:
            return None

    def _look_up_context(self, attach_point: str, _loaded: bool) -> ProbeContext | None:
        found = self.target_of(attach_point)
        return found[0].context(found[1], self) if found is not None else None

    def target_of(self, attach_point: str) -> tuple[Provider, Target] | None:
        """The first target of an attach point, and its provider. Raises one of `FAILURES`."""
        try:
            first, *parts = split_word(attach_point, ())
        except WordError:
            return None
        label, equals, name = first.partition("=")
        provider = find_provider(name if equals else label)
        if provider is None:
            return None
        span = Span(Source("", attach_point), 0, len(attach_point))
        diagnostics = Diagnostics()
        spec = provider.parse(Spec(provider.name, attach_point, tuple(parts), span), diagnostics)
        if spec is None:
            return None
        for each in provider.check(spec, self, diagnostics)[:1]:
            for target in provider.expand(each, self, diagnostics)[:1]:
                return provider, target
        return None

    def parameters(self, function: str) -> tuple[str, ...]:
        """The names of a kernel function's parameters; empty where they are not known."""
        from pytrace.kernel.btf import kernel_btf

        number, btf = self.index.type_id(function), kernel_btf()
        if not number or btf is None:
            return ()
        prototype = btf.type(btf.type(number).value)
        return tuple(each.name or "…" for each in btf.parameters(prototype))

    # --- types ----------------------------------------------------------------------------------------------------

    def types_of(self, preamble: str) -> TypeTable:
        """The kernel's types behind those that a C preamble defines, as far as that can be read."""
        if not preamble.strip():
            return self.types
        try:
            return self._script_types(preamble)
        except FAILURES:
            return self.types

    def _read_preamble(self, preamble: str) -> TypeTable:
        unit = Unit(parse(Source("", preamble)), self.options, self.types, host=self)
        return definitions.read(unit, Diagnostics()).types
