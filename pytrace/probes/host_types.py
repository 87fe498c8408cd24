"""The types that scripts see: the kernel's, and those of traced programs."""

from __future__ import annotations

from pytrace.kernel.btf_types import KernelTypes
from pytrace.probes.debug_info import Damaged, careful
from pytrace.probes.debug_types import DebugTypes
from pytrace.semantics.types import Struct, StructDef

__all__ = ["HostTypes"]


class HostTypes(KernelTypes):
    """The kernel's types by name; of traced programs the contents of structs that arguments of probes led to."""

    def __init__(self, debug_types: DebugTypes) -> None:
        super().__init__()
        self._debug_types = debug_types

    def definition(self, struct: Struct) -> StructDef | None:
        # The source of a program's type is the program's path.
        if "/" in struct.source:
            try:
                with careful(struct.source):
                    return self._debug_types.definition(struct)
            except Damaged:
                return None
        return super().definition(struct)
