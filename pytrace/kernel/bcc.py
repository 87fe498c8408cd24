"""BCC's runtime library through ctypes: symbols and ELF files.

The library is the system's own (`libbcc_bpf.so.0`, Debian package libbpfcc), never a Python package: what PyPI calls
bcc is something else. Functions are declared as in BCC's headers bcc_syms.h, bcc_elf.h and bcc_proc.h.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_int,
    c_uint32,
    c_uint64,
    c_void_p,
)

from pytrace.kernel import BCC_LIBRARY
from pytrace.once import cache
from pytrace.problem import Problem

__all__ = ["BccMissing", "SymbolOptions", "available", "library"]

SONAME = BCC_LIBRARY


class BccMissing(Problem, RuntimeError):
    """BCC's runtime library is not installed, or one of its functions is not there."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"BCC's runtime library {SONAME} cannot be used (package libbpfcc): {cause}")


class Symbol(Structure):
    """struct bcc_symbol: `name` and `demangled` belong to the cache unless demangling made a copy."""

    _fields_ = [
        ("name", c_char_p), ("demangled", c_void_p), ("module", c_char_p), ("offset", c_uint64),
    ]


class SymbolOptions(Structure):
    """struct bcc_symbol_option"""

    _fields_ = [
        ("use_debug_file", c_int), ("check_debug_file_crc", c_int), ("lazy_symbolize", c_int),
        ("use_symbol_type", c_uint32),
    ]


KSYM_CALLBACK = CFUNCTYPE(None, c_char_p, c_char_p, c_uint64, c_void_p)
ELF_SYMBOL_CALLBACK = CFUNCTYPE(c_int, c_char_p, c_uint64, c_uint64, c_void_p)

_FUNCTIONS: dict[str, tuple[object, list[object]]] = {
    "bcc_symcache_new": (c_void_p, [c_int, POINTER(SymbolOptions)]),
    "bcc_free_symcache": (None, [c_void_p, c_int]),
    "bcc_symcache_resolve": (c_int, [c_void_p, c_uint64, POINTER(Symbol)]),
    "bcc_symcache_resolve_no_demangle": (c_int, [c_void_p, c_uint64, POINTER(Symbol)]),
    "bcc_symcache_resolve_name": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(c_uint64)]),
    "bcc_symcache_refresh": (None, [c_void_p]),
    "bcc_symbol_free_demangle_name": (None, [POINTER(Symbol)]),
    "bcc_elf_foreach_sym": (c_int, [c_char_p, ELF_SYMBOL_CALLBACK, POINTER(SymbolOptions), c_void_p]),
    "bcc_elf_get_buildid": (c_int, [c_char_p, c_char_p]),
    "bcc_elf_get_type": (c_int, [c_char_p]),
    "bcc_procutils_which_so": (c_void_p, [c_char_p, c_int]),
    "bcc_procutils_free": (None, [c_char_p]),
}


@cache
def library() -> ctypes.CDLL:
    """The loaded library; about 4 ms the first time. Raises `BccMissing`."""
    try:
        lib = ctypes.CDLL(SONAME, use_errno=True)
        for name, (restype, argtypes) in _FUNCTIONS.items():
            function = getattr(lib, name)
            function.restype, function.argtypes = restype, argtypes
    except (OSError, AttributeError) as error:
        raise BccMissing(error) from error
    return lib


@cache
def available() -> bool:
    """Whether the library can be loaded."""
    try:
        library()
    except BccMissing:
        return False
    return True
