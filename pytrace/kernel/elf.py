"""What tracing needs to know of an ELF file: its function symbols, where they lie in the file, its sections and notes.

Tables are unpacked whole by `struct`, which takes 2 ms for the 3,000 symbols of a C library; callbacks for each symbol,
as libraries offer them, cost several times that. See elf(5) for the layout.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
import struct

from pytrace.hints import Iterator
from pytrace.named import NamedTuple
from pytrace.once import cache
from pytrace.problem import Problem

__all__ = [
    "Elf", "ElfError", "ElfSymbol", "LoadableSegment", "build_id", "find_library",
    "is_executable",
]

_ET_EXEC, _ET_DYN = 2, 3
_SHT_SYMTAB, _SHT_NOTE, _SHT_NOBITS, _SHT_DYNSYM = 2, 7, 8, 11
_PT_LOAD, _PT_NOTE, _PF_X = 1, 4, 1
_STT_OBJECT, _STT_FUNC, _STT_GNU_IFUNC = 1, 2, 10
_SHN_UNDEF = 0
_NT_GNU_BUILD_ID = 3
_READ_AT_MOST = 1 << 30
_LARGE, _COMPRESSED_AT_MOST = 1 << 26, 16


class ElfError(Problem, ValueError):
    """Not an ELF file of this machine's class and byte order, or damaged."""


class ElfSymbol(NamedTuple):
    """`address` as in the file, before relocation; `size` in bytes, 0 if the file does not say."""

    name: str
    address: int
    size: int


class LoadableSegment(NamedTuple):
    """A PT_LOAD header: `memory_size` bytes at `address`, of which `file_size` come from `offset` in the file."""

    address: int
    offset: int
    file_size: int
    memory_size: int
    executable: bool


class _Section(NamedTuple):
    name: str
    type: int
    address: int
    offset: int
    size: int
    link: int
    entry_size: int


class Elf:
    """An ELF file, opened by path. `start` and `size` name a part of the file that is one; `start` is that of a page.

    Raises `OSError`, or `ElfError` for something else than 64-bit little-endian ELF.
    """

    def __init__(self, path: str, start: int = 0, size: int = 0) -> None:
        self.path, self.start = path, start
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            status = os.fstat(fd)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            if not stat.S_ISREG(status.st_mode) or status.st_size < 64:
                raise ElfError(f"{path} is not an ELF file")
            if _mostly_holes(status):
                raise ElfError(f"{path} says that it has {status.st_size >> 20} MiB, of which hardly any are stored")
            self._data: mmap.mmap | bytes = _contents(fd, status, start, size)
        finally:
            os.close(fd)
        if self._data[:6] != b"\x7fELF\x02\x01":
            raise ElfError(f"{path} is not a 64-bit little-endian ELF file")
        try:
            (
                self.type, self.machine, _, self.entry, programs, sections, _, _, program_size, program_count,
                section_size, section_count, names,
            ) = struct.unpack_from("<HHIQQQIHHHHHH", self._data, 16)
            self.segments = self._read_segments(programs, program_size, program_count)
            self._sections = self._read_sections(sections, section_size, section_count, names)
        except (struct.error, IndexError, OverflowError) as error:
            raise ElfError(f"{path} is damaged: {error}") from error

    @property
    def contents(self) -> mmap.mmap | bytes:
        """All bytes of the file."""
        return self._data

    # --- tables -----------------------------------------------------------------------------------------------------

    def _read_segments(self, offset: int, size: int, count: int) -> tuple[LoadableSegment, ...]:
        segments = []
        self._notes: list[tuple[int, int]] = []
        for n in range(count):
            type_, flags, at, address, _, file_size, memory_size, _ = struct.unpack_from(
                "<IIQQQQQQ", self._data, offset + n * size
            )
            if type_ == _PT_LOAD:
                segments.append(LoadableSegment(address, at, file_size, memory_size, bool(flags & _PF_X)))
            elif type_ == _PT_NOTE:
                self._notes.append((at, file_size))
        return tuple(segments)

    def _read_sections(self, offset: int, size: int, count: int, names: int) -> list[_Section]:
        if not offset:
            return []
        if not count:  # more sections than the header can count: the first one tells
            count = struct.unpack_from("<Q", self._data, offset + 32)[0]
        headers = [struct.unpack_from("<IIQQQQIIQQ", self._data, offset + n * size) for n in range(count)]
        if names == 0xFFFF:
            names = headers[0][6]
        start = headers[names][4] if names < len(headers) else len(self._data)
        return [
            _Section(self._string(start + name), type_, address, at, length, link, entry)
            for name, type_, _, address, at, length, link, _, _, entry in headers
        ]

    def _string(self, start: int) -> str:
        end = self._data.find(b"\0", start)
        return self._data[start:end].decode("utf-8", "surrogateescape") if end >= 0 else ""

    def section(self, name: str) -> bytes | None:
        """The contents of a section."""
        for section in self._sections:
            if section.name == name and section.type != _SHT_NOBITS:
                return self._data[section.offset : section.offset + section.size]
        return None

    def section_address(self, name: str) -> int | None:
        """Where a section lies in memory, before relocation."""
        return next((section.address for section in self._sections if section.name == name), None)

    # --- symbols ----------------------------------------------------------------------------------------------------

    def _tables(self) -> Iterator[tuple[bytes, bytes]]:
        """The tables of symbols, each as whole entries, with the names."""
        for section in self._sections:
            if section.type not in (_SHT_SYMTAB, _SHT_DYNSYM) or section.link >= len(self._sections):
                continue
            strings = self._sections[section.link]
            text = self._data[strings.offset : strings.offset + strings.size]
            table = self._data[section.offset : section.offset + section.size]
            yield table[: len(table) // 24 * 24], text

    def _symbols(self, types: tuple[int, ...]) -> Iterator[ElfSymbol]:
        for table, text in self._tables():
            for name, info, _, index, address, size in struct.iter_unpack("<IBBHQQ", table):
                if info & 15 in types and index != _SHN_UNDEF and name:
                    end = text.find(b"\0", name)
                    if end > name:
                        yield ElfSymbol(text[name:end].decode("utf-8", "surrogateescape"), address, size)

    def functions(self) -> list[ElfSymbol]:
        """Function symbols of the static and the dynamic table, each (name, address) once, in the order of the file.

        The names of one address are all given. Empty for a stripped file.
        """
        return list(dict.fromkeys(self._symbols((_STT_FUNC, _STT_GNU_IFUNC))))

    def _named(self, name: str, types: tuple[int, ...]) -> ElfSymbol | None:
        """The first symbol of that name: found by where its name stands, without a look at all other names."""
        wanted = name.encode("utf-8", "surrogateescape") + b"\0"
        if not name or "\0" in name:
            return None
        for table, text in self._tables():
            places = set()
            at = text.find(wanted)
            while at >= 0:  # names may be the ends of others
                places.add(at)
                at = text.find(wanted, at + 1)
            if not places:
                continue
            for place, info, _, index, address, size in struct.iter_unpack("<IBBHQQ", table):
                if place in places and place and info & 15 in types and index != _SHN_UNDEF:
                    return ElfSymbol(name, address, size)
        return None

    def function(self, name: str) -> ElfSymbol | None:
        """The first function of that name."""
        return self._named(name, (_STT_FUNC, _STT_GNU_IFUNC))

    def symbol(self, name: str) -> ElfSymbol | None:
        """The first function or variable of that name."""
        return self._named(name, (_STT_OBJECT, _STT_FUNC, _STT_GNU_IFUNC))

    def function_at(self, address: int) -> ElfSymbol | None:
        """The function that covers an address; of size 0, the one that starts there."""
        for symbol in self._symbols((_STT_FUNC, _STT_GNU_IFUNC)):
            if symbol.address <= address < symbol.address + max(symbol.size, 1):
                return symbol
        return None

    # --- addresses --------------------------------------------------------------------------------------------------

    @property
    def relocatable(self) -> bool:
        """Whether the loader chooses its address: a shared object or position-independent program."""
        return bool(self.type == _ET_DYN)

    def file_offset(self, address: int) -> int | None:
        """Where in the file the byte of an address lies, which is what uprobes take; None if it is in no segment."""
        for segment in self.segments:
            if segment.address <= address < segment.address + segment.file_size:
                return address - segment.address + segment.offset
        return None

    def address_of(self, offset: int) -> int | None:
        """The reverse of `file_offset`, among executable segments first."""
        for segment in sorted(self.segments, key=lambda s: not s.executable):
            if segment.offset <= offset < segment.offset + segment.file_size:
                return offset - segment.offset + segment.address
        return None

    # --- notes ------------------------------------------------------------------------------------------------------

    def notes(self) -> Iterator[tuple[str, int, bytes]]:
        """(owner, type, contents) of all notes."""
        ranges = [(s.offset, s.size) for s in self._sections if s.type == _SHT_NOTE] or self._notes
        for start, size in ranges:
            at, end = start, min(start + size, len(self._data))
            while at + 12 <= end:
                name_size, size_, type_ = struct.unpack_from("<III", self._data, at)
                at += 12
                name = self._data[at : at + name_size].rstrip(b"\0").decode("utf-8", "replace")
                at += (name_size + 3) & ~3
                yield name, type_, self._data[at : at + size_]
                at += (size_ + 3) & ~3

    @property
    def build_id(self) -> bytes | None:
        """The GNU build id, usually 20 bytes."""
        return next((data for name, type_, data in self.notes() if name == "GNU" and type_ == _NT_GNU_BUILD_ID), None)


def _mostly_holes(status: os.stat_result) -> bool:
    """Whether a file occupies far less than its size, more than compression can explain: reading it would only cost
    memory. Some file systems do not say what a file occupies."""
    return status.st_size > _LARGE and 0 < status.st_blocks * 512 * _COMPRESSED_AT_MOST < status.st_size


def _contents(fd: int, status: os.stat_result, start: int, size: int) -> mmap.mmap | bytes:
    """The bytes of a file, mapped. A file that an ordinary user may shorten while we look is read instead: touching
    what is no longer there would end us."""
    if status.st_uid in (0, os.geteuid()) and not status.st_mode & stat.S_IWOTH:
        return mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ, offset=start)
    wanted = size or status.st_size - start
    if wanted > _READ_AT_MOST:
        raise ElfError(f"a file of {wanted >> 20} MiB that belongs to a user is too large to be read")
    parts = []
    while wanted > 0 and (part := os.pread(fd, wanted, start)):
        parts.append(part)
        start, wanted = start + len(part), wanted - len(part)
    return b"".join(parts)


_DEBUG_ROOT = "/usr/lib/debug"


@cache
def build_id(path: str) -> bytes | None:
    """The build id of a file; None if it has none or cannot be read."""
    try:
        return Elf(path).build_id
    except (OSError, ElfError):
        return None


def is_executable(path: str) -> bool:
    """Whether a file can be a target of uprobes: a shared object or position-independent program, or a fixed one that
    its owner may execute."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
            return False
        with open(path, "rb") as file:
            head = file.read(18)
    except OSError:
        return False
    if head[:4] != b"\x7fELF" or len(head) < 18:
        return False
    type_ = int.from_bytes(head[16:18], "little" if head[5] == 1 else "big")
    return type_ == _ET_DYN or (type_ == _ET_EXEC and bool(status.st_mode & stat.S_IXUSR))


_CACHE_MAGIC = b"glibc-ld.so.cache1.1"


@cache
def known_libraries() -> tuple[tuple[str, str], ...]:
    """(soname, path) of every 64-bit library that the dynamic loader knows (glibc, sysdeps/generic/dl-cache.h)."""
    try:
        with open("/etc/ld.so.cache", "rb") as file:
            data = file.read()
    except OSError:
        return ()
    start = data.find(_CACHE_MAGIC)
    if start < 0 or len(data) < start + 48:
        return ()
    count = struct.unpack_from("<I", data, start + 20)[0]
    libraries = []
    try:
        for n in range(count):
            flags, key, value = struct.unpack_from("<iII", data, start + 48 + n * 24)
            # The low byte is the kind of library (1: ELF libc6), the next one what it needs; 0x0800 is x32.
            if flags & 0xFF not in (1, 3) or not flags & 0xFF00 or flags & 0xFF00 == 0x0800:
                continue
            names = [data[start + at : data.index(b"\0", start + at)] for at in (key, value)]
            libraries.append((os.fsdecode(names[0]), os.fsdecode(names[1])))
    except (struct.error, ValueError):
        pass
    return tuple(libraries)


def find_library(name: str, pid: int | None = None) -> str | None:
    """The path of a shared library by a short name (`libc`, `libc.so.6`): among the files that process maps if a pid
    is given, else in the dynamic loader's cache. None if there is no such library."""
    if pid is not None:
        try:
            with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
                paths = [line.split(None, 5)[5].rstrip("\n") for line in file if line.count("/")]
        except OSError:
            paths = []
        known = [(os.path.basename(path), path) for path in dict.fromkeys(paths)]
    else:
        known = list(known_libraries())
    for soname, path in known:
        if soname == name or (soname.startswith((f"{name}.so", f"{name}-")) and ".so" in soname):
            return os.path.realpath(path) if pid is None else path
    return None
