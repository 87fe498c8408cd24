"""Where instructions start: a probe in the middle of one corrupts the program that runs it.

For x86-64 the lengths are decoded here (Intel SDM volume 2, chapter 2 and appendix A); machines with instructions of
one size need only their alignment.
"""

from __future__ import annotations

import os

__all__ = ["is_boundary"]


def _set(*ranges: tuple[int, int]) -> frozenset[int]:
    return frozenset(code for first, last in ranges for code in range(first, last + 1))


_PREFIXES = frozenset((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3))
# One-byte opcodes: those with a ModRM byte, then by the size of what follows.
_MODRM = _set(
    *((base, base + 3) for base in range(0, 0x40, 8)),
    (0x63, 0x63), (0x69, 0x69), (0x6B, 0x6B), (0x80, 0x81), (0x83, 0x8F), (0xC0, 0xC1), (0xC6, 0xC7), (0xD0, 0xD3),
    (0xD8, 0xDF), (0xF6, 0xF7), (0xFE, 0xFF),
)  # fmt: skip
_BYTE = _set(
    *((base + 4, base + 4) for base in range(0, 0x40, 8)),
    (0x6A, 0x6B), (0x70, 0x80), (0x83, 0x83), (0xA8, 0xA8), (0xB0, 0xB7), (0xC0, 0xC1), (0xC6, 0xC6), (0xCD, 0xCD),
    (0xE0, 0xE7), (0xEB, 0xEB),
)  # fmt: skip
_WORD_OR_LONG = _set(
    *((base + 5, base + 5) for base in range(0, 0x40, 8)), (0x68, 0x69), (0x81, 0x81), (0xA9, 0xA9), (0xC7, 0xC7)
)
_NEAR = frozenset((0xE8, 0xE9))
# Two-byte opcodes (0F xx).
_NO_MODRM = _set(
    (0x05, 0x09), (0x0B, 0x0B), (0x0E, 0x0E), (0x30, 0x37), (0x77, 0x77), (0x80, 0x8F), (0xA0, 0xA2), (0xA8, 0xAA),
    (0xC8, 0xCF),
)  # fmt: skip
_BYTE_0F = _set((0x0F, 0x0F), (0x70, 0x73), (0xA4, 0xA4), (0xAC, 0xAC), (0xBA, 0xBA), (0xC2, 0xC2), (0xC4, 0xC6))


def _after_modrm(code: bytes, at: int) -> int:
    """The place behind a ModRM byte, its SIB byte and its displacement."""
    mod, rm = code[at] >> 6, code[at] & 7
    at += 1
    if mod == 3:
        return at
    base = rm
    if rm == 4:
        base = code[at] & 7
        at += 1
    if mod == 1:
        return at + 1
    return at + 4 if mod == 2 or base == 5 else at


def instruction_length(code: bytes) -> int:
    """The length in bytes of the x86-64 instruction that `code` starts with. Raises `IndexError` if it is cut off."""
    at, short, wide = 0, False, False
    while code[at] in _PREFIXES:
        short = short or code[at] == 0x66
        at += 1
    address_size = 4 if 0x67 in code[:at] else 8
    if code[at] & 0xF0 == 0x40:
        wide = bool(code[at] & 8)
        at += 1
    opcode = code[at]
    immediate = 2 if short and not wide else 4
    if opcode in (0xC4, 0xC5, 0x62) or (opcode == 0x8F and code[at + 1] & 0x1F >= 8):
        return _vector_length(code, at)
    at += 1
    if opcode == 0x0F:
        return _two_byte_length(code, at)
    if opcode in _MODRM:
        register = code[at] >> 3 & 7
        at = _after_modrm(code, at)
        if opcode == 0xF6 and register < 2:
            return at + 1
        if opcode == 0xF7 and register < 2:
            return at + immediate
    if opcode in _BYTE:
        return at + 1
    if opcode in _WORD_OR_LONG:
        return at + immediate
    if opcode in _NEAR:
        return at + 4
    if 0xB8 <= opcode <= 0xBF:
        return at + (8 if wide else immediate)
    if 0xA0 <= opcode <= 0xA3:
        return at + address_size
    if opcode in (0xC2, 0xCA):
        return at + 2
    return at + 3 if opcode == 0xC8 else at


def _two_byte_length(code: bytes, at: int) -> int:
    opcode = code[at]
    at += 1
    if opcode in (0x38, 0x3A):
        return _after_modrm(code, at + 1) + (opcode == 0x3A)
    if opcode not in _NO_MODRM:
        at = _after_modrm(code, at)
    if opcode in _BYTE_0F:
        return at + 1
    return at + 4 if 0x80 <= opcode <= 0x8F else at


def _vector_length(code: bytes, at: int) -> int:
    """VEX (C4, C5), EVEX (62) and XOP (8F) instructions, by their opcode map."""
    kind = code[at]
    opcode_map = 1 if kind == 0xC5 else code[at + 1] & (7 if kind == 0x62 else 0x1F)
    at += {0xC5: 2, 0xC4: 3, 0x8F: 3, 0x62: 4}[kind]
    opcode = code[at]
    at += 1
    if opcode_map == 1 and opcode == 0x77:
        return at
    at = _after_modrm(code, at)
    if kind == 0x8F:
        return at + {8: 1, 10: 4}.get(opcode_map, 0)
    return at + (opcode_map == 3 or (opcode_map == 1 and opcode in _BYTE_0F))


def is_boundary(code: bytes, offset: int, address: int) -> bool:
    """Whether an instruction starts `offset` bytes into a function, whose `code` starts at `address`."""
    machine = os.uname().machine
    if machine != "x86_64":
        return (address + offset) % (2 if machine in ("riscv64", "s390x") else 4) == 0
    at = 0
    try:
        while at < offset:
            at += instruction_length(code[at : at + 16])
    except IndexError:
        return False
    return at == offset
