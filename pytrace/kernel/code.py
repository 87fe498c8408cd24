"""Machine code in this process: pages that are written while nobody can run them, then run and never written again."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_size_t, c_ssize_t, c_void_p, py_object
from functools import cache

from pytrace.hints import Any

__all__ = ["Code", "address_of_view"]

_FAILED = c_void_p(-1).value
_PRIVATE_ANONYMOUS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


@cache
def _library() -> ctypes.CDLL:
    lib = ctypes.CDLL(None, use_errno=True)
    lib.mmap.restype = c_void_p
    lib.mmap.argtypes = (c_void_p, c_size_t, c_int, c_int, c_int, c_ssize_t)
    lib.mprotect.argtypes = (c_void_p, c_size_t, c_int)
    lib.munmap.argtypes = (c_void_p, c_size_t)
    return lib


class _Buffer(Structure):
    """Py_buffer of the stable ABI (Include/pybuffer.h)."""

    _fields_ = [
        ("buf", c_void_p), ("obj", c_void_p), ("len", c_ssize_t), ("itemsize", c_ssize_t), ("readonly", c_int),
        ("ndim", c_int), ("format", c_char_p), ("shape", c_void_p), ("strides", c_void_p), ("suboffsets", c_void_p),
        ("internal", c_void_p),
    ]  # fmt: skip


def address_of_view(view: memoryview) -> int:
    """The address of memory that may be read-only, for as long as its owner keeps it."""
    get: Any = ctypes.pythonapi.PyObject_GetBuffer
    get.argtypes, get.restype = (py_object, POINTER(_Buffer), c_int), c_int
    release: Any = ctypes.pythonapi.PyBuffer_Release
    release.argtypes, release.restype = (POINTER(_Buffer),), None
    buffer = _Buffer()
    get(view, byref(buffer), 0)
    try:
        return buffer.buf or 0
    finally:
        release(byref(buffer))


class Code:
    """A function of machine code. `entry` is where it begins; it takes an address and gives an unsigned integer.

    Raises `OSError` where such pages are not allowed (SELinux' execmem, systemd's MemoryDenyWriteExecute).
    """

    def __init__(self, code: bytes, entry: int) -> None:
        lib, self._size = _library(), (len(code) + mmap.PAGESIZE - 1) & -mmap.PAGESIZE
        if not code:
            raise OSError(errno.EINVAL, "there is no code")
        self._address = lib.mmap(None, self._size, mmap.PROT_READ | mmap.PROT_WRITE, _PRIVATE_ANONYMOUS, -1, 0)
        if self._address in (None, _FAILED):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        ctypes.memmove(self._address, code, len(code))
        # The kernel makes caches of instructions agree with the memory when pages become executable.
        if lib.mprotect(self._address, self._size, mmap.PROT_READ | mmap.PROT_EXEC):
            number = ctypes.get_errno()
            self.close()
            raise OSError(number, os.strerror(number))
        self.call = ctypes.CFUNCTYPE(ctypes.c_uint64, c_void_p)(self._address + entry)

    def close(self) -> None:
        _library().munmap(self._address, self._size)
