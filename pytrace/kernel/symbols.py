"""Names for addresses, in the kernel through BCC's symbol cache, in processes through `process_symbols.py`.

A table costs once (50 ms for the kernel's 120,000 symbols, less for a process) and then microseconds for each address.
What was loaded before a process ended stays usable.
"""

from __future__ import annotations

import ctypes
import os
import struct

from pytrace.kernel.bcc import Symbol, SymbolOptions, library
from pytrace.kernel.process_symbols import ProcessSymbols, Resolved
from pytrace.once import cache

__all__ = ["ProcessSymbols", "Resolved", "UserSymbols", "kernel_symbol", "parse_build_id_frame"]

_ALL_SYMBOL_TYPES = 65535
_KERNEL = -1
_FRAME = struct.Struct("<i20sQ")
_FRAME_VALID = 1
# Each process that is known holds the files mapped that it maps, some tens; the ones used longest ago are forgotten.
_PROCESSES = 256
# A symbol this far below an address does not contain it: no function is that long.
_FAR = 1 << 24


class _KernelCache:
    """BCC's symbol cache of the kernel."""

    def __init__(self) -> None:
        options = SymbolOptions(1, 1, 1, _ALL_SYMBOL_TYPES)
        self._resolve = library().bcc_symcache_resolve_no_demangle
        self._handle = library().bcc_symcache_new(_KERNEL, ctypes.byref(options))
        self._symbol = Symbol()
        self._reference = ctypes.byref(self._symbol)

    def resolve(self, address: int) -> Resolved | None:
        symbol = self._symbol
        # BCC sets the fields it knows; what an earlier address left would be taken for its own.
        symbol.name = symbol.module = symbol.demangled = None
        symbol.offset = 0
        if self._resolve(self._handle, address, self._reference) != 0 or symbol.name is None:
            return None
        module = (symbol.module or b"").decode("utf-8", "surrogateescape")
        return Resolved(symbol.name.decode("utf-8", "surrogateescape"), symbol.offset, module)


@cache
def _kernel() -> _KernelCache:
    return _KernelCache()


def kernel_symbol(address: int) -> Resolved | None:
    """The kernel function that contains an address; `module` is "kernel" or a module's name. None if there is none.

    Raises `BccMissing`.
    """
    found = _kernel().resolve(address) if address else None
    return found if found is not None and found.offset < _FAR else None


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
