"""Time formatting (LIBRARY 4): the C library's strftime, which is what the language promises, and three additions."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_long, c_size_t, c_void_p
from functools import cache

__all__ = ["expand_fractions", "strftime"]

_BILLION = 1_000_000_000


class _Tm(ctypes.Structure):
    """struct tm of glibc and musl"""

    _fields_ = (
        ("sec", c_int), ("min", c_int), ("hour", c_int), ("mday", c_int), ("mon", c_int), ("year", c_int),
        ("wday", c_int), ("yday", c_int), ("isdst", c_int), ("gmtoff", c_long), ("zone", c_char_p),
    )


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None)
    libc.localtime_r.argtypes = [POINTER(c_long), POINTER(_Tm)]
    libc.localtime_r.restype = c_void_p
    libc.strftime.argtypes = [c_char_p, c_size_t, c_char_p, POINTER(_Tm)]
    libc.strftime.restype = c_size_t
    libc.tzset()
    return libc


def strftime(format_: bytes, seconds: int, room: int) -> bytes:
    """The local time of `seconds` since 1970; empty if the text needs `room` bytes or more (C counts its NUL)."""
    libc, tm = _libc(), _Tm()
    libc.localtime_r(ctypes.byref(c_long(seconds)), ctypes.byref(tm))
    buffer = ctypes.create_string_buffer(room)
    written = libc.strftime(buffer, room, format_, ctypes.byref(tm))
    return buffer.raw[:written]


def expand_fractions(format_: bytes, nanoseconds: int) -> bytes:
    """Puts in the fraction of a second: `%f` as six digits, `%k` as nine, `%l` as three."""
    fraction = nanoseconds % _BILLION
    shown = {b"f": b"%06d" % (fraction // 1000), b"k": b"%09d" % fraction, b"l": b"%03d" % (fraction // 1_000_000)}
    parts = format_.split(b"%%")
    for n, part in enumerate(parts):
        for letter, digits in shown.items():
            part = part.replace(b"%" + letter, digits)
        parts[n] = part
    return b"%%".join(parts)
