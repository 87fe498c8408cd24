"""The C library's functions, called with the few parts of `ctypes` that this takes.

`ctypes` makes two dozen classes and loads three libraries of helpers as it is imported, a tenth of what a run from
the cache takes until it is attached. They all derive from those of the module in C behind it, which are used here.
Objects of both kinds go together. Where that module has other names, `ctypes` itself does.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING

__all__ = [
    "addressof", "c_char", "c_char_p", "c_long", "c_uint", "c_ulong", "c_void_p", "function", "get_errno",
]

if TYPE_CHECKING:
    from collections.abc import Callable
    from ctypes import addressof, c_char, c_char_p, c_long, c_uint, c_ulong, c_void_p, get_errno

    def function(name: str) -> Callable[..., int]:
        """A function of the C library that gives a `long` and sets `get_errno()`. Whole numbers are passed as `int`."""

else:
    try:
        from _ctypes import FUNCFLAG_CDECL, FUNCFLAG_USE_ERRNO, CFuncPtr, _SimpleCData, addressof, dlopen, get_errno
    except ImportError:
        from ctypes import CDLL, addressof, c_char, c_char_p, c_long, c_uint, c_ulong, c_void_p, get_errno

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

        class _Function(CFuncPtr):
            _flags_ = FUNCFLAG_CDECL | FUNCFLAG_USE_ERRNO
            _restype_ = c_long

        class _Library:
            _handle = dlopen(None, 0)

        def function(name):
            return _Function((name, _Library))
