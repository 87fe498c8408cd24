"""Reading the ELF objects that LLVM emits for BPF: 64-bit little-endian relocatable files (ELF specification, gABI 4).

Only what linking needs: sections, symbols and REL relocations.
"""

from __future__ import annotations

import struct

from pytrace.frozen import frozen

__all__ = ["Object", "Reloc", "Section", "Symbol", "read_object"]

_SYMTAB, _NOBITS, _REL = 2, 8, 9
_WRITABLE, _ALLOCATED, _EXECUTABLE = 1, 2, 4
_MOST_ROOM = 1 << 22
"""No data of a BPF object takes more."""
_STT_FUNC, _STT_SECTION = 2, 3
_STB_LOCAL = 0


@frozen
class Symbol:
    """`section` is 0 for an undefined symbol. `value` is an offset in bytes."""

    name: str
    section: int
    value: int
    size: int
    is_function: bool
    is_section: bool
    is_global: bool = False


@frozen
class Reloc:
    """`type` as in BPF's ELF ABI: 1 R_BPF_64_64, 2 R_BPF_64_ABS64, 4 R_BPF_64_NODYLD32, 10 R_BPF_64_32."""

    offset: int
    type: int
    symbol: Symbol


@frozen
class Section:
    """What stands in a section; of one that is only room, zeros. `allocated` ones are there when the code runs."""

    name: str
    data: bytes
    executable: bool
    relocs: tuple[Reloc, ...]
    allocated: bool = False
    writable: bool = False


@frozen
class Object:
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]

    def section(self, name: str) -> int:
        """The index of a section; 0 if there is none."""
        return next((i for i, section in enumerate(self.sections) if section.name == name), 0)


def _string(table: bytes, at: int) -> str:
    return table[at : table.index(b"\0", at)].decode()


def read_object(data: bytes) -> Object:
    """Reads an object file. Raises `ValueError` if it is not one of the expected kind, or damaged."""
    try:
        return _read(data)
    except (struct.error, IndexError, UnicodeDecodeError, OverflowError) as error:
        raise ValueError(f"the ELF file is damaged: {error}") from error


def _read(data: bytes) -> Object:
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF file")
    (table_at,) = struct.unpack_from("<Q", data, 40)
    _, count, names_at = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table_at + 64 * i) for i in range(count)]

    def contents(index: int) -> bytes:
        _, _, _, _, offset, size, *_ = headers[index]
        return data[offset : offset + size]

    section_names = contents(names_at)
    names = [_string(section_names, header[0]) for header in headers]
    symbols: tuple[Symbol, ...] = ()
    for i, header in enumerate(headers):
        if header[1] == _SYMTAB:
            strings = contents(header[6])
            symbols = tuple(
                Symbol(
                    names[section] if info & 15 == _STT_SECTION else _string(strings, name),
                    section, value, size, info & 15 == _STT_FUNC, info & 15 == _STT_SECTION, info >> 4 != _STB_LOCAL,
                )
                for name, info, _, section, value, size in struct.iter_unpack("<IBBHQQ", contents(i))
            )  # fmt: skip
    relocs: dict[int, list[Reloc]] = {}
    for i, header in enumerate(headers):
        if header[1] == _REL:
            relocs[header[7]] = [
                Reloc(offset, info & 0xFFFFFFFF, symbols[info >> 32])
                for offset, info in struct.iter_unpack("<QQ", contents(i))
            ]
    return Object(
        tuple(
            Section(
                names[i], contents(i) if header[1] != _NOBITS else bytes(min(header[5], _MOST_ROOM)),
                bool(header[2] & _EXECUTABLE), tuple(relocs.get(i, ())), bool(header[2] & _ALLOCATED),
                bool(header[2] & _WRITABLE),
            )
            for i, header in enumerate(headers)
        ),
        symbols,
    )
