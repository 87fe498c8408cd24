"""BPF bytecode as text, in the notation of the verifier's log.

The encoding is that of Documentation/bpf/standardization/instruction-set.rst.
"""

from __future__ import annotations

import struct

from pytrace.codegen.helpers import HELPER_NAMES
from pytrace.codegen.image import Relocation
from pytrace.hints import Iterable, Iterator

__all__ = ["disassemble"]

_LD, _LDX, _ST, _STX, _ALU, _JMP, _JMP32, _ALU64 = range(8)
_SIZES = {0x18: "u64", 0x00: "u32", 0x08: "u16", 0x10: "u8"}
_SIGNED = {0x00: "s32", 0x08: "s16", 0x10: "s8"}
_OPERATORS = {
    0x00: "+=", 0x10: "-=", 0x20: "*=", 0x30: "/=", 0x40: "|=", 0x50: "&=", 0x60: "<<=", 0x70: ">>=", 0x90: "%=",
    0xA0: "^=", 0xB0: "=", 0xC0: "s>>=",
}  # fmt: skip
_CONDITIONS = {
    0x10: "==", 0x20: ">", 0x30: ">=", 0x40: "&", 0x50: "!=", 0x60: "s>", 0x70: "s>=", 0xA0: "<", 0xB0: "<=",
    0xC0: "s<", 0xD0: "s<=",
}  # fmt: skip
_ATOMIC = {0x00: "+=", 0x40: "|=", 0x50: "&=", 0xA0: "^="}
_FETCH, _XCHG, _CMPXCHG = 0x01, 0xE1, 0xF1


def _place(size: str, register: int, offset: int) -> str:
    return f"*({size} *)(r{register} {'-' if offset < 0 else '+'}{abs(offset)})"


def _arithmetic(op: int, target: int, source: int, offset: int, immediate: int) -> str:
    wide, operation = op & 7 == _ALU64, op & 0xF0
    name = "r" if wide else "w"
    operand = f"{name}{source}" if op & 8 else str(immediate)
    if operation == 0x80:
        return f"{name}{target} = -{name}{target}"
    if operation == 0xD0:
        order = "bswap" if wide else ("be" if op & 8 else "le")
        return f"r{target} = {order}{immediate} r{target}"
    if operation == 0xB0 and offset and op & 8:
        return f"{name}{target} = (s{offset}){operand}"
    operator = _OPERATORS.get(operation, "?=")
    if operation in (0x30, 0x90) and offset:
        operator = f"s{operator}"
    return f"{name}{target} {operator} {operand}"


def _jump(op: int, target: int, source: int, offset: int, immediate: int, slot: int) -> str:
    operation = op & 0xF0
    if operation == 0x80:
        if source == 1:
            return f"call {slot + immediate + 1}"
        if source == 2:
            return f"call kfunc#{immediate}"
        return f"call {HELPER_NAMES[immediate] if 0 <= immediate < len(HELPER_NAMES) else ''}#{immediate}"
    if operation == 0x90:
        return "exit"
    if operation == 0x00:
        return f"goto {slot + 1 + (immediate if op & 7 == _JMP32 else offset)}"
    name = "r" if op & 7 == _JMP else "w"
    operand = f"{name}{source}" if op & 8 else str(immediate)
    return f"if {name}{target} {_CONDITIONS.get(operation, '?')} {operand} goto {slot + 1 + offset}"


def _atomic(size: str, target: int, source: int, offset: int, immediate: int) -> str:
    place = _place(size, target, offset)
    if immediate == _XCHG:
        return f"r{source} = xchg({place}, r{source})"
    if immediate == _CMPXCHG:
        return f"r0 = cmpxchg({place}, r0, r{source})"
    text = f"lock {place} {_ATOMIC.get(immediate & ~_FETCH, '?=')} r{source}"
    return f"r{source} = fetch {text}" if immediate & _FETCH else text


def _instruction(slot: int, op: int, target: int, source: int, offset: int, immediate: int) -> str:
    kind, size, mode = op & 7, _SIZES[op & 0x18], op & 0xE0
    if kind in (_ALU, _ALU64):
        return _arithmetic(op, target, source, offset, immediate)
    if kind in (_JMP, _JMP32):
        return _jump(op, target, source, offset, immediate, slot)
    if kind == _LDX:
        return f"r{target} = {_place(_SIGNED[op & 0x18] if mode == 0x80 else size, source, offset)}"
    if kind == _ST:
        return f"{_place(size, target, offset)} = {immediate}"
    if kind == _STX and mode == 0xC0:
        return _atomic(size, target, source, offset, immediate)
    if kind == _STX:
        return f"{_place(size, target, offset)} = r{source}"
    return f"unknown {op:#04x}"


def _lines(code: bytes, relocations: Iterable[Relocation]) -> Iterator[str]:
    fixed = {each.insn: each for each in relocations}
    slot, count = 0, len(code) // 8
    while slot < count:
        op, registers, offset, immediate = struct.unpack_from("<BBhi", code, 8 * slot)
        target, source = registers & 15, registers >> 4
        relocation = fixed.get(slot)
        if op == 0x18:
            (high,) = struct.unpack_from("<i", code, 8 * slot + 12)
            value = (high & 0xFFFFFFFF) << 32 | (immediate & 0xFFFFFFFF)
            if relocation is not None:
                addend = f"+{relocation.addend}" if relocation.kind == "data" else ""
                shown = f"{relocation.kind}[{relocation.symbol}]{addend}"
            elif source == 4:
                shown = f"function {slot + immediate + 1}"
            else:
                shown = f"{value:#x} ll"
            yield f"{slot:5}: r{target} = {shown}"
            slot += 2
            continue
        if relocation is not None and relocation.kind == "kfunc":
            text = f"call {relocation.symbol}"
        else:
            text = _instruction(slot, op, target, source, offset, immediate)
        yield f"{slot:5}: {text}"
        slot += 1


def disassemble(code: bytes, relocations: Iterable[Relocation] = ()) -> str:
    """The instructions, one on each line, numbered by slot."""
    return "".join(f"{line}\n" for line in _lines(code, relocations))
