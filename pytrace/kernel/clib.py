"""The C library's functions, called with the few parts of `ctypes` that this takes.

`ctypes` makes two dozen classes and loads three libraries of helpers as it is imported, a tenth of what a run from
the cache takes until it is attached. They all derive from those of the module in C behind it, which are used here.
Objects of both kinds go together. Where that module has other names, `ctypes` itself does.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING

__all__ = [
    "address_of_view", "addressof", "c_char", "c_char_p", "c_long", "c_uint", "c_ulong", "c_void_p", "function",
    "function_at", "get_errno",
]

if TYPE_CHECKING:
    from collections.abc import Callable
    from ctypes import addressof, c_char, c_char_p, c_long, c_uint, c_ulong, c_void_p, get_errno

    def function(name: str) -> Callable[..., int]:
        """A function of the C library that gives a `long` and sets `get_errno()`. Whole numbers are passed as `int`."""

    def function_at(address: int) -> Callable[[int], int]:
        """The function there, from an address to an unsigned number of 64 bits."""

    def _get_buffer(view: object, buffer: object, flags: int) -> int: ...

    def _release_buffer(buffer: object) -> None: ...

    class py_object:
        def __init__(self, value: object) -> None: ...

else:
    try:
        from _ctypes import (
            FUNCFLAG_CDECL,
            FUNCFLAG_PYTHONAPI,
            FUNCFLAG_USE_ERRNO,
            CFuncPtr,
            _SimpleCData,
            addressof,
            dlopen,
            get_errno,
        )  # fmt: skip
    except ImportError:
        from ctypes import (
            CDLL,
            CFUNCTYPE,
            addressof,
            c_char,
            c_char_p,
            c_long,
            c_uint,
            c_ulong,
            c_void_p,
            get_errno,
            py_object,
            pythonapi,
        )  # fmt: skip

        _get_buffer, _release_buffer = pythonapi.PyObject_GetBuffer, pythonapi.PyBuffer_Release
        _release_buffer.restype = None
        function_at = CFUNCTYPE(c_ulong, c_void_p)

        def function(name):
            found = getattr(CDLL(None, use_errno=True), name)
            found.restype = c_long
            return found

    else:

        class c_char(_SimpleCData):
            _type_ = "c"

        class c_char_p(_SimpleCData):
            _type_ = "z"

        class c_long(_SimpleCData):
            _type_ = "l"

        class c_uint(_SimpleCData):
            _type_ = "I"

        class c_ulong(_SimpleCData):
            _type_ = "L"

        class c_void_p(_SimpleCData):
            _type_ = "P"

        class py_object(_SimpleCData):
            _type_ = "O"

        class _Function(CFuncPtr):
            _flags_ = FUNCFLAG_CDECL | FUNCFLAG_USE_ERRNO
            _restype_ = c_long

        class _Library:
            _handle = dlopen(None, 0)

        class _Python(CFuncPtr):
            _flags_ = FUNCFLAG_CDECL | FUNCFLAG_PYTHONAPI
            _restype_ = c_long

        class _Made(CFuncPtr):
            _flags_ = FUNCFLAG_CDECL
            _restype_ = c_ulong
            _argtypes_ = (c_void_p,)

        def function(name):
            return _Function((name, _Library))

        def function_at(address):
            return _Made(address)

        def _get_buffer(view, buffer, flags):
            return _Python(("PyObject_GetBuffer", _Library))(view, buffer, flags)

        def _release_buffer(buffer):
            release = _Python(("PyBuffer_Release", _Library))
            release.restype = None
            release(buffer)


_PY_BUFFER = 80
"""Bytes of a Py_buffer, whose first field is the address (Include/pybuffer.h; part of the stable ABI)."""


def address_of_view(view: memoryview) -> int:
    """The address of memory that may be read-only, for as long as its owner keeps it."""
    buffer = bytearray(_PY_BUFFER)
    at = c_void_p(addressof(c_char.from_buffer(buffer)))
    _get_buffer(py_object(view), at, 0)
    try:
        return int.from_bytes(buffer[:8], "little")
    finally:
        _release_buffer(at)
