"""Shared libraries, as `ctypes` loads and calls them, without its import (see `clib`), and loaded beside other work:
`ctypes.CDLL` holds Python's lock until the dynamic loader is done, which takes 12 ms for LLVM.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, Any, Callable
from pytrace.kernel import clib
from pytrace.kernel.clib import c_char, c_char_p, c_uint, c_void_p

__all__ = ["SharedLibrary", "byref", "bytes_at"]

if TYPE_CHECKING:
    from ctypes import byref
else:
    from _ctypes import byref

_NOW = 2
"""RTLD_NOW: calls are bound when the library is loaded."""


class SharedLibrary:
    """A library by its path. Raises `OSError` if it cannot be loaded."""

    def __init__(self, path: str) -> None:
        handle = _load(path)
        self._handle = handle

    def function(self, name: str, result: Any, arguments: tuple[Any, ...], *, quick: bool) -> Callable[..., Any]:
        """A function by name: `result` and `arguments` are types of `clib`, `result` may be None. One that is not
        `quick` lets other threads of Python run. Raises `AttributeError` if there is none of that name."""
        found: Callable[..., Any] = (_Quick if quick else _Slow)((name, self))
        found.restype, found.argtypes = result, arguments  # type: ignore[attr-defined]
        return found


def bytes_at(address: int, size: int) -> bytes:
    """A copy of memory."""
    copied: bytes = (c_char * size).from_address(address).raw
    return copied


if TYPE_CHECKING:
    _Quick: Any
    _Slow: Any

    def _load(path: str) -> int: ...

else:
    try:
        from _ctypes import FUNCFLAG_CDECL, FUNCFLAG_PYTHONAPI, CFuncPtr
    except ImportError:
        from ctypes import CDLL
        from ctypes import CFUNCTYPE as _made
        from ctypes import PYFUNCTYPE as _made_quick

        _Slow, _Quick = _made(c_void_p), _made_quick(c_void_p)

        def _load(path):
            return CDLL(path)._handle

    else:

        class _Slow(CFuncPtr):
            _flags_ = FUNCFLAG_CDECL
            _restype_ = c_void_p

        class _Quick(CFuncPtr):
            _flags_ = FUNCFLAG_CDECL | FUNCFLAG_PYTHONAPI
            _restype_ = c_void_p

        def _load(path):
            dlopen, dlerror = clib.function("dlopen"), clib.function("dlerror")
            dlopen.restype, dlerror.restype = c_void_p, c_char_p
            dlopen.argtypes = c_char_p, c_uint
            handle = dlopen(path.encode("utf-8", "surrogateescape"), _NOW)
            if handle is None:
                raise OSError((dlerror() or b"").decode("utf-8", "replace"))
            return handle
