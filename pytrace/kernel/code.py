"""Machine code in this process: pages that are written while nobody can run them, then run and never written again."""

from __future__ import annotations

import errno
import mmap
import os

from pytrace.hints import Callable
from pytrace.kernel.clib import address_of_view, c_long, c_ulong, c_void_p, function, function_at, get_errno

__all__ = ["Code", "address_of_view"]

_PRIVATE_ANONYMOUS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class Code:
    """A function of machine code. `entry` is where it begins; it takes an address and gives an unsigned integer.

    Raises `OSError` where such pages are not allowed (SELinux' execmem, systemd's MemoryDenyWriteExecute).
    """

    def __init__(self, code: bytes, entry: int) -> None:
        if not 0 <= entry < len(code):
            raise OSError(errno.EINVAL, "there is no code")
        self._size = (len(code) + mmap.PAGESIZE - 1) & -mmap.PAGESIZE
        self._address = function("mmap")(
            None, c_ulong(self._size), mmap.PROT_READ | mmap.PROT_WRITE, _PRIVATE_ANONYMOUS, -1, c_long(0)
        )
        if self._address == -1:
            raise OSError(get_errno(), os.strerror(get_errno()))
        function("memcpy")(c_void_p(self._address), code, c_ulong(len(code)))
        # The kernel makes caches of instructions agree with the memory when pages become executable.
        if function("mprotect")(c_void_p(self._address), c_ulong(self._size), mmap.PROT_READ | mmap.PROT_EXEC):
            number = get_errno()
            self.close()
            raise OSError(number, os.strerror(number))
        self.call: Callable[[int], int] = function_at(self._address + entry)

    def close(self) -> None:
        function("munmap")(c_void_p(self._address), c_ulong(self._size))
