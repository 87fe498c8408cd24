"""The programs of call frame information: where a function's caller is, instruction by instruction.

They are described in DWARF 5, section 6.4, and for `.eh_frame` in the Linux Standard Base, section 10.6. The rules that
they make are shared: a C library has thirty thousand rows and a few hundred rules.
"""

from __future__ import annotations

import contextlib
import struct

from pytrace.hints import Iterator
from pytrace.kernel.frame_rules import (
    END,
    FRAME,
    NO_RULE,
    RETURN,
    SAVED,
    SIGNAL,
    STACK,
    Kind,
    Refused,
    Rule,
    cfa_expression,
    register_expression,
    signed,
    unsigned,
)
from pytrace.named import NamedTuple

__all__ = ["FrameReader", "Function"]

_Fields = tuple[int, int, int, int, tuple[int | None, ...], int, int | None]

Function = tuple[int, int, list[tuple[int, int]]]
"""Start and end of a function, and its rows: (bytes from the start, number of a rule)."""


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


class FrameReader:
    """One section of call frame information. `eh` tells `.eh_frame` from `.debug_frame`, which differ in how a function
    refers to its common entry, and in their augmentations."""

    def __init__(self, data: bytes, address: int, rules: dict[Rule, int], *, eh: bool) -> None:
        self.data, self.address, self.eh = data, address, eh
        self.refused = 0
        self.rules = rules
        self._common: dict[int, _Common | None] = {}
        self._numbers: dict[_Fields, int] = {}
        self._programs: dict[tuple[_Common, bytes], list[tuple[int, int]]] = {}
        """What programs were found to mean: many functions have the same one."""

    def functions(self) -> Iterator[Function]:
        """The functions that are described, in the order of the section."""
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
                except (Refused, IndexError, struct.error):
                    self.refused += 1
            at = end

    def _pointer(self, encoding: int, at: int, *, relative: bool = True) -> tuple[int, int]:
        form = encoding & 0x0F
        here = self.address + at
        if form == 0x01:
            value, at = unsigned(self.data, at)
        elif form == 0x09:
            value, at = signed(self.data, at)
        elif form in _FIXED:
            (value,) = struct.unpack_from(_FIXED[form], self.data, at)
            at += struct.calcsize(_FIXED[form])
        else:
            raise Refused("a pointer encoding")
        if relative:
            base = encoding & 0x70
            if base == 0x10:
                value += here
            elif base:
                raise Refused("a pointer encoding")
        return value & 0xFFFFFFFFFFFFFFFF, at

    def _common_at(self, at: int) -> _Common | None:
        if at not in self._common:
            self._common[at] = None
            with contextlib.suppress(Refused, IndexError, struct.error):
                self._common[at] = self._read_common(at)
        return self._common[at]

    def _read_common(self, at: int) -> _Common:
        data = self.data
        length, id_ = struct.unpack_from("<II", data, at)
        end = at + 4 + length
        if id_ != (0 if self.eh else 0xFFFFFFFF) or end > len(data):
            raise Refused("no common entry")
        version = data[at + 8]
        at += 9
        stop = data.index(b"\0", at)
        augmentation = data[at:stop]
        at = stop + 1
        segment = 0
        if version >= 4:
            if data[at] != 8:
                raise Refused("addresses of another size")
            segment = data[at + 1]
            at += 2
        code_align, at = unsigned(data, at)
        data_align, at = signed(data, at)
        if version == 1:
            column, at = data[at], at + 1
        else:
            column, at = unsigned(data, at)
        if column != RETURN:
            raise Refused("another return address column")
        encoding, signal, augmented = 0x00, False, augmentation.startswith(b"z")
        if augmented:
            extra, at = unsigned(data, at)
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
                    raise Refused("an augmentation")
        elif augmentation:
            raise Refused("an augmentation")
        common = _Common(code_align, data_align, encoding, augmented, signal, version, _State(), segment)
        state, _ = self._run(common, at, end, None)
        return common._replace(state=state)

    def _function(self, common: _Common, at: int, end: int) -> Function | None:
        at += common.segment
        start, at = self._pointer(common.encoding, at)
        size, at = self._pointer(common.encoding, at, relative=False)
        if common.augmented:
            extra, at = unsigned(self.data, at)
            at += extra
        if not size or not start:  # a function that the linker dropped
            return None
        key = common, self.data[at:end]
        rows = self._programs.get(key)
        if rows is None:
            rows = []
            try:
                if common.signal:
                    rows.append((0, self._number(SIGNAL if self._is_signal_frame(common, at, end) else NO_RULE)))
                else:
                    state, place = self._run(common, at, end, rows)
                    rows.append((place, self._number(_rule(state))))
            except (Refused, IndexError, struct.error):
                self.refused += 1
                rows = [(0, 0)]
            self._programs[key] = rows
        return start, start + size, rows

    def _is_signal_frame(self, common: _Common, at: int, end: int) -> bool:
        """Whether the CFA is the stack pointer that the kernel saved, where it saves it: CFA = *(rsp + 160)."""
        state, _ = self._run(common, at, end, None, lenient=True)
        return (state.kind, state.register, state.offset, state.offset2) == (Kind.LOADED, STACK, 160, 0)

    def _number(self, rule: Rule) -> int:
        return self.rules.setdefault(rule, len(self.rules))

    def _run(
        self, common: _Common, at: int, end: int, rows: list[tuple[int, int]] | None, *, lenient: bool = False
    ) -> tuple[_State, int]:
        """Runs the instructions from `at` to below `end`. What holds before each advance is appended to `rows`. Gives
        the state at the end, and how far from the start that holds. `lenient` passes over expressions for
        registers."""
        data, code_align, data_align = self.data, common.code_align, common.data_align
        kind, register, offset, offset2, saved_at_first, from_rbp, address = initial = common.state
        saved = list(saved_at_first)
        remembered = []
        place, slots, numbers = 0, _SLOT, self._numbers
        while at < end:
            op = data[at]
            at += 1
            high, low = op & 0xC0, op & 0x3F
            if high == 0x80:  # DW_CFA_offset
                distance, at = unsigned(data, at)
                if low in slots:
                    saved[slots[low]] = distance * data_align
                    from_rbp &= ~(1 << slots[low])
                elif low == RETURN:
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
                    fields = kind, register, offset, offset2, tuple(saved), from_rbp, address
                    number = numbers.get(fields)
                    if number is None:
                        number = numbers[fields] = self._number(_rule(_State(*fields)))
                    rows.append((place, number))
                place += step * code_align
                continue
            if high == 0xC0:  # DW_CFA_restore
                if low in slots:
                    saved[slots[low]] = initial.saved[slots[low]]
                    from_rbp &= ~(1 << slots[low])
                elif low == RETURN:
                    address = initial.address
                continue
            match op:
                case 0x00:  # DW_CFA_nop
                    pass
                case 0x0E:  # DW_CFA_def_cfa_offset
                    offset, at = unsigned(data, at)
                    kind = self._plain(kind)
                case 0x0C:  # DW_CFA_def_cfa
                    register, at = unsigned(data, at)
                    offset, at = unsigned(data, at)
                    kind, offset2 = Kind.OFFSET, 0
                case 0x0D:  # DW_CFA_def_cfa_register
                    register, at = unsigned(data, at)
                    kind = self._plain(kind)
                case 0x0A:  # DW_CFA_remember_state
                    remembered.append((kind, register, offset, offset2, tuple(saved), from_rbp, address))
                case 0x0B:  # DW_CFA_restore_state
                    if not remembered:
                        raise Refused("no state to restore")
                    kind, register, offset, offset2, before, from_rbp, address = remembered.pop()
                    saved = list(before)
                case 0x0F:  # DW_CFA_def_cfa_expression
                    size, at = unsigned(data, at)
                    kind, register, offset, offset2 = cfa_expression(data[at : at + size])
                    at += size
                case 0x12 | 0x13:  # DW_CFA_def_cfa_sf, DW_CFA_def_cfa_offset_sf
                    if op == 0x12:
                        register, at = unsigned(data, at)
                        kind, offset2 = Kind.OFFSET, 0
                    offset, at = signed(data, at)
                    offset *= data_align
                    kind = self._plain(kind)
                case 0x2E:  # DW_CFA_GNU_args_size
                    _, at = unsigned(data, at)
                case 0x05 | 0x11:  # DW_CFA_offset_extended, DW_CFA_offset_extended_sf
                    which, at = unsigned(data, at)
                    distance, at = unsigned(data, at) if op == 0x05 else signed(data, at)
                    if which in slots:
                        saved[slots[which]] = distance * data_align
                        from_rbp &= ~(1 << slots[which])
                    elif which == RETURN:
                        address = distance * data_align
                case 0x06 | 0x07 | 0x08:  # DW_CFA_restore_extended, DW_CFA_undefined, DW_CFA_same_value
                    which, at = unsigned(data, at)
                    if which in slots:
                        saved[slots[which]] = initial.saved[slots[which]] if op == 0x06 else None
                        from_rbp &= ~(1 << slots[which])
                    elif which == RETURN:
                        if op == 0x08:
                            raise Refused("the return address in a register")
                        address = initial.address if op == 0x06 else None
                case 0x10:  # DW_CFA_expression
                    which, at = unsigned(data, at)
                    size, at = unsigned(data, at)
                    block = data[at : at + size]
                    at += size
                    if lenient:
                        continue
                    base, distance, rest = register_expression(block)
                    if base != FRAME or rest or which == RETURN:
                        raise Refused("an expression")
                    if which in slots:
                        saved[slots[which]] = distance
                        from_rbp |= 1 << slots[which]
                case 0x09 | 0x14 | 0x15 | 0x16:  # DW_CFA_register, DW_CFA_val_offset, _sf, DW_CFA_val_expression
                    which, at = unsigned(data, at)
                    if op == 0x16:
                        size, at = unsigned(data, at)
                        at += size
                    else:
                        _, at = signed(data, at)
                    if not lenient and (which in slots or which == RETURN):
                        raise Refused("a rule of a rare kind")
                case _:  # also DW_CFA_set_loc, which no compiler uses
                    raise Refused("an unknown instruction")
        return _State(kind, register, offset, offset2, tuple(saved), from_rbp, address), place

    @staticmethod
    def _plain(kind: int) -> int:
        if kind not in (Kind.OFFSET, Kind.NONE):
            raise Refused("an offset to an expression")
        return Kind.OFFSET


def _rule(state: _State) -> Rule:
    if state.address is None:
        return END
    if state.kind == Kind.NONE or state.register > 15:
        return NO_RULE
    return Rule(*state[:6], state.address)
