"""Names for the addresses of a process: what it maps, and the symbol tables of the mapped files.

BCC's cache of a process is not used: for the file of just-in-time compiled code, /tmp/perf-PID.map, it closes a
descriptor that it never opened (`ModulePath::fd_` of src/cc/bcc_syms.h up to 0.26 is left uninitialised), which can be
any of ours, standard output among them.

Addresses are found as a debugger finds them: the mapping gives the file and the position in it, the program headers
turn the position into an address of the file, its symbol table names the function there. The table of a stripped file
is looked for elsewhere (`debug_files.py`).
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from bisect import bisect_right

from pytrace.hints import Iterable
from pytrace.kernel.debug_files import all_functions
from pytrace.kernel.elf import Elf, ElfSymbol
from pytrace.kernel.mappings import VDSO, Mapping, mappings, open_mapped, open_under, root_of, vdso
from pytrace.named import NamedTuple
from pytrace.once import cache

__all__ = ["ProcessSymbols", "Resolved"]

_REREAD = 0.1
"""Seconds for which the mappings of a process are believed."""
_LISTING_AT_MOST = 1 << 28
"""Bytes of a list of code made at run time; a longer one is not believed."""
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
        """The function at a position of the file, and how far behind its start that is. In an archive positions are
        those of the archive."""
        address = self.elf.address_of(offset - self.elf.start)
        if address is None:
            return None
        if self._functions is None:
            self._functions = _Functions(all_functions(self.elf, self._pid))
        found = self._functions.at(address)
        return (found, address - found.address) if found is not None else None


def _covering(files: Iterable[_File], offset: int) -> _File | None:
    """The one of the files in an archive that holds a position of it. A file of its own holds all of itself."""
    for file in files:
        start = file.elf.start
        if not start or start <= offset < start + len(file.elf.contents):
            return file
    return None


@cache
def _vdso_file() -> _File | None:
    elf = vdso()
    return _File(elf) if elf is not None else None


class _Compiled:
    """Code made at run time, as its maker lists it in /tmp/perf-PID.map: lines `START SIZE NAME`, in hex.

    Anyone may make a file of that name in /tmp. It is believed only as a plain file, reached without symbolic links,
    that belongs to the user of the process or to root, and that nobody else may write.
    """

    _LINE = re.compile(r"^([0-9a-fA-F]{1,16}) ([0-9a-fA-F]{1,16}) (.*)$", re.MULTILINE)

    def __init__(self, pid: int) -> None:
        self._inside, self._users = pid, {0}
        with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                name, *values = line.split()
                if name == "NSpid:" and len(values) > 1:
                    self._inside = int(values[-1])
                elif name == "Uid:":
                    self._users.update(map(int, values))
        # Held open: the list is often read when the process has ended.
        self._root = -1
        with contextlib.suppress(OSError):
            self._root = root_of(pid)
        self._state: tuple[int, int, int] | None = None
        self._functions = _Functions(())

    def close(self) -> None:
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def at(self, address: int) -> ElfSymbol | None:
        if self._root >= 0:
            self._read()
        return self._functions.at(address)

    def _read(self) -> None:
        """Takes in the file, if it is there and has changed. What was read stays known when the process has ended."""
        try:
            fd = open_under(self._root, f"/tmp/perf-{self._inside}.map", links=False)
        except OSError:
            return
        with open(fd, encoding="utf-8", errors="surrogateescape") as file:
            status = os.fstat(fd)
            state = status.st_ino, status.st_size, status.st_mtime_ns
            believed = (
                stat.S_ISREG(status.st_mode)
                and status.st_uid in self._users
                and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
                and status.st_size <= _LISTING_AT_MOST
            )
            if believed and state != self._state:
                lines = self._LINE.findall(file.read(_LISTING_AT_MOST))
                self._functions = _Functions(ElfSymbol(name, int(at, 16), int(size, 16)) for at, size, name in lines)
                self._state = state


class ProcessSymbols:
    """The symbols of one process, as long as it lives, and after it as far as it was known.

    Its files are opened when they are first seen, and their tables are read when an address in them is asked for.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._mappings: list[Mapping] = []
        self._starts: list[int] = []
        self._files: dict[tuple[str, int, int], list[_File]] = {}
        self._tried: set[tuple[str, int, int, int]] = set()
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
                if mapping.inode:
                    self._open(mapping)

    def _open(self, mapping: Mapping) -> None:
        """Takes in the file of a mapping, if it is a new one, or another part of an archive."""
        files, tried = self._files.setdefault(mapping[3:], []), (*mapping[3:], mapping.offset)
        if tried in self._tried or (files and not files[0].elf.start) or _covering(files, mapping.offset):
            return
        self._tried.add(tried)
        elf = open_mapped(self.pid, mapping)
        if elf is not None:
            files.append(_File(elf, self.pid))

    def resolve(self, address: int, *, demangle: bool = True) -> Resolved | None:
        """The symbol that contains an address, or at least the mapped file; None for an address that is not mapped."""
        if time.monotonic() - self._read > _REREAD:
            self.update()
        n = bisect_right(self._starts, address) - 1
        if n < 0 or address >= self._mappings[n].end:
            return None
        mapping = self._mappings[n]
        offset = address - mapping.start + mapping.offset
        file = _vdso_file() if mapping.path == VDSO else _covering(self._files.get(mapping[3:], ()), mapping.offset)
        found = file.at(offset) if file is not None else None
        if found is None and file is None and (compiled := self._compiled.at(address)) is not None:
            found = compiled, address - compiled.address
        if found is None:
            return Resolved(None, offset, mapping.path) if mapping.path else None
        symbol, distance = found
        module = file.elf.path if file is not None and file.elf.start else mapping.path
        return Resolved((_readable(symbol.name) if demangle else "") or symbol.name, distance, module)

    def close(self) -> None:
        """Forget everything."""
        self._mappings, self._starts, self._files = [], [], {}
        self._tried.clear()
        self._compiled.close()


@cache
def _readable(name: str) -> str:
    from pytrace.kernel.demangle import demangle

    return demangle(name)
