"""Names for addresses, in the kernel and in processes, through BCC's symbol caches.

A cache costs once (50 ms for the kernel's 120,000 symbols, less for a process) and then microseconds for each address.
What was loaded before a process ended stays usable.
"""

from __future__ import annotations

import ctypes
import os
import struct
import time
from functools import cache
from typing import NamedTuple

from pytrace.kernel.bcc import Symbol, SymbolOptions, library
from pytrace.kernel.syscall import raise_open_files

__all__ = ["ProcessSymbols", "Resolved", "UserSymbols", "kernel_symbol", "parse_build_id_frame"]

_ALL_SYMBOL_TYPES = 65535
_KERNEL = -1
_FRAME = struct.Struct("<i20sQ")
_FRAME_VALID = 1
# Each process that is known holds the files open that it maps, some tens; the ones used longest ago are forgotten.
_PROCESSES = 256
# A symbol this far below an address does not contain it: no function is that long.
_FAR = 1 << 24


class Resolved(NamedTuple):
    """What is at an address: `name` None if only the `module` (the path of a mapped file) is known. `offset` counts
    from the symbol, or from the start of the module's text without one."""

    name: str | None
    offset: int
    module: str


class _Cache:
    """A symbol cache of BCC's: of a process, or of the kernel (pid -1)."""

    def __init__(self, pid: int) -> None:
        options = SymbolOptions(1, 1, 1, _ALL_SYMBOL_TYPES)
        self._library = library()
        self._handle = self._library.bcc_symcache_new(pid, ctypes.byref(options))
        self._kernel = pid == _KERNEL
        self._symbol = Symbol()
        self._reference = ctypes.byref(self._symbol)

    def resolve(self, address: int, *, demangle: bool = True) -> Resolved | None:
        symbol = self._symbol
        # BCC sets the fields it knows; what an earlier address left would be taken for its own.
        symbol.name = symbol.module = symbol.demangled = None
        symbol.offset = 0
        resolve = self._library.bcc_symcache_resolve if demangle else self._library.bcc_symcache_resolve_no_demangle
        status = resolve(self._handle, address, self._reference)
        module = (symbol.module or b"").decode("utf-8", "surrogateescape")
        if status != 0 or symbol.name is None:
            return Resolved(None, symbol.offset, module) if module else None
        name = symbol.name
        if demangle and symbol.demangled:
            name = ctypes.string_at(symbol.demangled)
            self._library.bcc_symbol_free_demangle_name(self._reference)
        return Resolved(name.decode("utf-8", "surrogateescape"), symbol.offset, module)

    def refresh(self) -> None:
        """Look again at what is mapped, or loaded."""
        self._library.bcc_symcache_refresh(self._handle)

    def close(self) -> None:
        if self._handle:
            self._library.bcc_free_symcache(self._handle, _KERNEL if self._kernel else 0)
            self._handle = None


@cache
def _kernel() -> _Cache:
    return _Cache(_KERNEL)


def kernel_symbol(address: int) -> Resolved | None:
    """The kernel function that contains an address; `module` is "kernel" or a module's name. None if there is none.

    Raises `BccMissing`.
    """
    found = _kernel().resolve(address, demangle=False) if address else None
    return found if found is not None and found.name is not None and found.offset < _FAR else None


class ProcessSymbols:
    """The symbols of one process, as long as it lives, and after it as far as they were loaded. Raises `BccMissing`.

    The tables of a file are read when an address in it is first asked for.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._cache = _Cache(pid)
        self._refreshed = time.monotonic()
        self._maps = b""

    def resolve(self, address: int, *, demangle: bool = True) -> Resolved | None:
        """The symbol that contains an address, or at least the mapped file; None for an address that is not mapped."""
        found = self._cache.resolve(address, demangle=demangle)
        if found is None and address and time.monotonic() - self._refreshed > 0.1:
            # Perhaps it was mapped since. A process that is full of unknown addresses must not be read for each.
            self._refreshed = time.monotonic()
            self.update()
            found = self._cache.resolve(address, demangle=demangle)
        return found

    def update(self) -> None:
        """Take in what was mapped since the last time. What a process had mapped is kept when it has ended."""
        try:
            with open(f"/proc/{self.pid}/maps", "rb") as file:
                maps = file.read()
        except OSError:
            return
        if maps and maps != self._maps:
            self._maps = maps
            self._cache.refresh()

    def close(self) -> None:
        self._cache.close()


class UserSymbols:
    """The symbols of all processes that were asked about, kept as the configuration variable `cache_user_symbols` says:
    PER_PID, PER_PROGRAM (processes of one executable share; without address randomisation), or NONE.
    """

    def __init__(self, mode: str = "PER_PID", *, demangle: bool = True) -> None:
        self.mode = mode
        self.demangle = demangle
        self._processes: dict[int | tuple[int, int], ProcessSymbols] = {}
        self._keys: dict[int, int | tuple[int, int]] = {}

    def _key(self, pid: int) -> int | tuple[int, int]:
        if self.mode != "PER_PROGRAM":
            return pid
        try:
            status = os.stat(f"/proc/{pid}/exe")
        except OSError:
            # It has ended: what it was called by when it was seen.
            return self._keys.get(pid, pid)
        return self._keys.setdefault(pid, (status.st_dev, status.st_ino))

    def load(self, pid: int) -> ProcessSymbols:
        """Make a process known, so that its symbols survive it."""
        key = self._key(pid)
        process = self._processes.pop(key, None)
        if process is None:
            if len(self._processes) >= _PROCESSES:
                self._processes.pop(next(iter(self._processes))).close()
            raise_open_files()
            process = ProcessSymbols(pid)
        self._processes[key] = process  # as the one used last
        return process

    def resolve(self, pid: int, address: int) -> Resolved | None:
        """The symbol of a process that contains an address."""
        if self.mode == "NONE":
            process = ProcessSymbols(pid)
            try:
                return process.resolve(address, demangle=self.demangle)
            finally:
                process.close()
        return self.load(pid).resolve(address, demangle=self.demangle)


def parse_build_id_frame(frame: bytes) -> tuple[bytes | None, int]:
    """A frame of a stack that was taken with build ids (struct bpf_stack_build_id, 32 bytes): the id of the file and
    the position in it, or None and the address where the kernel knew no id."""
    status, id, place = _FRAME.unpack(frame)
    return (id if status == _FRAME_VALID else None), place
