"""The rules by which a function's caller is found, and the expressions that stand for some of them.

A rule first gives the canonical frame address (CFA), which is what the stack pointer was before the call, and then says
where the caller's registers were saved, relative to it. Registers have the numbers that DWARF gives them on x86-64.
"""

from __future__ import annotations

from pytrace.named import NamedTuple

__all__ = [
    "END", "FRAME", "NO_RULE", "RETURN", "SAVED", "SIGNAL", "STACK", "Kind", "Refused", "Rule", "cfa_expression",
    "register_expression", "signed", "unsigned",
]


class Kind:
    """What a rule tells. The numbers are also those of `codegen/unwind.py`."""

    NONE = 0
    """Nothing is known of the address."""
    END = 1
    """There is no caller: the first function of a thread."""
    OFFSET = 2
    """CFA = register + offset."""
    LOADED = 3
    """CFA = what is in memory at (register + offset), + offset2: functions that align their stack."""
    PLT = 4
    """CFA = stack pointer + 8, and 8 more once a stub of a procedure linkage table has pushed its index: where
    (address & 15) >= offset2."""
    SIGNAL = 5
    """The frame that the kernel makes to call a signal handler: all registers are saved in it."""


SAVED = (3, 6, 12, 13, 14, 15)
"""The registers that functions preserve: rbx, rbp, r12 to r15."""

FRAME, STACK, RETURN = 6, 7, 16
"""rbp, rsp, and the column of the return address."""


class Rule(NamedTuple):
    """`saved` gives for each register of `SAVED` where it was saved, in bytes from the CFA, or None if the caller has
    the same value; with its bit in `from_rbp`, from the register rbp. `address` is where the return address is."""

    kind: int
    register: int = 0
    offset: int = 0
    offset2: int = 0
    saved: tuple[int | None, ...] = (None,) * len(SAVED)
    from_rbp: int = 0
    address: int = -8


NO_RULE, END, SIGNAL = Rule(Kind.NONE), Rule(Kind.END), Rule(Kind.SIGNAL)


class Refused(Exception):
    """A description that uses what is not supported, or is damaged."""


def unsigned(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value, shift = byte & 0x7F, 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
        if shift > 70:
            raise Refused("a number without end")


def signed(data: bytes, at: int) -> tuple[int, int]:
    start = at
    value, at = unsigned(data, at)
    bits = 7 * (at - start)
    return (value - (1 << bits) if data[at - 1] & 0x40 else value), at


def register_expression(block: bytes) -> tuple[int, int, bytes]:
    """An expression that begins with a register plus an offset (DW_OP_breg0…): both, and what follows."""
    if not block or not 0x70 <= block[0] <= 0x8F:
        raise Refused("an expression")
    offset, at = signed(block, 1)
    return block[0] - 0x70, offset, block[at:]


_DEREF, _PLUS_UCONST = 0x06, 0x23
# DW_OP_breg7 rsp+8; breg16 rip+0; lit15; and; lit N; ge; lit3; shl; plus (binutils, elf_x86_64_eh_frame_plt).
_PLT_HEAD, _PLT_TAIL = bytes((0x77, 8, 0x80, 0, 0x3F, 0x1A)), bytes((0x2A, 0x33, 0x24, 0x22))


def cfa_expression(block: bytes) -> tuple[int, int, int, int]:
    """kind, register, offset and offset2 of a CFA that is given by an expression."""
    if block.startswith(_PLT_HEAD) and block.endswith(_PLT_TAIL) and len(block) == 11 and 0x30 <= block[6] <= 0x3F:
        return Kind.PLT, STACK, 8, block[6] - 0x30
    register, offset, rest = register_expression(block)
    if not rest:
        return Kind.OFFSET, register, offset, 0
    if rest[0] == _DEREF:
        if len(rest) == 1:
            return Kind.LOADED, register, offset, 0
        if rest[1] == _PLUS_UCONST:
            more, at = unsigned(rest, 2)
            if at == len(rest):
                return Kind.LOADED, register, offset, more
    raise Refused("an expression")
