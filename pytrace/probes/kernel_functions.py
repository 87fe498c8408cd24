"""The kernel functions that can be traced, by module and pattern."""

from __future__ import annotations

import os

from pytrace.hints import TYPE_CHECKING
from pytrace.once import cache, cached_property
from pytrace.probes.patterns import has_wildcard, literal_prefix, matcher

if TYPE_CHECKING:
    from pytrace.kernel.elf import Elf
    from pytrace.kernel.functions import Traceable

__all__ = ["KernelFunctions", "function_size"]

_PLACES = (
    "/boot/vmlinux-{0}", "/lib/modules/{0}/vmlinux-{0}", "/lib/modules/{0}/build/vmlinux",
    "/usr/lib/modules/{0}/kernel/vmlinux", "/usr/lib/debug/boot/vmlinux-{0}", "/usr/lib/debug/boot/vmlinux-{0}.debug",
    "/usr/lib/debug/lib/modules/{0}/vmlinux",
)  # fmt: skip
"""Where distributions keep the kernel with its symbols."""


@cache
def _vmlinux() -> Elf | None:
    from pytrace.kernel.elf import Elf, ElfError

    given = os.environ.get("PYTRACE_VMLINUX") or os.environ.get("BPFTRACE_VMLINUX")
    release = os.uname().release
    for path in [given] if given else [place.format(release) for place in _PLACES]:
        try:
            return Elf(path)
        except (OSError, ElfError):
            continue
    return None


def function_size(name: str) -> int | None:
    """The size in bytes of a function of the kernel itself; None where the kernel's symbols are not installed."""
    elf = _vmlinux()
    symbol = elf.function(name) if elf is not None else None
    return symbol.size if symbol is not None and symbol.size else None


class KernelFunctions:
    """`file` replaces ftrace's list (--traceable-functions)."""

    def __init__(self, file: str | None = None) -> None:
        self._file = file

    @cached_property
    def _table(self) -> Traceable:
        from pytrace.kernel.functions import traceable

        return traceable(self._file)

    def is_loaded(self, module: str) -> bool:
        """Whether a module is loaded; `vmlinux` is the kernel itself."""
        from pytrace.kernel.functions import loaded_modules

        return module == "vmlinux" or module in loaded_modules()

    def is_traceable(self, module: str, function: str) -> bool:
        """Whether a function can be traced; in any module if `module` is empty. ftrace lists one name of a function
        that has several, such as those that serve system calls without arguments."""
        modules = self._table.modules.get(function) or self._modules_of_alias(function)
        return module in modules if module else bool(modules)

    def _modules_of_alias(self, function: str) -> tuple[str, ...]:
        from pytrace.kernel import kallsyms
        from pytrace.kernel.functions import is_refused

        if self._file is not None or is_refused(function):
            return ()
        return tuple({
            module
            for symbol in kallsyms.lookup(function) if symbol.kind in "tT"
            for alias in kallsyms.at(symbol.address)
            for module in self._table.modules.get(alias.name, ()) if module == (alias.module or "vmlinux")
        })  # fmt: skip

    def _functions(self, pattern: str) -> list[str]:
        table = self._table.modules
        if not has_wildcard(pattern):
            return [pattern] if pattern in table else []
        if pattern == "*":
            return [name for name in table if ".part." not in name]
        prefix, matches = literal_prefix(pattern), matcher(pattern)
        return [name for name in table if name.startswith(prefix) and matches(name) and ".part." not in name]

    def of_module(self, module: str, pattern: str) -> list[str]:
        """The functions of one module that match, in no order."""
        table = self._table.modules
        return [name for name in self._functions(pattern) if module in table[name]]

    def matching(self, module: str, function: str) -> list[tuple[str, str]]:
        """All (module, function) that match two patterns, in byte order."""
        table = self._table.modules
        functions = self._functions(function)
        if module == "*":
            found = [(owner, name) for name in functions for owner in table[name]]
        else:
            in_module = matcher(module)
            found = [(owner, name) for name in functions for owner in table[name] if in_module(owner)]
        return sorted(found, key=":".join)
