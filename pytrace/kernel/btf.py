"""BTF: the kernel's type information, read from its binary form (Documentation/bpf/btf.rst).

A type section of 3 MB holds 130,000 records of different lengths, identified by their position in the sequence. Nothing
is indexed beforehand: a name is found by searching the string section for it, then the type section for the string's
offset; the records are counted only as far as something was asked for. A struct of the first thousands costs
microseconds; the last function, with all records counted, 25 ms.

Module BTF is *split*: its type ids and string offsets continue those of its base.
"""

from __future__ import annotations

import mmap
import os
import struct
from bisect import bisect_left

from pytrace.hints import Iterator
from pytrace.kernel.btf_records import LENGTHS, WORDS_PER_PART, BtfError, BtfType, Kind, Member, Parameter
from pytrace.once import cache

__all__ = [
    "Btf", "BtfError", "BtfType", "Kind", "Member", "Parameter", "kernel_btf", "kernel_btf_path", "module_btf",
    "modules",
]

_FOLDER = "/sys/kernel/btf"
_MAGIC = 0xEB9F
_SEARCHES = 32
"""Searches for a name, up to 3 ms each, after which the index is worth its 20 ms."""

_CLOSE = 1 << 14
_PARAMETERS = 16


class Btf:
    """The types of the kernel, of a module (with the kernel's as `base`) or of a BPF program.

    `data` is the whole file or object; `name` says whose types they are. Raises `BtfError`.
    """

    def __init__(self, data: bytes | mmap.mmap, name: str = "vmlinux", base: Btf | None = None) -> None:
        self.name = name
        self.base = base
        try:
            magic, version, _, header, types, types_size, strings, strings_size = struct.unpack_from("<HBBIIIII", data)
        except struct.error:
            raise BtfError("too short for BTF") from None
        if magic != _MAGIC or version != 1:
            raise BtfError("no BTF, or in another byte order")
        if header + max(types + types_size, strings + strings_size) > len(data) or types_size % 4:
            raise BtfError("BTF is cut short")
        self._data = data
        self._types_start = header + types
        self._types_end = self._types_start + types_size
        self._strings_start = header + strings
        self._strings_size: int = strings_size
        self._words = memoryview(data)[self._types_start : self._types_end].cast("I")
        self._first_string: int = base.strings_end if base else 0
        self.first_id: int = base.count if base else 1
        # Position, in words, of each record counted so far.
        self._places: list[int] = []
        self._counted = 0
        self._names: dict[int, dict[str, list[int]]] = {}
        self._searches = 0
        self._near = 0

    @property
    def strings_end(self) -> int:
        """Where the string offsets of BTF that is split from this one begin."""
        return self._first_string + self._strings_size

    @property
    def count(self) -> int:
        """One more than the highest type id."""
        self._count_records(len(self._words))
        return self.first_id + len(self._places)

    def _count_records(self, word: int) -> None:
        """Count records until the one at `word` is known."""
        words, lengths, at = self._words, LENGTHS, self._counted
        if at > word:
            return
        append, end = self._places.append, len(words)
        # A little further than asked: what is looked for next is mostly near.
        stop = min(end, word + 4096)
        try:
            while at < stop:
                append(at)
                at += lengths[words[at + 1]]
        except IndexError:
            raise BtfError("BTF is cut short") from None
        if at > end:
            raise BtfError("BTF is cut short")
        self._counted = at

    def _place(self, id: int) -> int:
        index = id - self.first_id
        while index >= len(self._places) and self._counted < len(self._words):
            self._count_records(self._counted + 3 * (index - len(self._places)))
        try:
            return self._places[index]
        except IndexError:
            raise BtfError(f"type {id} does not exist") from None

    def owner(self, id: int) -> Btf:
        """The object that holds the type: this one or its base."""
        return self.base.owner(id) if self.base is not None and id < self.first_id else self

    def text(self, offset: int) -> str:
        """A name by its offset in the string section."""
        if offset < self._first_string:
            if self.base is None:
                raise BtfError(f"string {offset} does not exist")
            return self.base.text(offset)
        start = self._strings_start + offset - self._first_string
        end = self._data.find(b"\0", start)
        if end < 0 or offset >= self.strings_end:
            raise BtfError(f"string {offset} does not exist")
        return self._data[start:end].decode("utf-8", "replace")

    def type(self, id: int) -> BtfType:
        """The record with that id; id 0 is void."""
        if id == 0:
            return BtfType(0, "void", Kind.VOID, 0, False, 0, 0)
        if self.base is not None and id < self.first_id:
            return self.base.type(id)
        return self._record(id, self._place(id))

    def _record(self, id: int, word: int) -> BtfType:
        name, info, value = self._words[word : word + 3]
        return BtfType(
            id, self.text(name) if name else "", info >> 24 & 31, info & 0xFFFF, bool(info >> 31), value, word
        )

    # --- finding by name ------------------------------------------------------------------------------------------

    def _string_offset(self, name: str) -> int | None:
        """The offset of a string of this object that stands for itself (BTF shares no tails of strings)."""
        needle = b"\0" + name.encode("utf-8", "surrogateescape") + b"\0"
        # Every string section begins with an empty string, except that of split BTF.
        first = self._strings_start
        if self.base is not None and self._data[first : first + len(needle) - 1] == needle[1:]:
            return self._first_string
        at = self._data.find(needle, first, first + self._strings_size)
        return None if at < 0 else at + 1 - first + self._first_string

    def _offsets(self, name: str) -> list[int]:
        own = self._string_offset(name)
        inherited = self.base._offsets(name) if self.base is not None else []
        return inherited if own is None else [own, *inherited]

    def _uses(self, offset: int) -> Iterator[int]:
        """Words of the type section that hold a string's offset (or the same number for another reason)."""
        needle = struct.pack("<I", offset)
        find, start, end = self._data.find, self._types_start, self._types_end
        at = find(needle, start, end)
        while at >= 0:
            if (at - start) % 4 == 0:
                yield (at - start) // 4
            at = find(needle, at + 1, end)

    def _id_at(self, word: int) -> int | None:
        """The id of the record that begins at a word; None if none begins there."""
        self._count_records(word)
        index = bisect_left(self._places, word)
        if index < len(self._places) and self._places[index] == word:
            return self.first_id + index
        return None

    def find_all(self, name: str, *kinds: int) -> Iterator[BtfType]:
        """Types of this object (not of its base) with that name and one of the kinds, by id."""
        if not name or "\0" in name:
            return
        self._searches += 1
        if self._searches > _SEARCHES:
            for kind in kinds:
                self.names(kind)
        if all(kind in self._names for kind in kinds):
            for id in sorted(id for kind in kinds for id in self._names[kind].get(name, ())):
                yield self.type(id)
            return
        words = self._words
        for offset in self._offsets(name):
            for word in self._uses(offset):
                if word + 2 < len(words) and words[word + 1] >> 24 & 31 in kinds:
                    found = self._id_at(word)
                    if found is not None:
                        yield self._record(found, word)

    def prototype(self, name: str) -> int | None:
        """The id of the type of the function with that name in this object (not in its base). For many names."""
        self._searches += 1
        if self._searches > _SEARCHES:
            ids = self.names(Kind.FUNC).get(name)
            return self._words[self._place(ids[0]) + 2] if ids else None
        found = next(self.find_all(name, Kind.FUNC), None)
        return found.value if found is not None else None

    def find(self, name: str, *kinds: int) -> BtfType | None:
        """The first such type, here or in the base. Of a struct declared and defined, ask for the kinds wanted."""
        if self.base is not None and (found := self.base.find(name, *kinds)):
            return found
        return next(self.find_all(name, *kinds), None)

    def likely_function(self, name: str) -> int | None:
        """What the id of a function of this object should be; None if there is no guess. It takes a tenth of `find`,
        which counts the types before it: who writes a kernel's types (pahole) puts each function behind its type, whose
        id the function has. Where several functions share a type this is wrong; only the kernel can tell."""
        offset = self._string_offset(name)
        if offset is None:
            return None
        needle = struct.pack("<II", offset, Kind.FUNC << 24)
        start, end, at = self._types_start, self._types_end, -1
        if self._near:  # those with similar names are close together
            at = self._data.find(needle, max(start, self._near - _CLOSE), min(end, self._near + _CLOSE))
        if at < 0:
            at = self._data.rfind(needle, start, end)
        if at < 0 or (at - start) % 4:
            return None
        self._near, word, words = at, (at - start) // 4, self._words
        for parameters in range(_PARAMETERS):
            before = word - 3 - 2 * parameters
            if before >= 0 and words[before + 1] == Kind.FUNC_PROTO << 24 | parameters:
                return int(words[word + 2]) + 1
        return None

    def find_enumerator(self, name: str) -> tuple[BtfType, int] | None:
        """The enumeration, here or in the base, that has a constant of that name, and its value."""
        if self.base is not None and (found := self.base.find_enumerator(name)):
            return found
        words = self._words
        for offset in self._offsets(name) if name else ():
            for word in self._uses(offset):
                self._count_records(word)
                index = bisect_left(self._places, word + 1) - 1
                if index < 0 or words[self._places[index] + 1] >> 24 & 31 not in (Kind.ENUM, Kind.ENUM64):
                    continue
                enum = self.type(self.first_id + index)
                for label, value in self.enumerators(enum):
                    if label == name:
                        return enum, value
        return None

    def names(self, kind: int) -> dict[str, list[int]]:
        """All names of a kind in this object (not its base), each with its ids. Indexes the kind: 20 ms or so."""
        if kind not in self._names:
            self._count_records(len(self._words))
            words, first, text = self._words, self.first_id, self.text
            index: dict[str, list[int]] = {}
            for n, word in enumerate(self._places):
                if words[word + 1] >> 24 & 31 == kind and words[word]:
                    index.setdefault(text(words[word]), []).append(first + n)
            self._names[kind] = index
        return self._names[kind]

    # --- what a record contains -----------------------------------------------------------------------------------

    def _parts(self, type: BtfType) -> Iterator[tuple[int, ...]]:
        size = WORDS_PER_PART[type.kind]
        words = self._words
        for at in range(type.word + 3, type.word + 3 + size * type.vlen, size):
            yield tuple(words[at : at + size])

    def members(self, type: BtfType) -> list[Member]:
        """Members of a struct or union, as declared: anonymous ones have an empty name."""
        owner, text = self.owner(type.id), self.text
        if not type.flag:
            return [Member(text(n) if n else "", t, offset, 0) for n, t, offset in owner._parts(type)]
        return [
            Member(text(n) if n else "", t, offset & 0xFFFFFF, offset >> 24) for n, t, offset in owner._parts(type)
        ]

    def member(self, type: BtfType, name: str) -> Member | None:
        """The first member of a struct or union with that name, as C finds it: also inside of anonymous ones, counted
        from the outermost. Names are compared by where they stand: most are never asked for."""
        places = frozenset(self._offsets(name)) if name and "\0" not in name else ()
        return self._member(type, name, places, 0) if places else None

    def _member(self, type: BtfType, name: str, places: frozenset[int], base: int) -> Member | None:
        for place, id, where in self.owner(type.id)._parts(type):
            offset, bits = (where & 0xFFFFFF, where >> 24) if type.flag else (where, 0)
            if place in places:
                return Member(name, id, base + offset, bits)
            if not place:
                inner = self.resolve(id)
                if inner.kind in (Kind.STRUCT, Kind.UNION):
                    found = self._member(inner, name, places, base + offset)
                    if found is not None:
                        return found
        return None

    def enumerators(self, type: BtfType) -> list[tuple[str, int]]:
        """Names and values of an enumeration, negative ones if it is signed."""
        owner, result = self.owner(type.id), []
        for name, low, *high in owner._parts(type):
            value = low | high[0] << 32 if high else low
            bits = 64 if high else 32
            if type.flag and value >> (bits - 1):
                value -= 1 << bits
            result.append((self.text(name), value))
        return result

    def parameters(self, type: BtfType) -> list[Parameter]:
        """Parameters of a function type (FUNC_PROTO)."""
        return [Parameter(self.text(n) if n else "", t) for n, t in self.owner(type.id)._parts(type)]

    def variables(self, type: BtfType) -> list[tuple[int, int, int]]:
        """(id of the VAR, offset, size) of each variable in a section (DATASEC)."""
        return [(t, offset, size) for t, offset, size in self.owner(type.id)._parts(type)]

    def array(self, type: BtfType) -> tuple[int, int]:
        """Element type and number of elements of an array."""
        words = self.owner(type.id)._words
        return words[type.word + 3], words[type.word + 5]

    def integer(self, type: BtfType) -> tuple[int, int, int]:
        """Encoding (1 signed, 2 char, 4 bool), bit offset and number of bits of an INT."""
        data: int = self.owner(type.id)._words[type.word + 3]
        return data >> 24 & 15, data >> 16 & 0xFF, data & 0xFF

    def resolve(self, id: int, *, typedefs: bool = True) -> BtfType:
        """The type behind qualifiers and tags, and behind typedefs unless told otherwise."""
        type = self.type(id)
        while type.kind in Kind.MODIFIERS or (typedefs and type.kind == Kind.TYPEDEF):
            type = self.type(type.value)
        return type

    def size(self, id: int) -> int:
        """Size in bytes of a value of the type; 0 for functions, void and what is only declared."""
        type, count = self.resolve(id), 1
        while type.kind == Kind.ARRAY:
            elem, length = self.array(type)
            count *= length
            type = self.resolve(elem)
        if type.kind == Kind.PTR:
            return 8 * count
        if type.kind in (Kind.INT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64, Kind.FLOAT, Kind.DATASEC):
            return type.value * count
        return 0


def kernel_btf_path() -> str | None:
    """The file of the kernel's types: BPFTRACE_BTF, PYTRACE_BTF, or the kernel's own; None if there is none."""
    path = os.environ.get("PYTRACE_BTF") or os.environ.get("BPFTRACE_BTF") or f"{_FOLDER}/vmlinux"
    return path if os.access(path, os.R_OK) else None


def _read(path: str) -> bytes | mmap.mmap:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        try:
            # The kernel allows only private mappings, since Linux 6.16; before, none.
            return mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ)
        except (OSError, ValueError):
            with open(fd, "rb", closefd=False) as file:
                return file.read()
    finally:
        os.close(fd)


@cache
def kernel_btf() -> Btf | None:
    """The kernel's types, opened once. Raises `OSError` or `BtfError` if they are there and cannot be read."""
    path = kernel_btf_path()
    if path is None:
        return None
    data = _read(path)
    if data[:4] == b"\x7fELF":  # a vmlinux given by the environment
        from pytrace.kernel.elf import Elf

        section = Elf(path).section(".BTF")
        if section is None:
            raise BtfError(f"{path} has no section .BTF")
        data = section
    found = Btf(data)
    if not path.startswith(_FOLDER):
        from pytrace.kernel.btf_check import check

        check(found)
    return found


@cache
def module_btf(module: str) -> Btf | None:
    """The types of a loaded module; None if the kernel offers none."""
    base = kernel_btf()
    path = f"{_FOLDER}/{module}"
    if base is None or module == "vmlinux" or "/" in module or not os.access(path, os.R_OK):
        return None
    return Btf(_read(path), module, base)


def modules() -> list[str]:
    """Modules whose types the kernel offers, sorted."""
    try:
        return sorted(name for name in os.listdir(_FOLDER) if name != "vmlinux")
    except OSError:
        return []
