"""Running a child until its loader has mapped the program's libraries, and no further.

Debuggers wait for the same moment: the loader calls the empty function `_dl_debug_state` before and after it changes
what is mapped, and the second call stands before any code of a library runs (struct r_debug in link.h). Only what is
known by then about its libraries can be used from the program's first event on.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import time

from pytrace.kernel.mappings import mappings, open_mapped

__all__ = ["run_to_libraries"]

_PEEK, _POKE, _PEEK_USER, _POKE_USER, _CONT, _STEP = 1, 4, 3, 6, 7, 9
_IP = 128
"""Where struct user has the instruction pointer (x86-64)."""
_AT_BASE = 7
_INT3 = 0xCC
_CALLS = 2
_PATIENCE = 2.0
"""Seconds after which the loader is believed to wait for something else."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]


class _Ended(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


def run_to_libraries(pid: int) -> int | None:
    """Lets a child that is traced, and stopped behind execve, run until its libraries are mapped; it is stopped again
    then. Where it cannot be seen when that is, it stays where it is. Gives its wait status if it ended."""
    address = _loader_function(pid, "_dl_debug_state")
    if address is None:
        return None
    try:
        _Breakpoint(pid, address).run(_CALLS)
    except _Ended as ended:
        return ended.status
    except OSError:
        return None
    return None


def _loader_function(pid: int, name: str) -> int | None:
    """The address of a function of the program's loader; None for a program without one."""
    try:
        with open(f"/proc/{pid}/auxv", "rb") as file:
            pairs = dict(struct.iter_unpack("<QQ", file.read()))
    except (OSError, struct.error):
        return None
    base = pairs.get(_AT_BASE, 0)
    mapping = next((each for each in mappings(pid) if base and each.start >= base), None)
    elf = open_mapped(pid, mapping) if mapping is not None else None
    symbol = elf.function(name) if elf is not None else None
    return base + symbol.address if symbol is not None else None


def _ptrace(request: int, pid: int, address: int, data: int) -> None:
    if _libc.ptrace(request, pid, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class _Breakpoint:
    def __init__(self, pid: int, address: int) -> None:
        self.pid, self.address = pid, address
        ctypes.set_errno(0)
        self.word = _libc.ptrace(_PEEK, pid, address, None)
        if ctypes.get_errno():
            raise OSError(ctypes.get_errno(), "no breakpoint")

    def run(self, times: int) -> None:
        """Until the function is called for the last of so many times, to its first instruction. Raises `_Ended`."""
        deadline = time.monotonic() + _PATIENCE
        for call in range(times):
            _ptrace(_POKE, self.pid, self.address, self.word & ~0xFF | _INT3)
            arrived = self._arrive(deadline)
            _ptrace(_POKE, self.pid, self.address, self.word)
            if not arrived:
                return
            _ptrace(_POKE_USER, self.pid, _IP, self.address)
            if call + 1 < times:
                _ptrace(_STEP, self.pid, 0, 0)
                self._wait(deadline)

    def _arrive(self, deadline: float) -> bool:
        """Lets it run to the breakpoint. False if it does not get there in time; it is stopped then too."""
        pending = 0
        while True:
            _ptrace(_CONT, self.pid, 0, pending)
            number = self._wait(deadline)
            if number is None:
                os.kill(self.pid, signal.SIGSTOP)
                self._wait(None)
                return False
            if number == signal.SIGTRAP:
                return bool(_libc.ptrace(_PEEK_USER, self.pid, _IP, None) == self.address + 1)
            pending = number

    def _wait(self, deadline: float | None) -> int | None:
        """The signal that stopped it; None after the deadline. Raises `_Ended`."""
        while True:
            waited, status = os.waitpid(self.pid, 0 if deadline is None else os.WNOHANG)
            if waited:
                if os.WIFSTOPPED(status):
                    return os.WSTOPSIG(status)
                raise _Ended(status)
            if deadline is not None and time.monotonic() > deadline:
                return None
            time.sleep(0.0002)
