"""The types that scripts see: the kernel's, and those of traced programs.

Many scripts name no type. What reads them is imported for the first one that is not one of C's.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, Callable
from pytrace.kernel.c_integers import c_type
from pytrace.once import cached_property
from pytrace.semantics.types import Enum, Struct, StructDef, Type

if TYPE_CHECKING:
    from pytrace.kernel.btf_types import KernelTypes, PerCpuVariable
    from pytrace.probes.debug_types import DebugTypes

__all__ = ["HostTypes"]


class HostTypes:
    """The kernel's types by name; of traced programs the contents of structs that arguments of probes led to."""

    def __init__(self, debug_types: Callable[[], DebugTypes]) -> None:
        self._debug_types = debug_types

    @cached_property
    def _kernel(self) -> KernelTypes:
        from pytrace.kernel.btf_types import KernelTypes

        return KernelTypes()

    def definition(self, struct: Struct) -> StructDef | None:
        # The source of a program's type is the program's path.
        if "/" in struct.source:
            from pytrace.probes.debug_info import Damaged, careful

            try:
                with careful(struct.source):
                    return self._debug_types().definition(struct)
            except Damaged:
                return None
        return self._kernel.definition(struct)

    def named(self, name: str) -> Type | None:
        return c_type(name) or self._kernel.named(name)

    def struct(self, kind: str, name: str) -> Struct | None:
        return self._kernel.struct(kind, name)

    def enum(self, name: str) -> Enum | None:
        return self._kernel.enum(name)

    def enumerator(self, name: str) -> tuple[Enum, int] | None:
        return self._kernel.enumerator(name)

    def variants(self, enum: Enum) -> dict[int, str]:
        return self._kernel.variants(enum)

    def per_cpu(self, name: str) -> PerCpuVariable | None:
        return self._kernel.per_cpu(name)

    def add_module(self, module: str) -> bool:
        """As `KernelTypes.add_module`."""
        return self._kernel.add_module(module)
