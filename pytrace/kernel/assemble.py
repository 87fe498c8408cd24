"""A few BPF instructions by hand: for the programs that try out what a kernel can do.

Encoding: Documentation/bpf/standardization/instruction-set.rst.
"""

from __future__ import annotations

import struct

__all__ = ["CALL_KFUNC", "call", "call_kfunc", "exit_", "insn", "map_fd", "mov", "mov_register"]

CALL_KFUNC = 2
_PSEUDO_MAP_FD = 1


def insn(opcode: int, dst: int = 0, src: int = 0, offset: int = 0, imm: int = 0) -> bytes:
    """One instruction of 8 bytes."""
    return struct.pack("<BBhi", opcode, dst | src << 4, offset, imm)


def mov(dst: int, imm: int) -> bytes:
    """dst = imm, sign-extended to 64 bits."""
    return insn(0xB7, dst, imm=imm)


def mov_register(dst: int, src: int, plus: int = 0) -> bytes:
    """dst = src + plus"""
    return insn(0xBF, dst, src) + (insn(0x07, dst, imm=plus) if plus else b"")


def map_fd(dst: int, fd: int) -> bytes:
    """dst = the map behind a descriptor (two slots)."""
    return insn(0x18, dst, _PSEUDO_MAP_FD, imm=fd) + insn(0)


def call(helper: int) -> bytes:
    """Call a helper by its number."""
    return insn(0x85, imm=helper)


def call_kfunc(btf_id: int) -> bytes:
    """Call a function of the kernel by the id of its FUNC in the kernel's BTF."""
    return insn(0x85, src=CALL_KFUNC, imm=btf_id)


def exit_(value: int | None = None) -> bytes:
    """Return, with a constant if given."""
    return (mov(0, value) if value is not None else b"") + insn(0x95)
