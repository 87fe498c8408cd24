"""Names as their author wrote them: of C++ by the C++ runtime's own demangler, of Rust by ours."""

from __future__ import annotations

import ctypes

from pytrace.kernel.bcc import library
from pytrace.once import cache

__all__ = ["demangle"]


@cache
def _functions() -> tuple[ctypes._NamedFuncPointer, ctypes._NamedFuncPointer]:
    # BCC's library is C++: its runtime, and the C library, answer through the same handle.
    lib = library()
    demangler, free = lib["__cxa_demangle"], lib["free"]
    demangler.restype = ctypes.c_void_p
    demangler.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)]
    free.restype, free.argtypes = None, [ctypes.c_void_p]
    return demangler, free


def demangle(name: str) -> str:
    """The readable form of a mangled name (`_ZN2ns1fEi` is `ns::f(int)`); empty if it is none. Raises `BccMissing`.

    Rust's older names are mangled like C++'s, with a hash at their end.

    Names that begin otherwise are not mangled: the demangler would take `f` for the type float.
    """
    if name.startswith("_R"):
        from pytrace.kernel.rust_names import demangle_rust

        return demangle_rust(name)
    if not name.startswith("_Z"):
        return ""
    demangler, free = _functions()
    status = ctypes.c_int()
    result = demangler(name.encode("utf-8", "surrogateescape"), None, None, ctypes.byref(status))
    if not result:
        return ""
    try:
        return ctypes.string_at(result).decode("utf-8", "replace")
    finally:
        free(result)
