"""`arg0`, `arg1`, … of user-space static probes: where the compiler left them."""

from __future__ import annotations

import os

from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING
from pytrace.probes.contexts import ContextField
from pytrace.probes.registers import registers
from pytrace.semantics.types import U64, Int, Space

if TYPE_CHECKING:
    from pytrace.kernel.elf import Elf
    from pytrace.kernel.operands import UsdtArgument
    from pytrace.kernel.usdt import UsdtLocation

__all__ = ["MOST", "argument_fields"]

MOST = 12
"""The most arguments that a probe can have (sys/sdt.h)."""
_WORD = (1 << 64) - 1


def argument_fields(elf: Elf, place: UsdtLocation) -> tuple[ContextField, ...]:
    """The arguments at one place of a probe. Those that cannot be read, such as a floating-point register, say why;
    those that the probe does not have read as 0."""
    from pytrace.kernel.operands import read_arguments

    found = [
        _field(f"arg{n}", argument, elf, place)
        for n, argument in enumerate(read_arguments(place.arguments, os.uname().machine))
    ]
    missing = [ContextField(f"arg{n}", U64, 0, 8, Space.USER, constant=0) for n in range(len(found), MOST)]
    return (*found, *missing)


def _field(name: str, argument: UsdtArgument, elf: Elf, place: UsdtLocation) -> ContextField:
    known = registers().names
    nothing = ContextField(name, U64, 0, 8, Space.USER)
    if argument.constant is not None:
        return replace(nothing, constant=argument.constant & _WORD)
    base, index, scale, displacement = argument.register, argument.index_register, argument.scale, argument.displacement
    stored = Int(argument.size, argument.signed)
    if argument.symbol:
        moved = _address(argument, elf, place)
        if moved is None:
            return replace(nothing, error=f"the symbol '{argument.symbol}' is not in the file")
        base, displacement = base or "ip", moved
    elif not base and index:  # x * s is x + x * (s - 1)
        base, index, scale = index, index if scale > 1 else "", scale - 1
    if argument.unknown or base not in known or (index and index not in known):
        place_text = argument.unknown or base
        return replace(nothing, error=f"'{place_text}' is not a general register, memory behind one, or a number")
    return ContextField(
        name, U64, known[base] + argument.first, argument.size, Space.USER, stored=stored, displacement=displacement,
        index=known[index] if index else None, scale=scale,
    )


def _address(argument: UsdtArgument, elf: Elf, place: UsdtLocation) -> int | None:
    """What to add to the registers of an argument to get the address that its symbol stands for. In front of others
    than the instruction's own address a symbol is an address of the file, which must then be fixed."""
    from pytrace.kernel.debug_files import symbol

    found = symbol(elf, argument.symbol)
    if found is None:
        return None
    address = found.address + (argument.displacement or 0)
    if argument.register in ("ip", "pc") and not argument.index_register:
        return address - place.address
    if elf.relocatable:
        return None
    # Without a base the instruction's own address stands for one.
    return address if argument.register else address - place.address
