"""How to find the caller of a function: the call frame information of an ELF file as a table of rules.

Compilers describe, for every instruction, where the caller's registers are (DWARF 5, section 6.4; for `.eh_frame` the
Linux Standard Base, section 10.6). The description is a program for each function; here it is run once for all of them
and gives a table, in which one search finds the rule for an address. x86-64 only: registers have its DWARF numbers.

A rule first gives the canonical frame address (CFA), which is what the stack pointer was before the call, and then
says where the caller's registers were saved, relative to it. Rules are shared: a C library has thirty thousand rows and
a few hundred rules.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from pytrace.kernel.elf import Elf, ElfError

__all__ = ["END", "NO_RULE", "SAVED", "SIGNAL", "Kind", "Rule", "UnwindTable", "unwind_table"]


class Kind:
    """What a rule tells. The numbers are also those of `codegen/unwind.py`."""

    NONE = 0
    """Nothing is known of the address."""
    END = 1
    """There is no caller: the first function of a thread."""
    OFFSET = 2
    """CFA = register + offset."""
    LOADED = 3
    """CFA = what is in memory at (register + offset), + offset2: functions that align their stack."""
    PLT = 4
    """CFA = stack pointer + 8, and 8 more once a stub of a procedure linkage table has pushed its index: where
    (address & 15) >= offset2."""
    SIGNAL = 5
    """The frame that the kernel makes to call a signal handler: all registers are saved in it."""


SAVED = (3, 6, 12, 13, 14, 15)
"""The registers that functions preserve: rbx, rbp, r12 to r15."""

_RBP, _RSP, _RA = 6, 7, 16
_X86_64 = 62
"""EM_X86_64"""


class Rule(NamedTuple):
    """`saved` gives for each register of `SAVED` where it was saved, in bytes from the CFA, or None if the caller has
    the same value; with its bit in `from_rbp`, from the register rbp. `address` is where the return address is."""

    kind: int
    register: int = 0
    offset: int = 0
    offset2: int = 0
    saved: tuple[int | None, ...] = (None,) * len(SAVED)
    from_rbp: int = 0
    address: int = -8


NO_RULE, END, SIGNAL = Rule(Kind.NONE), Rule(Kind.END), Rule(Kind.SIGNAL)


class UnwindTable(NamedTuple):
    """`rules[rows[n]]` holds from address `starts[n]` to below `starts[n + 1]`; addresses count from `base` (as in the
    file, before relocation). `refused` counts functions whose description could not be understood: they have no rule.
    """

    base: int
    starts: array[int]
    rows: array[int]
    rules: tuple[Rule, ...]
    refused: int


class _Refused(Exception):
    """A description that uses what is not supported, or is damaged."""


class _Common(NamedTuple):
    """A common information entry (CIE): what many functions have in common."""

    code_align: int
    data_align: int
    encoding: int
    augmented: bool
    signal: bool
    version: int
    state: _State
    segment: int


class _State(NamedTuple):
    kind: int = Kind.NONE
    register: int = 0
    offset: int = 0
    offset2: int = 0
    saved: tuple[int | None, ...] = (None,) * len(SAVED)
    from_rbp: int = 0
    address: int | None = -8


_SLOT = {register: n for n, register in enumerate(SAVED)}
_FIXED = {0x00: "<q", 0x02: "<H", 0x03: "<I", 0x04: "<Q", 0x0A: "<h", 0x0B: "<i", 0x0C: "<q"}


def _uleb(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value, shift = byte & 0x7F, 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
        if shift > 70:
            raise _Refused("a number without end")


def _sleb(data: bytes, at: int) -> tuple[int, int]:
    start = at
    value, at = _uleb(data, at)
    bits = 7 * (at - start)
    return (value - (1 << bits) if data[at - 1] & 0x40 else value), at


def _plus_one_register(block: bytes) -> tuple[int, int, bytes]:
    """An expression that begins with a register plus an offset (DW_OP_breg0…): both, and what follows."""
    if not block or not 0x70 <= block[0] <= 0x8F:
        raise _Refused("an expression")
    offset, at = _sleb(block, 1)
    return block[0] - 0x70, offset, block[at:]


_DEREF, _PLUS_UCONST = 0x06, 0x23
# DW_OP_breg7 rsp+8; breg16 rip+0; lit15; and; lit N; ge; lit3; shl; plus (binutils, elf_x86_64_eh_frame_plt).
_PLT_HEAD, _PLT_TAIL = bytes((0x77, 8, 0x80, 0, 0x3F, 0x1A)), bytes((0x2A, 0x33, 0x24, 0x22))


def _cfa_expression(block: bytes) -> tuple[int, int, int, int]:
    """kind, register, offset and offset2 of a CFA that is given by an expression."""
    if block.startswith(_PLT_HEAD) and block.endswith(_PLT_TAIL) and len(block) == 11 and 0x30 <= block[6] <= 0x3F:
        return Kind.PLT, _RSP, 8, block[6] - 0x30
    register, offset, rest = _plus_one_register(block)
    if not rest:
        return Kind.OFFSET, register, offset, 0
    if rest[0] == _DEREF:
        if len(rest) == 1:
            return Kind.LOADED, register, offset, 0
        if rest[1] == _PLUS_UCONST:
            more, at = _uleb(rest, 2)
            if at == len(rest):
                return Kind.LOADED, register, offset, more
    raise _Refused("an expression")


class _Reader:
    """One section of call frame information. `eh` tells `.eh_frame` from `.debug_frame`, which differ in how a function
    refers to its common entry, and in their augmentations."""

    def __init__(self, data: bytes, address: int, rules: dict[Rule, int], *, eh: bool) -> None:
        self.data, self.address, self.eh = data, address, eh
        self.refused = 0
        self.rules = rules
        self._common: dict[int, _Common | None] = {}

    def functions(self) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
        """Start and end of each function, and its rows: (address, number of a rule)."""
        data, at, size = self.data, 0, len(self.data)
        id_of_common = 0 if self.eh else 0xFFFFFFFF
        while at + 8 <= size:
            (length,) = struct.unpack_from("<I", data, at)
            start = at + 4
            if length == 0:  # the end; .eh_frame of several objects may have more behind it
                at = start
                continue
            if length >= 0xFFFFFFF0:  # 64-bit entries, which no compiler makes
                self.refused += 1
                return
            end = start + length
            if end > size:
                self.refused += 1
                return
            (id_,) = struct.unpack_from("<I", data, start)
            if id_ != id_of_common:
                try:
                    common = self._common_at(start - id_ if self.eh else id_)
                    if common is not None:
                        found = self._function(common, start + 4, end)
                        if found is not None:
                            yield found
                    else:
                        self.refused += 1
                except (_Refused, IndexError, struct.error):
                    self.refused += 1
            at = end

    def _pointer(self, encoding: int, at: int, *, relative: bool = True) -> tuple[int, int]:
        form = encoding & 0x0F
        here = self.address + at
        if form == 0x01:
            value, at = _uleb(self.data, at)
        elif form == 0x09:
            value, at = _sleb(self.data, at)
        elif form in _FIXED:
            (value,) = struct.unpack_from(_FIXED[form], self.data, at)
            at += struct.calcsize(_FIXED[form])
        else:
            raise _Refused("a pointer encoding")
        if relative:
            base = encoding & 0x70
            if base == 0x10:
                value += here
            elif base:
                raise _Refused("a pointer encoding")
        return value & 0xFFFFFFFFFFFFFFFF, at

    def _common_at(self, at: int) -> _Common | None:
        if at not in self._common:
            self._common[at] = None
            try:
                self._common[at] = self._read_common(at)
            except (_Refused, IndexError, struct.error):
                pass
        return self._common[at]

    def _read_common(self, at: int) -> _Common:
        data = self.data
        length, id_ = struct.unpack_from("<II", data, at)
        end = at + 4 + length
        if id_ != (0 if self.eh else 0xFFFFFFFF) or end > len(data):
            raise _Refused("no common entry")
        version = data[at + 8]
        at += 9
        stop = data.index(b"\0", at)
        augmentation = data[at:stop]
        at = stop + 1
        segment = 0
        if version >= 4:
            if data[at] != 8:
                raise _Refused("addresses of another size")
            segment = data[at + 1]
            at += 2
        code_align, at = _uleb(data, at)
        data_align, at = _sleb(data, at)
        if version == 1:
            column, at = data[at], at + 1
        else:
            column, at = _uleb(data, at)
        if column != _RA:
            raise _Refused("another return address column")
        encoding, signal, augmented = 0x00, False, augmentation.startswith(b"z")
        if augmented:
            extra, at = _uleb(data, at)
            rest = at
            at += extra
            for letter in augmentation[1:]:
                if letter == ord("R"):
                    encoding = data[rest]
                    rest += 1
                elif letter == ord("P"):
                    _, rest = self._pointer(data[rest], rest + 1, relative=False)
                elif letter == ord("L"):
                    rest += 1
                elif letter == ord("S"):
                    signal = True
                else:
                    raise _Refused("an augmentation")
        elif augmentation:
            raise _Refused("an augmentation")
        common = _Common(code_align, data_align, encoding, augmented, signal, version, _State(), segment)
        state, _ = self._run(common, at, end, 0, None)
        return common._replace(state=state)

    def _function(self, common: _Common, at: int, end: int) -> tuple[int, int, list[tuple[int, int]]] | None:
        at += common.segment
        start, at = self._pointer(common.encoding, at)
        size, at = self._pointer(common.encoding, at, relative=False)
        if common.augmented:
            extra, at = _uleb(self.data, at)
            at += extra
        if not size or not start:  # a function that the linker dropped
            return None
        rows: list[tuple[int, int]] = []
        try:
            if common.signal:
                rows.append((start, self._number(SIGNAL if self._is_signal_frame(common, at, end) else NO_RULE)))
            else:
                state, place = self._run(common, at, end, start, rows)
                rows.append((place, self._number(_rule(state))))
        except (_Refused, IndexError, struct.error):
            self.refused += 1
            rows = [(start, 0)]
        return start, start + size, rows

    def _is_signal_frame(self, common: _Common, at: int, end: int) -> bool:
        """Whether the CFA is the stack pointer that the kernel saved, where it saves it: CFA = *(rsp + 160)."""
        state, _ = self._run(common, at, end, 0, None, lenient=True)
        return (state.kind, state.register, state.offset, state.offset2) == (Kind.LOADED, _RSP, 160, 0)

    def _number(self, rule: Rule) -> int:
        return self.rules.setdefault(rule, len(self.rules))

    def _run(
        self, common: _Common, at: int, end: int, place: int, rows: list[tuple[int, int]] | None,
        *, lenient: bool = False,
    ) -> tuple[_State, int]:
        """Runs the instructions from `at` to below `end`. What holds before each advance is appended to `rows`. Gives
        the state at the end, and the address from which it holds. `lenient` passes over expressions for registers."""
        data, code_align, data_align = self.data, common.code_align, common.data_align
        kind, register, offset, offset2, saved_at_first, from_rbp, address = initial = common.state
        saved = list(saved_at_first)
        remembered = []
        slots, number = _SLOT, self._number
        while at < end:
            op = data[at]
            at += 1
            high, low = op & 0xC0, op & 0x3F
            if high == 0x80:  # DW_CFA_offset
                distance, at = _uleb(data, at)
                if low in slots:
                    saved[slots[low]] = distance * data_align
                    from_rbp &= ~(1 << slots[low])
                elif low == _RA:
                    address = distance * data_align
                continue
            if high == 0x40 or 0x02 <= op <= 0x04:  # DW_CFA_advance_loc and its longer forms
                if high == 0x40:
                    step = low
                else:
                    width = 1 << (op - 2)
                    step = int.from_bytes(data[at : at + width], "little")
                    at += width
                if rows is not None and step:
                    state = _State(kind, register, offset, offset2, tuple(saved), from_rbp, address)
                    rows.append((place, number(_rule(state))))
                place += step * code_align
                continue
            if high == 0xC0:  # DW_CFA_restore
                if low in slots:
                    saved[slots[low]] = initial.saved[slots[low]]
                    from_rbp &= ~(1 << slots[low])
                elif low == _RA:
                    address = initial.address
                continue
            match op:
                case 0x00:  # DW_CFA_nop
                    pass
                case 0x0E:  # DW_CFA_def_cfa_offset
                    offset, at = _uleb(data, at)
                    kind = self._plain(kind)
                case 0x0C:  # DW_CFA_def_cfa
                    register, at = _uleb(data, at)
                    offset, at = _uleb(data, at)
                    kind, offset2 = Kind.OFFSET, 0
                case 0x0D:  # DW_CFA_def_cfa_register
                    register, at = _uleb(data, at)
                    kind = self._plain(kind)
                case 0x0A:  # DW_CFA_remember_state
                    remembered.append((kind, register, offset, offset2, tuple(saved), from_rbp, address))
                case 0x0B:  # DW_CFA_restore_state
                    if not remembered:
                        raise _Refused("no state to restore")
                    kind, register, offset, offset2, before, from_rbp, address = remembered.pop()
                    saved = list(before)
                case 0x0F:  # DW_CFA_def_cfa_expression
                    size, at = _uleb(data, at)
                    kind, register, offset, offset2 = _cfa_expression(data[at : at + size])
                    at += size
                case 0x12 | 0x13:  # DW_CFA_def_cfa_sf, DW_CFA_def_cfa_offset_sf
                    if op == 0x12:
                        register, at = _uleb(data, at)
                        kind, offset2 = Kind.OFFSET, 0
                    offset, at = _sleb(data, at)
                    offset *= data_align
                    kind = self._plain(kind)
                case 0x01:  # DW_CFA_set_loc
                    if rows is not None:
                        state = _State(kind, register, offset, offset2, tuple(saved), from_rbp, address)
                        rows.append((place, number(_rule(state))))
                    place, at = self._pointer(common.encoding, at)
                case 0x2E:  # DW_CFA_GNU_args_size
                    _, at = _uleb(data, at)
                case 0x05 | 0x11:  # DW_CFA_offset_extended, DW_CFA_offset_extended_sf
                    which, at = _uleb(data, at)
                    distance, at = _uleb(data, at) if op == 0x05 else _sleb(data, at)
                    if which in slots:
                        saved[slots[which]] = distance * data_align
                        from_rbp &= ~(1 << slots[which])
                    elif which == _RA:
                        address = distance * data_align
                case 0x06 | 0x07 | 0x08:  # DW_CFA_restore_extended, DW_CFA_undefined, DW_CFA_same_value
                    which, at = _uleb(data, at)
                    if which in slots:
                        saved[slots[which]] = initial.saved[slots[which]] if op == 0x06 else None
                        from_rbp &= ~(1 << slots[which])
                    elif which == _RA:
                        if op == 0x08:
                            raise _Refused("the return address in a register")
                        address = initial.address if op == 0x06 else None
                case 0x10:  # DW_CFA_expression
                    which, at = _uleb(data, at)
                    size, at = _uleb(data, at)
                    block = data[at : at + size]
                    at += size
                    if lenient:
                        continue
                    base, distance, rest = _plus_one_register(block)
                    if base != _RBP or rest or which == _RA:
                        raise _Refused("an expression")
                    if which in slots:
                        saved[slots[which]] = distance
                        from_rbp |= 1 << slots[which]
                case 0x09 | 0x14 | 0x15 | 0x16:  # DW_CFA_register, DW_CFA_val_offset, _sf, DW_CFA_val_expression
                    which, at = _uleb(data, at)
                    if op == 0x16:
                        size, at = _uleb(data, at)
                        at += size
                    else:
                        _, at = _sleb(data, at)
                    if not lenient and (which in slots or which == _RA):
                        raise _Refused("a rule of a rare kind")
                case _:
                    raise _Refused("an unknown instruction")
        return _State(kind, register, offset, offset2, tuple(saved), from_rbp, address), place

    @staticmethod
    def _plain(kind: int) -> int:
        if kind not in (Kind.OFFSET, Kind.NONE):
            raise _Refused("an offset to an expression")
        return Kind.OFFSET


def _rule(state: _State) -> Rule:
    if state.address is None:
        return END
    if state.kind == Kind.NONE or state.register > 15:
        return NO_RULE
    return Rule(*state[:6], state.address)


def _join(functions: list[tuple[int, int, list[tuple[int, int]]]]) -> tuple[int, array[int], array[int]]:
    """The rows of all functions in one table, which starts at the address that is given first."""
    base = functions[0][0]
    starts, rows = array("I"), array("I")

    def append(address: int, rule: int) -> None:
        if rows and starts[-1] == address - base:
            rows[-1] = rule
        elif not rows or rows[-1] != rule:
            starts.append(address - base)
            rows.append(rule)

    covered = base
    for start, end, found in functions:
        if end <= covered:
            continue
        if end - base > 0xFFFFFFFF:
            break
        if start > covered:
            append(covered, 0)
        for n, (at, rule) in enumerate(found):
            # Of two descriptions of one place, the one that came first is kept.
            if at >= covered or n + 1 == len(found) or found[n + 1][0] > covered:
                append(max(at, covered), rule)
        covered = end
    append(covered, 0)
    return base, starts, rows


def unwind_table(elf: Elf) -> UnwindTable | None:
    """The table of a file, from `.eh_frame`, and from `.debug_frame` for what that leaves out; None if it has neither.

    Raises `ElfError` for a file of another machine. What cannot be understood has no rule; nothing else is raised.
    """
    if elf.machine != _X86_64:
        raise ElfError(f"{elf.path} is not an x86-64 file")
    rules: dict[Rule, int] = {NO_RULE: 0}
    functions, refused = [], 0
    for name in (".eh_frame", ".debug_frame"):
        data, address = elf.section(name), elf.section_address(name)
        if data and address is not None:
            reader = _Reader(data, address, rules, eh=name == ".eh_frame")
            functions += reader.functions()
            refused += reader.refused
    functions.sort(key=lambda function: function[0])
    return UnwindTable(*_join(functions), tuple(rules), refused) if functions else None
