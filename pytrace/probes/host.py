"""The machine that probes are looked for on, as the command line wants it seen.

Everything is found out when it is first asked for: a timer needs no kernel types, a tracepoint no list of functions.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING
from pytrace.once import cache, cached_property
from pytrace.probes.kernel_functions import KernelFunctions
from pytrace.semantics.configuration import Config

if TYPE_CHECKING:
    from pytrace.kernel.tracefs import Tracefs
    from pytrace.probes.debug_types import DebugTypes
    from pytrace.probes.host_types import HostTypes
    from pytrace.probes.kernel_btf import KernelBtf
    from pytrace.semantics.unit import Options

__all__ = ["MachineHost"]


def _debug_types() -> DebugTypes:
    from pytrace.probes.debug_types import DebugTypes

    return DebugTypes()


class MachineHost:
    """This machine, for one compilation; implements `provider.Host`."""

    def __init__(self, options: Options, config: Config | None = None) -> None:
        self.options = options
        self.config = config or Config()
        self.pid = options.pid
        self.child_path = options.child_path
        self.unsafe = options.unsafe
        self.no_features = options.no_features
        self.traceable_functions = options.traceable_functions
        self.debug_folders = options.debug_folders
        self.undescribed: dict[str, None] = {}
        self._debug_types = cache(_debug_types)  # one for all configurations

    def configured(self, config: Config) -> MachineHost:
        """The same machine, as far as it is known already, under another configuration."""
        host = MachineHost.__new__(MachineHost)
        host.__dict__.update(self.__dict__)
        host.config = config
        return host

    @property
    def debug_types(self) -> DebugTypes:
        return self._debug_types()

    @cached_property
    def types(self) -> HostTypes:
        from pytrace.probes.host_types import HostTypes

        return HostTypes(self._debug_types)

    @cached_property
    def tracefs(self) -> Tracefs:
        from pytrace.kernel import tracefs

        return tracefs.find()

    @cached_property
    def functions(self) -> KernelFunctions:
        return KernelFunctions(self.traceable_functions)

    @cached_property
    def kernel(self) -> KernelBtf:
        from pytrace.probes.kernel_btf import KernelBtf

        return KernelBtf(self.functions)

    def use_module(self, module: str) -> None:
        if module not in ("", "vmlinux", "bpf"):
            self.types.add_module(module)

    def has_feature(self, name: str) -> bool:
        """Whether the kernel can do something (`kprobe_multi`, `kprobe_session`, `uprobe_multi`), unless --no-feature
        says to do without."""
        if name in self.no_features:
            return False
        from pytrace.kernel import features

        return bool(getattr(features, name)())
