"""The symbols of files that were stripped of them.

They may be in a file of their own, found by the build id or by the name that `.gnu_debuglink` gives (GDB manual,
Separate Debug Files), or, compressed, in the section `.gnu_debugdata` (MiniDebugInfo). A separate file is believed only
if it belongs to this one: it has the same build id, or the checksum that the link gives. Files are looked for as the
process sees them, and then on this machine.
"""

from __future__ import annotations

import os
import zlib

from pytrace.hints import Iterator
from pytrace.kernel.elf import Elf, ElfError, ElfSymbol

__all__ = ["all_functions", "debug_paths", "function", "symbol"]

_DEBUG_ROOT = "/usr/lib/debug"
_UNPACKED_AT_MOST = 1 << 28
"""Bytes of unpacked symbols; what is more is not believed."""


def all_functions(elf: Elf, pid: int = 0) -> list[ElfSymbol]:
    """The function symbols of a file; of one without a symbol table also those of the file that was made for it. `pid`
    is a process that maps it, or 0. Addresses are the same in both."""
    symbols = elf.functions()
    if elf.section(".symtab") is None and (further := _separate(elf, pid) or _packed(elf)) is not None:
        symbols += further.functions()
    return symbols


def function(elf: Elf, name: str) -> ElfSymbol | None:
    """The first function of that name, as `all_functions` has them."""
    found = elf.function(name)
    if found is None and elf.section(".symtab") is None and (further := _separate(elf, 0) or _packed(elf)) is not None:
        found = further.function(name)
    return found


def symbol(elf: Elf, name: str) -> ElfSymbol | None:
    """The first function or variable of that name, of a stripped file also in the file that was made for it."""
    found = elf.symbol(name)
    if found is None and elf.section(".symtab") is None and (further := _separate(elf, 0) or _packed(elf)) is not None:
        found = further.symbol(name)
    return found


def debug_paths(elf: Elf) -> tuple[str, ...]:
    """Where a separate file with the symbols may be; nowhere if they are in the file itself."""
    return () if elf.section(".symtab") is not None else tuple(path for path, _ in _candidates(elf))


def _candidates(elf: Elf) -> Iterator[tuple[str, int | None]]:
    """Paths, with the checksum that the file must have if it has no build id."""
    if build_id := elf.build_id:
        name = build_id.hex()
        yield f"{_DEBUG_ROOT}/.build-id/{name[:2]}/{name[2:]}.debug", None
    link = elf.section(".gnu_debuglink") or b""
    name_bytes, end, _ = link.partition(b"\0")
    place = (len(name_bytes) + 4) & ~3
    if not end or len(link) < place + 4 or b"/" in name_bytes or name_bytes in (b"", b".", b".."):
        return
    checksum = int.from_bytes(link[place : place + 4], "little")
    name, folder = os.fsdecode(name_bytes), os.path.dirname(elf.path)
    real = os.path.dirname(os.path.realpath(elf.path))
    for path in dict.fromkeys((
        f"{folder}/{name}", f"{folder}/.debug/{name}", f"{_DEBUG_ROOT}{folder}/{name}", f"{real}/{name}",
        f"{real}/.debug/{name}", f"{_DEBUG_ROOT}{real}/{name}",
    )):  # fmt: skip
        yield path, checksum


def _separate(elf: Elf, pid: int) -> Elf | None:
    from pytrace.kernel.mappings import open_elf_in_root

    for path, checksum in _candidates(elf):
        for found in (open_elf_in_root(pid, path) if pid else None, _open(path)):
            if found is not None and _belongs(found, elf, checksum):
                return found
    return None


def _open(path: str) -> Elf | None:
    try:
        return Elf(path)
    except (OSError, ElfError, ValueError):
        return None


def _belongs(debug: Elf, elf: Elf, checksum: int | None) -> bool:
    if elf.build_id is not None and debug.build_id is not None:
        return debug.build_id == elf.build_id
    return checksum is not None and zlib.crc32(debug.contents) == checksum


def _packed(elf: Elf) -> Elf | None:
    """MiniDebugInfo: an ELF file, compressed by xz, in a section."""
    data = elf.section(".gnu_debugdata")
    if not data:
        return None
    import lzma

    from pytrace.kernel.mappings import elf_of

    try:
        unpacked = lzma.LZMADecompressor(memlimit=_UNPACKED_AT_MOST).decompress(data, _UNPACKED_AT_MOST)
    except (lzma.LZMAError, EOFError, MemoryError):
        return None
    return elf_of(unpacked, elf.path)
