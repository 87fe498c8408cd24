"""USDT: the static probes that programs carry in their `.note.stapsdt` notes."""

from __future__ import annotations

import struct

from pytrace.kernel.elf import Elf
from pytrace.named import NamedTuple

__all__ = ["UsdtLocation", "UsdtProbe", "usdt_probes"]

_OWNER, _TYPE = "stapsdt", 3


class UsdtLocation(NamedTuple):
    """One place of a probe: `address` before relocation, `offset` in the file (what a uprobe takes), `semaphore` the
    position in the file of the counter that turns the probe on, 0 if it has none; `arguments` in the note's words."""

    address: int
    offset: int
    semaphore: int
    arguments: str


class UsdtProbe(NamedTuple):
    provider: str
    name: str
    locations: tuple[UsdtLocation, ...]


def usdt_probes(elf: Elf) -> list[UsdtProbe]:
    """All probes of a file, sorted by provider and name; empty if it has none."""
    # Prelinking moves a file's addresses; the note says where it thought this section was.
    base = elf.section_address(".stapsdt.base")
    found: dict[tuple[str, str], dict[UsdtLocation, None]] = {}
    for owner, type, data in elf.notes():
        if owner != _OWNER or type != _TYPE or len(data) < 24:
            continue
        address, note_base, semaphore = struct.unpack_from("<QQQ", data)
        strings = data[24:].split(b"\0", 3)
        if len(strings) < 3:
            continue
        provider, name, arguments = (s.decode("utf-8", "surrogateescape") for s in strings[:3])
        if base is not None and note_base:
            address += base - note_base
            semaphore += base - note_base if semaphore else 0
        offset = elf.file_offset(address)
        if offset is None:
            continue
        counter = elf.file_offset(semaphore) if semaphore else None
        found.setdefault((provider, name), {})[UsdtLocation(address, offset, counter or 0, arguments)] = None
    return [UsdtProbe(provider, name, tuple(found[provider, name])) for provider, name in sorted(found)]
