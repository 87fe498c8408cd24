"""BTF for programs with callbacks: the kernel wants to know every function by type when one is passed to a helper.

The least that does: one integer, one function type, and each function by its name (Documentation/bpf/btf.rst).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

__all__ = ["function_btf"]

_INT, _FUNC, _FUNC_PROTO = 1, 12, 13
_STATIC, _GLOBAL = 0, 1


def function_btf(functions: Sequence[tuple[str, int]]) -> tuple[bytes, bytes]:
    """BTF and func_info of a program: names and first slots of its functions, its own first."""
    strings = bytearray(b"\0")

    def string(text: str) -> int:
        at = len(strings)
        strings.extend(text.encode() + b"\0")
        return at

    types = struct.pack("<IIII", string("long"), _INT << 24, 8, 1 << 24 | 64)  # type 1: a signed integer of 64 bits
    types += struct.pack("<III", 0, _FUNC_PROTO << 24, 1)  # type 2: a function that gives one, of no arguments
    info = b""
    for number, (name, slot) in enumerate(functions, 3):
        linkage = _STATIC if slot else _GLOBAL
        types += struct.pack("<III", string(name), _FUNC << 24 | linkage, 2)
        info += struct.pack("<II", slot, number)
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + types + bytes(strings), info
