"""The unwind tables of the traced processes, for `dw_ustack`: made from what they map, and put into the maps that
programs search (`codegen/unwind_layout.py`).

A file's table is made once, whichever processes map it. When a process maps something more, its spans are replaced as
a whole, so that a program sees the old ones or the new ones.
"""

from __future__ import annotations

import os
import struct
from array import array

from pytrace.cache import Cache
from pytrace.codegen.unwind_layout import (
    MAX_PROCESSES,
    MAX_RULES,
    MAX_TABLES,
    NO_TABLE,
    PIDS,
    RULES,
    SPANS,
    SPANS_SIZE,
    TABLE_ROWS,
    TABLE_SIZE,
    TABLES,
    pack_rule,
    pack_spans,
    pack_table,
)
from pytrace.frozen import frozen
from pytrace.kernel import bpf
from pytrace.kernel.call_frames import Rule, UnwindTable, unwind_table
from pytrace.kernel.elf import Elf, ElfError
from pytrace.kernel.mappings import VDSO, Mapping, mappings, open_mapped, vdso
from pytrace.runtime.errors import RunError
from pytrace.runtime.loading import Loaded

__all__ = ["Unwinding"]

_FIRST = bytes(4)
_LARGE = 1 << 19
"""Bytes of call frame information that take half a second."""


@frozen
class _Piece:
    """A part of a file's table: it begins at `start`, as in the file, and is table `number`."""

    start: int
    number: int


@frozen
class _Described:
    """A file: its pieces by address, none if it does not describe its functions."""

    elf: Elf
    pieces: tuple[_Piece, ...]


class Unwinding:
    """The tables of some processes, as they are in the kernel."""

    def __init__(self, loaded: Loaded, pids: tuple[int, ...], cache: Cache | None = None) -> None:
        """`cache` keeps the tables of large files. Raises `RunError` if there are no processes, or too many."""
        self._cache = cache
        self._pids_fd, self._tables_fd, self._rules_fd = (loaded.maps[name] for name in (PIDS, TABLES, RULES))
        self._rules: dict[bytes, int] = {}
        self._tables = 0
        self._files: dict[tuple[int, int, int, int] | str, _Described | None] = {}
        self._known: dict[int, list[Mapping]] = {}
        self._rule(b"")
        self.notes: list[str] = []
        """What had to be left out, in words; whoever reads them takes them away."""
        if not pids:
            raise RunError("dw_ustack requires a target process. Use -p, -c, or --dwarf-pid to specify one.")
        if len(pids) > MAX_PROCESSES:
            raise RunError(f"dw_ustack is possible for {MAX_PROCESSES} processes, not {len(pids)}.")
        self._pids = pids
        self.update_all()

    def update_all(self) -> None:
        """`update` for all of them."""
        for pid in self._pids:
            self.update(pid)

    def update(self, pid: int) -> bool:
        """Takes in what a process maps now; tells whether that is more or other than before. What a process had mapped
        is kept when it has ended."""
        found = mappings(pid)
        if not found or found == self._known.get(pid):
            return False
        self._known[pid] = found
        spans: list[tuple[int, int, int]] = [(0, 0, NO_TABLE)]
        for mapping in found:
            described = self._describe(pid, mapping)
            if described is not None:
                _append(spans, mapping, described)
        if len(spans) > SPANS:
            end = spans[SPANS - 1][0]
            self.notes.append(f"Process {pid} maps too much for dw_ustack: what is above {end:#x} is unknown")
            spans[SPANS - 1 :] = [(spans[SPANS - 1][0], 0, NO_TABLE)]
        self._store(self._pids_fd, pid, SPANS_SIZE, pack_spans(spans))
        return True

    def _store(self, outer: int, key: int, size: int, value: bytes) -> None:
        """Puts a new inner map with this value into a map of maps."""
        try:
            inner = bpf.map_create("array", 4, size, 1, name="unwind")
            try:
                bpf.map_update(inner, _FIRST, value)
                bpf.map_update(outer, struct.pack("<I", key), struct.pack("<I", inner))
            finally:
                os.close(inner)
        except bpf.BpfError as error:
            raise RunError(f"Failed to store unwind tables: {error.strerror}") from error

    def _rule(self, packed: bytes) -> int:
        """The number of a rule; 0, which is none, when there is no room for more."""
        number = self._rules.get(packed)
        if number is None:
            number = len(self._rules)
            if number >= MAX_RULES:
                return 0
            self._rules[packed] = number
            if packed:
                bpf.map_update(self._rules_fd, struct.pack("<I", number), packed)
        return number

    def _describe(self, pid: int, mapping: Mapping) -> _Described | None:
        """The tables of a mapped file."""
        if mapping.path == VDSO:
            key: tuple[int, int, int, int] | str = VDSO
        elif mapping.inode:
            key = mapping.device, mapping.inode, *_version(pid, mapping)
        else:
            return None
        if key not in self._files:
            self._files[key] = None
            elf = vdso() if key == VDSO else open_mapped(pid, mapping)
            try:  # of archives, which may hold several files, nothing is known
                table = _table(elf, self._cache) if elf is not None and not elf.start else None
            except ElfError:
                table = None
            if elf is not None and table is not None:
                self._files[key] = _Described(elf, tuple(self._add(mapping.path, table)))
        return self._files[key]

    def _add(self, path: str, table: UnwindTable) -> list[_Piece]:
        """Brings the table of a file into the kernel, in pieces."""
        numbers = [0 if packed is None else self._rule(packed) for packed in (
            pack_rule(*rule) if rule.kind else b"" for rule in table.rules
        )]
        pieces: list[_Piece] = []
        for first in range(0, len(table.starts), TABLE_ROWS - 1):
            if self._tables == MAX_TABLES:
                self.notes.append(f"No room for the unwind tables of {path}: its functions are unknown to dw_ustack")
                break
            starts = table.starts[first : first + TABLE_ROWS - 1]
            start = starts[0]
            for n, each in enumerate(starts):
                starts[n] = each - start
            rows = table.rows[first : first + TABLE_ROWS - 1]
            for n, each in enumerate(rows):
                rows[n] = numbers[each]
            self._store(self._tables_fd, self._tables, TABLE_SIZE, pack_table(starts, rows))
            pieces.append(_Piece(table.base + start, self._tables))
            self._tables += 1
        return pieces


def _table(elf: Elf, cache: Cache | None) -> UnwindTable | None:
    """The table of a file, from the cache if making it takes long."""
    sections = [elf.section(name) or b"" for name in (".eh_frame", ".debug_frame")]
    if cache is None or sum(map(len, sections)) < _LARGE:
        return unwind_table(elf)
    key = cache.key(("unwind table", str(elf.machine), str(elf.section_address(".eh_frame")), *sections))
    match cache.load(key):
        case (int(base), bytes(starts), bytes(rows), tuple(rules), int(refused)):
            made = tuple(Rule(*rule) for rule in rules)
            return UnwindTable(base, array("I", starts), array("I", rows), made, refused)
    table = unwind_table(elf)
    if table is not None:
        plain = table.base, table.starts.tobytes(), table.rows.tobytes(), tuple(map(tuple, table.rules)), table.refused
        cache.store(key, plain)
    return table


def _version(pid: int, mapping: Mapping) -> tuple[int, int]:
    """Whether a file is still the one that was looked at."""
    try:
        status = os.stat(f"/proc/{pid}/map_files/{mapping.start:x}-{mapping.end:x}")
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _append(spans: list[tuple[int, int, int]], mapping: Mapping, described: _Described) -> None:
    """The spans of one mapping, and the end of the last."""
    address = described.elf.address_of(mapping.offset)
    if address is None:
        return
    moved = mapping.start - address
    last = None
    for piece in described.pieces:
        start = piece.start + moved
        if start >= mapping.end:
            break
        if start <= mapping.start:
            last = piece
            continue
        if last is not None:
            spans.append((max(mapping.start, last.start + moved), last.start + moved, last.number))
        last = piece
    if last is not None:
        spans.append((max(mapping.start, last.start + moved), last.start + moved, last.number))
        spans.append((mapping.end, 0, NO_TABLE))
