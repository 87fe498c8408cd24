"""Names for the addresses of a process: what it maps, and the symbol tables of the mapped files.

BCC's cache of a process is not used: for the file of just-in-time compiled code, /tmp/perf-PID.map, it closes a
descriptor that it never opened (`ModulePath::fd_` of src/cc/bcc_syms.h up to 0.26 is left uninitialised), which can be
any of ours, standard output among them.

Addresses are found as a debugger finds them: the mapping gives the file and the position in it, the program headers
turn the position into an address of the file, its symbol table names the function there. The table may stand in a
separate debug file, found by build id or by `.gnu_debuglink`.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from bisect import bisect_right
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from pytrace.kernel.elf import Elf, ElfSymbol, all_functions
from pytrace.kernel.mappings import VDSO, Mapping, mappings, open_mapped, vdso

__all__ = ["ProcessSymbols", "Resolved"]

_REREAD = 0.1
"""Seconds for which the mappings of a process are believed."""
_BACK = 16
"""How many functions in front of an address may start behind the one that covers it (functions inside others)."""


class Resolved(NamedTuple):
    """What is at an address: `name` None if only the `module` (the path of a mapped file) is known. `offset` counts
    from the symbol, or from the start of the module without one."""

    name: str | None
    offset: int
    module: str


class _Functions:
    """Functions by address."""

    def __init__(self, symbols: Iterable[ElfSymbol]) -> None:
        # Of several names of one place the plainest: `getppid` rather than `__getppid`.
        best: dict[int, ElfSymbol] = {}
        for symbol in symbols:
            known = best.get(symbol.address)
            if known is None or _plainness(symbol) < _plainness(known):
                best[symbol.address] = symbol
        self._starts = sorted(best)
        self._symbols = [best[start] for start in self._starts]

    def at(self, address: int) -> ElfSymbol | None:
        """The function that covers an address. One without a size reaches to the next."""
        last = bisect_right(self._starts, address) - 1
        for n in range(last, max(last - _BACK, -1), -1):
            symbol = self._symbols[n]
            if address < symbol.address + symbol.size or (n == last and not symbol.size):
                return symbol
        return None


def _plainness(symbol: ElfSymbol) -> tuple[bool, int, int]:
    name = symbol.name
    return symbol.size == 0, len(name) - len(name.lstrip("_")), len(name)


class _File:
    """A mapped ELF file; its tables are read when they are first asked for."""

    def __init__(self, elf: Elf, pid: int = 0) -> None:
        self.elf = elf
        self._pid = pid
        self._functions: _Functions | None = None

    def at(self, offset: int) -> tuple[ElfSymbol, int] | None:
        """The function at a position of the file, and how far behind its start that is."""
        address = self.elf.address_of(offset)
        if address is None:
            return None
        if self._functions is None:
            self._functions = _Functions(all_functions(self.elf))
        found = self._functions.at(address)
        return (found, address - found.address) if found is not None else None


@cache
def _vdso_file() -> _File | None:
    elf = vdso()
    return _File(elf) if elf is not None else None


class _Compiled:
    """Code made at run time, as its maker lists it in a file: lines `START SIZE NAME`, in hex."""

    _LINE = re.compile(r"^([0-9a-fA-F]+) ([0-9a-fA-F]+) (.*)$", re.MULTILINE)

    def __init__(self, pid: int) -> None:
        inside = pid
        with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            ids = next((line.split() for line in file if line.startswith("NSpid:")), [])
            inside = int(ids[-1]) if len(ids) > 1 else pid
        self._paths = (f"/proc/{pid}/root/tmp/perf-{inside}.map", f"/tmp/perf-{pid}.map")
        self._size = 0
        self._functions = _Functions(())

    def at(self, address: int) -> ElfSymbol | None:
        for path in self._paths:
            try:
                size = os.stat(path).st_size
                if size != self._size:
                    with open(path, encoding="utf-8", errors="surrogateescape") as file:
                        lines = self._LINE.findall(file.read())
                    self._functions = _Functions(ElfSymbol(name, int(at, 16), int(n, 16)) for at, n, name in lines)
                    self._size = size
            except OSError:
                continue
            break
        return self._functions.at(address)


class ProcessSymbols:
    """The symbols of one process, as long as it lives, and after it as far as it was known.

    Its files are opened when they are first seen, and their tables are read when an address in them is asked for.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._mappings: list[Mapping] = []
        self._starts: list[int] = []
        self._files: dict[str, _File | None] = {}
        self._compiled = _Compiled(pid)
        self._read = 0.0
        self.update()

    def update(self) -> None:
        """Take in what is mapped now. What a process had mapped is kept when it has ended."""
        self._read = time.monotonic()
        found = mappings(self.pid)
        if found and found != self._mappings:
            self._mappings, self._starts = found, [mapping.start for mapping in found]
            for mapping in found:
                if mapping.path.startswith("/") and mapping.path not in self._files:
                    self._files[mapping.path] = self._file(mapping)

    def _file(self, mapping: Mapping) -> _File | None:
        elf = open_mapped(self.pid, mapping)
        return _File(elf, self.pid) if elf is not None else None

    def resolve(self, address: int, *, demangle: bool = True) -> Resolved | None:
        """The symbol that contains an address, or at least the mapped file; None for an address that is not mapped."""
        if time.monotonic() - self._read > _REREAD:
            self.update()
        n = bisect_right(self._starts, address) - 1
        if n < 0 or address >= self._mappings[n].end:
            return None
        mapping = self._mappings[n]
        offset = address - mapping.start + mapping.offset
        file = _vdso_file() if mapping.path == VDSO else self._files.get(mapping.path)
        found = file.at(offset) if file is not None else None
        if found is None and file is None and (compiled := self._compiled.at(address)) is not None:
            found = compiled, address - compiled.address
        if found is None:
            return Resolved(None, offset, mapping.path) if mapping.path else None
        symbol, distance = found
        return Resolved((_readable(symbol.name) if demangle else "") or symbol.name, distance, mapping.path)

    def close(self) -> None:
        """Forget everything."""
        self._mappings, self._starts, self._files = [], [], {}


@cache
def _readable(name: str) -> str:
    from pytrace.kernel.demangle import demangle

    return demangle(name)
