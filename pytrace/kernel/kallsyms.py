"""/proc/kallsyms: the kernel's own symbol table, functions and data alike, with modules and BPF programs.

The file is read once and searched as bytes; splitting all its lines takes ten times as long as a search. Addresses read
as zero for users whom kernel.kptr_restrict keeps out.
"""

from __future__ import annotations

import re
from functools import cache

from pytrace.hints import Iterator
from pytrace.named import NamedTuple

__all__ = ["KernelSymbol", "at", "lookup", "symbols", "text"]

PATH = "/proc/kallsyms"


class KernelSymbol(NamedTuple):
    """`kind` is the letter of nm(1): t and T are code, lower case is local. `module` is "" for the kernel itself."""

    address: int
    kind: str
    name: str
    module: str


@cache
def text() -> bytes:
    """The file as it was when first asked for. Empty if there is none."""
    try:
        with open(PATH, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _symbol(line: bytes) -> KernelSymbol:
    address, kind, name, *module = line.decode("utf-8", "replace").split()
    return KernelSymbol(int(address, 16), kind, name, module[0].strip("[]") if module else "")


def lookup(name: str) -> list[KernelSymbol]:
    """All symbols of that name: static functions may share one."""
    encoded = name.encode("utf-8", "surrogateescape")
    if not encoded or encoded.split() != [encoded]:
        return []
    pattern = re.compile(rb"^[0-9a-f]+ . " + re.escape(encoded) + rb"(?:\t[^\n]*)?$", re.MULTILINE)
    # A plain search is much faster than the pattern: look around its hits only.
    data, found, at = text(), [], 0
    needle = b" " + encoded
    while (at := data.find(needle, at)) >= 0:
        start = data.rfind(b"\n", 0, at) + 1
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        if pattern.match(data[start:end]):
            found.append(_symbol(data[start:end]))
        at = end
    return found


def at(address: int) -> list[KernelSymbol]:
    """All symbols of an address: a function may have several names."""
    needle = f"\n{address:016x} ".encode()
    data, found, start = b"\n" + text(), [], 0
    while address and (start := data.find(needle, start)) >= 0:
        end = data.find(b"\n", start + 1)
        found.append(_symbol(data[start + 1 : len(data) if end < 0 else end]))
        start += 1
    return found


def symbols(kinds: str = "") -> Iterator[KernelSymbol]:
    """All symbols, or those of the given letters, in the file's order: by address within the kernel."""
    for line in text().splitlines():
        if not kinds or line[17:18].decode("latin-1") in kinds:
            yield _symbol(line)
