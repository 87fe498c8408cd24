"""Which kernel functions kprobes and fentry can be attached to.

ftrace keeps the list. Where it cannot be read, the symbol table gives a superset: all functions less the sections that
are never traced.
"""

from __future__ import annotations

import re

from pytrace.kernel import kallsyms, tracefs
from pytrace.lazy import pattern
from pytrace.named import NamedTuple
from pytrace.once import cache

__all__ = ["Traceable", "blacklist", "is_refused", "loaded_modules", "traceable"]

_BLACKLIST = "/sys/kernel/debug/kprobes/blacklist"
# Functions that ftrace lists and that freeze or crash the machine, or never fire.
_REFUSED = frozenset({"arch_cpu_idle", "default_idle", "bpf_dispatcher_xdp_func"})
_REFUSED_PREFIXES = ("rcu_", "__ftrace_invalid_address__")
# Pairs of linker symbols around code that is not traced (include/asm-generic/sections.h).
_UNTRACED = (
    ("__noinstr_text_start", "__noinstr_text_end"),
    ("__kprobes_text_start", "__kprobes_text_end"),
    ("__entry_text_start", "__entry_text_end"),
    ("_sinittext", "_einittext"),
    ("__static_call_text_start", "__static_call_text_end"),
)
_FUNCTION = pattern(r"^([0-9a-f]+) [tTwW] (\S+)(.*)$", re.MULTILINE)
_PSEUDO = (".", "__pfx_", "__cfi_", "__SCT__", "__traceprobe_", "__probestub_", "bpf_prog_")


class Traceable(NamedTuple):
    """`modules` gives the modules that define each function, "vmlinux" for the kernel itself. `source` is the path that
    was read; `error` says why ftrace's own list was not (empty if it was)."""

    modules: dict[str, tuple[str, ...]]
    source: str
    error: str = ""

    def __contains__(self, function: object) -> bool:
        return function in self.modules


@cache
def loaded_modules() -> frozenset[str]:
    """Names of the kernel modules that are loaded."""
    try:
        with open("/proc/modules", encoding="ascii") as file:
            return frozenset(line.partition(" ")[0] for line in file)
    except OSError:
        return frozenset()


@cache
def blacklist() -> frozenset[str]:
    """Functions on which kprobes are forbidden; empty where debugfs is not mounted."""
    try:
        with open(_BLACKLIST, encoding="utf-8", errors="replace") as file:
            return frozenset(line.split()[1] for line in file if len(line.split()) > 1)
    except OSError:
        return frozenset()


def is_refused(function: str) -> bool:
    """Whether a function must not be traced, although ftrace lists it."""
    return function in blacklist() or function in _REFUSED or function.startswith(_REFUSED_PREFIXES)


def _from_list(text: str) -> dict[str, tuple[str, ...]]:
    """Read lines `function` or `function [module]`; modules that are not loaded are ignored."""
    loaded, refused = loaded_modules(), blacklist() | _REFUSED
    modules: dict[str, tuple[str, ...]] = {}
    vmlinux = ("vmlinux",)
    for line in text.splitlines():
        name, _, rest = line.strip().partition(" ")
        if not name or name in refused or name.startswith(_REFUSED_PREFIXES):
            continue
        module = rest.strip().strip("[]")
        if not module:
            known = modules.setdefault(name, vmlinux)
            if "vmlinux" not in known:
                modules[name] = (*known, "vmlinux")
        elif module in loaded and module not in modules.get(name, ()):
            modules[name] = (*modules.get(name, ()), module)
    return modules


def _from_kallsyms() -> dict[str, tuple[str, ...]]:
    # Addresses have one width, so their text sorts as they do.
    ranges = []
    for first, last in _UNTRACED:
        start, end = kallsyms.lookup(first), kallsyms.lookup(last)
        if start and end:
            ranges.append((f"{start[0].address:016x}", f"{end[0].address:016x}"))
    lines = []
    for address, name, module in _FUNCTION.findall(kallsyms.text().decode("utf-8", "replace")):
        if name.startswith(_PSEUDO) or ".cold" in name or module == "\t[bpf]":
            continue
        if not any(start <= address < end for start, end in ranges):
            lines.append(name + module)
    return _from_list("\n".join(lines).replace("\t", " "))


@cache
def traceable(file: str | None = None) -> Traceable:
    """The functions of the list in `file`; without one those of ftrace, or of the symbol table where ftrace's list
    cannot be read. Raises `OSError` if `file` cannot be read."""
    if file is not None:
        with open(file, encoding="utf-8", errors="replace") as stream:
            return Traceable(_from_list(stream.read()), file)
    try:
        fs = tracefs.find()
        text = fs.read("available_filter_functions").decode("utf-8", "replace")
    except OSError as error:
        return Traceable(_from_kallsyms(), kallsyms.PATH, str(error))
    return Traceable(_from_list(text), f"{fs.path}/available_filter_functions")
