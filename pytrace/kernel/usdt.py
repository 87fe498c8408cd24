"""USDT: the static probes that programs carry in their `.note.stapsdt` notes.

The notes are read here; the argument strings, which are assembler operands of the architecture at hand, by BCC
(`bcc_usdt_get_argument`).
"""

from __future__ import annotations

import os
import struct
from ctypes import CDLL, POINTER, Structure, c_char_p, c_int, c_longlong, c_uint64, c_void_p
from typing import NamedTuple

from pytrace.kernel.bcc import library
from pytrace.kernel.elf import Elf, ElfError

__all__ = ["UsdtArgument", "UsdtLocation", "UsdtProbe", "usdt_arguments", "usdt_probes"]

_OWNER, _TYPE = "stapsdt", 3


class UsdtArgument(NamedTuple):
    """An argument of a probe: `size` bytes, a `constant`, or found through a register.

    `register` and `index_register` are names as `reg()` knows them (`ax`, `di`, `r8`). With `displacement` the value is
    in memory at register + index_register * scale + displacement, plus the address of `symbol` if that is not empty;
    without, it is in the register.
    """

    size: int
    signed: bool
    constant: int | None = None
    register: str = ""
    displacement: int | None = None
    index_register: str = ""
    scale: int = 1
    symbol: str = ""


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


def usdt_probes(path: str) -> list[UsdtProbe]:
    """All probes of a file, sorted by provider and name; empty if it has none. Raises `OSError`, `ElfError`."""
    elf = Elf(path)
    # Prelinking moves a file's addresses; the note says where it thought this section was.
    base = elf.section_address(".stapsdt.base")
    found: dict[tuple[str, str], list[UsdtLocation]] = {}
    for owner, type, data in elf.notes():
        if owner != _OWNER or type != _TYPE or len(data) < 24:
            continue
        address, note_base, semaphore = struct.unpack_from("<QQQ", data)
        strings = data[24:].split(b"\0")
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
        place = UsdtLocation(address, offset, counter or 0, arguments)
        places = found.setdefault((provider, name), [])
        if place not in places:
            places.append(place)
    return [UsdtProbe(provider, name, tuple(found[provider, name])) for provider, name in sorted(found)]


_CONSTANT, _DISPLACEMENT, _SYMBOL, _REGISTER, _INDEX, _SCALE = (1 << n for n in range(6))


class _Argument(Structure):
    """struct bcc_usdt_argument: `valid` tells which of the others are set, `size` is negative for signed values."""

    _fields_ = [
        ("size", c_int), ("valid", c_int), ("constant", c_longlong), ("displacement", c_int), ("symbol", c_char_p),
        ("register", c_char_p), ("index", c_char_p), ("scale", c_int),
    ]


def usdt_arguments(path: str, probe: UsdtProbe) -> list[tuple[UsdtArgument, ...]]:
    """The arguments of a probe at each of its locations, in their order. Raises `ElfError` if BCC cannot read them,
    `BccMissing`."""
    lib = library()
    lib.bcc_usdt_new_frompath.restype, lib.bcc_usdt_new_frompath.argtypes = c_void_p, [c_char_p]
    lib.bcc_usdt_close.restype, lib.bcc_usdt_close.argtypes = None, [c_void_p]
    lib.bcc_usdt_get_location.argtypes = [c_void_p, c_char_p, c_char_p, c_int, POINTER(_Location)]
    lib.bcc_usdt_get_argument.argtypes = [c_void_p, c_char_p, c_char_p, c_int, c_int, POINTER(_Argument)]
    context = lib.bcc_usdt_new_frompath(os.fsencode(path))
    if not context:
        raise ElfError(f"the static probes of {path} cannot be read")
    try:
        provider, name = os.fsencode(probe.provider), os.fsencode(probe.name)
        by_address: dict[int, tuple[UsdtArgument, ...]] = {}
        location = _Location()
        index = 0
        while lib.bcc_usdt_get_location(context, provider, name, index, location) == 0:
            by_address[location.address] = _read_arguments(lib, context, provider, name, index)
            index += 1
        return [by_address.get(place.address, ()) for place in probe.locations]
    finally:
        lib.bcc_usdt_close(context)


class _Location(Structure):
    """struct bcc_usdt_location"""

    _fields_ = [("address", c_uint64), ("path", c_char_p)]


def _read_arguments(
    lib: CDLL, context: int, provider: bytes, name: bytes, index: int
) -> tuple[UsdtArgument, ...]:
    arguments: list[UsdtArgument] = []
    raw = _Argument()
    while lib.bcc_usdt_get_argument(context, provider, name, index, len(arguments), raw) == 0:
        valid = raw.valid

        def text(bit: int, value: bytes | None, valid: int = valid) -> str:
            return (value or b"").decode("ascii", "replace") if valid & bit else ""

        symbol = text(_SYMBOL, raw.symbol)
        arguments.append(UsdtArgument(
            abs(raw.size), raw.size < 0,
            constant=raw.constant if valid & _CONSTANT else None,
            register=text(_REGISTER, raw.register),
            displacement=raw.displacement if valid & _DISPLACEMENT else 0 if symbol else None,
            index_register=text(_INDEX, raw.index), scale=raw.scale if valid & _SCALE else 1, symbol=symbol,
        ))
    return tuple(arguments)
