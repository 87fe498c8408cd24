"""Arguments of static probes: operands of the assembler, as the compiler wrote them, in notes made by sys/sdt.h.

`-4@%eax 8@-8(%rbp,%rcx,8)`: the size in bytes, negative for signed values (an `f` behind it marks floating point), and
where the value is. The forms are those of gas for x86-64 in AT&T syntax ("Memory References" in its manual) and of A64
(Arm, "Load/Store addressing modes"); systemtap's wiki describes notes ("UserSpaceProbeImplementation").
"""

from __future__ import annotations

from pytrace.lazy import pattern
from pytrace.named import NamedTuple

__all__ = ["UsdtArgument", "read_arguments"]


class UsdtArgument(NamedTuple):
    """An argument of a probe: `size` bytes, a `constant`, or found through a register.

    `register` and `index_register` are names as `reg()` knows them (`ax`, `di`, `r8`). With `displacement` the value is
    in memory at register + index_register * scale + displacement, plus the address of `symbol` if that is not empty;
    without, it is in the register, from byte `first` on. A `symbol` without register, or with that of the instruction,
    is where it is whatever the registers hold. `unknown` is the text of an operand whose value no probe can read.
    """

    size: int
    signed: bool
    constant: int | None = None
    register: str = ""
    displacement: int | None = None
    index_register: str = ""
    scale: int = 1
    symbol: str = ""
    first: int = 0
    unknown: str = ""


_SIZE = pattern(r"(-?)([0-9]{1,2})(f?)@")
_BETWEEN = pattern(r"[ \t]+(?=-?[0-9]{1,2}f?@)")
_NUMBER = r"[-+]?(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})"
_NAME = r"[A-Za-z_.$][A-Za-z0-9_.$@]*"
_CONSTANT = pattern(rf"({_NUMBER})")
_MEMORY = pattern(rf"({_NAME})?({_NUMBER})?(?:\((%[a-z0-9]+)?(?:,(%[a-z0-9]+)(?:,([1248]))?)?\))?")
_A64_MEMORY = pattern(
    rf"\[([a-z0-9]+)(?:,#?({_NUMBER})|,(x[0-9]+)(?:,(?:lsl#?([0-4])|sxtx(?:#?([0-4]))?))?)?\]"
)


def read_arguments(text: str, machine: str) -> tuple[UsdtArgument, ...]:
    """The arguments of a note, in order. `machine` is what uname(2) calls the processor that the file is for."""
    read = {"x86_64": _x86_operand, "aarch64": _a64_operand}.get(machine)
    arguments = []
    for word in _BETWEEN.split(text.strip()):
        if not word:
            continue
        size = _SIZE.match(word)
        operand = word[size.end() :] if size else word
        # Without a size it is a word, as in the first notes there were.
        width, signed = (int(size[2]), bool(size[1])) if size else (8, True)
        found = None
        if read is not None and width in (1, 2, 4, 8) and not (size and size[3]):
            found = read(operand.replace(" ", "").replace("\t", ""), width, signed)
        arguments.append(found or UsdtArgument(width, signed, unknown=operand))
    return tuple(arguments)


def _number(text: str | None) -> int:
    """A number of the assembler: decimal, hexadecimal, or octal with a leading zero."""
    if not text:
        return 0
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits.isdigit()
    value = int(digits, 8 if octal else 0)
    return -value if text[0] == "-" else value


def _constant(text: str, size: int, signed: bool) -> UsdtArgument | None:
    if _CONSTANT.fullmatch(text) is None:
        return None
    try:
        value = _number(text) & ((1 << 8 * size) - 1)
    except ValueError:  # an 8 or a 9 among octal digits
        return None
    if signed and value >> (8 * size - 1):
        value -= 1 << 8 * size
    return UsdtArgument(size, signed, constant=value)


# --- x86-64 -------------------------------------------------------------------------------------------------------

_HIGH_BYTES = {"ah": "ax", "bh": "bx", "ch": "cx", "dh": "dx"}


def _x86_registers() -> dict[str, str]:
    """The names of the assembler, and what `reg()` calls the whole register."""
    names = {"rip": "ip", "eip": "ip"}
    for whole in ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp"):
        low = f"{whole[0]}l" if whole.endswith("x") else f"{whole}l"
        names |= dict.fromkeys((whole, f"r{whole}", f"e{whole}", low), whole)
    for number in range(8, 16):
        names |= dict.fromkeys((f"r{number}{width}" for width in ("", "d", "w", "b", "l")), f"r{number}")
    return names


_X86 = _x86_registers()


def _x86_operand(text: str, size: int, signed: bool) -> UsdtArgument | None:
    if text.startswith("$"):
        return _constant(text[1:], size, signed)
    if text.startswith("%"):
        name = text[1:]
        if name in _HIGH_BYTES:
            return UsdtArgument(size, signed, register=_HIGH_BYTES[name], first=1) if size == 1 else None
        return UsdtArgument(size, signed, register=_X86[name]) if name in _X86 else None
    found = _MEMORY.fullmatch(text)
    if found is None or not text:
        return None
    symbol, number, base, index, scale = found.groups()
    if any(name is not None and name[1:] not in _X86 for name in (base, index)):
        return None
    registers = [_X86[name[1:]] if name else "" for name in (base, index)]
    try:
        displacement = _number(number)
    except ValueError:
        return None
    # A bare number is an address; one from the next instruction on depends on how long this one is.
    if not symbol and (not any(registers) or "ip" in registers):
        return None
    return UsdtArgument(
        size, signed, register=registers[0], displacement=displacement, index_register=registers[1],
        scale=int(scale or 1), symbol=symbol or "",
    )


# --- A64 ----------------------------------------------------------------------------------------------------------


def _a64_register(name: str) -> str:
    """What `reg()` calls a general register; empty for others, and for the one that is always zero."""
    if name in ("sp", "wsp"):
        return "sp"
    known = {"fp": "29", "lr": "30", "ip0": "16", "ip1": "17"}.get(name)
    digits = known or (name[1:] if name[:1] in ("x", "w") else "")
    return f"r{int(digits)}" if digits.isdigit() and len(digits) < 3 and int(digits) < 31 else ""


def _a64_operand(text: str, size: int, signed: bool) -> UsdtArgument | None:
    if text in ("xzr", "wzr"):
        return UsdtArgument(size, signed, constant=0)
    if register := _a64_register(text):
        return UsdtArgument(size, signed, register=register)
    if (constant := _constant(text.removeprefix("#"), size, signed)) is not None:
        return constant
    found = _A64_MEMORY.fullmatch(text)
    base = _a64_register(found[1]) if found else ""
    if found is None or not base or found[1].startswith("w"):
        return None
    _, number, index, shift, extended = found.groups()
    index_register = _a64_register(index) if index else ""
    if index and not index_register:
        return None
    try:
        displacement = _number(number)
    except ValueError:
        return None
    return UsdtArgument(
        size, signed, register=base, displacement=displacement, index_register=index_register,
        scale=1 << int(shift or extended or 0),
    )
