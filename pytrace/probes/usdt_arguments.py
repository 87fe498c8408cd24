"""`arg0`, `arg1`, … of user-space static probes: where the compiler left them."""

from __future__ import annotations

from functools import lru_cache

from pytrace.hints import TYPE_CHECKING
from pytrace.probes.binaries import FileState, native
from pytrace.probes.provider import ContextField
from pytrace.probes.registers import registers
from pytrace.semantics.types import U64, Int, Space

if TYPE_CHECKING:
    from pytrace.kernel.usdt import UsdtArgument

__all__ = ["MOST", "argument_fields"]

MOST = 12
"""The most arguments that a probe can have (sys/sdt.h)."""
_WORD = (1 << 64) - 1


@lru_cache(maxsize=64)
def _arguments(path: str, state: FileState, namespace: str, name: str) -> dict[int, tuple[UsdtArgument, ...]]:
    """The arguments of a probe by the position of each of its places in the file."""
    from pytrace.kernel.elf import ElfError
    from pytrace.kernel.usdt import usdt_arguments, usdt_probes

    found: dict[int, tuple[UsdtArgument, ...]] = {}
    try:
        for probe in usdt_probes(path):
            if (probe.provider, probe.name) == (namespace, name):
                for place, arguments in zip(probe.locations, usdt_arguments(path, probe), strict=True):
                    found[place.offset] = arguments
    except (OSError, ElfError):
        # The file is not there any more, or was replaced; attaching will say so.
        return {}
    return found


def _field(name: str, argument: UsdtArgument) -> ContextField | None:
    """Where an argument is; None if that cannot be told before the program runs."""
    known = registers().names
    if argument.constant is not None:
        return ContextField(name, U64, 0, 8, Space.USER, constant=argument.constant & _WORD)
    # An address that depends on where the file was loaded, or a vector register.
    if argument.symbol or argument.register not in known or argument.size not in (1, 2, 4, 8):
        return None
    if argument.index_register and argument.index_register not in known:
        return None
    return ContextField(
        name, U64, known[argument.register], argument.size, Space.USER, stored=Int(argument.size, argument.signed),
        displacement=argument.displacement, index=known[argument.index_register] if argument.index_register else None,
        scale=argument.scale,
    )


def argument_fields(path: str, namespace: str, name: str, place: int) -> tuple[ContextField | None, ...]:
    """The arguments at one place of a probe. None for one that cannot be read, such as a floating-point register.
    Those that the probe does not have read as 0."""
    try:
        state = FileState.of(native(path))
    except OSError:
        return ()
    arguments = _arguments(native(path), state, namespace, name).get(place, ())
    found = [_field(f"arg{n}", argument) for n, argument in enumerate(arguments)]
    missing = [ContextField(f"arg{n}", U64, 0, 8, Space.USER, constant=0) for n in range(len(found), MOST)]
    return (*found, *missing)
