"""Where in files the places of user-space static probes are."""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING
from pytrace.probes.paths import shown
from pytrace.probes.user_places import open_elf
from pytrace.recent import recent

if TYPE_CHECKING:
    from pytrace.kernel.elf import Elf
    from pytrace.kernel.usdt import UsdtLocation, UsdtProbe

__all__ = ["places_of", "probes_of"]


@recent(maxsize=16)
def _probes(elf: Elf) -> list[UsdtProbe]:
    from pytrace.kernel.usdt import usdt_probes

    return usdt_probes(elf)


def probes_of(path: str) -> list[UsdtProbe]:
    """The probes of a file, by namespace and name; empty if it has none or cannot be read."""
    elf = open_elf(path)
    return _probes(elf) if elf is not None else []


@recent(maxsize=16)
def places_of(elf: Elf) -> dict[tuple[str, str, int], UsdtLocation]:
    """The places of all probes of a file, by namespace, name and position in the file."""
    return {
        (shown(probe.provider), shown(probe.name), place.offset): place
        for probe in _probes(elf)
        for place in probe.locations
    }
