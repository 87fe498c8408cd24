"""From LLVM's object file to programs that the kernel takes: functions joined, calls resolved, the rest left as
relocations by instruction slot.

A program is the function of its section, with the functions that it calls or passes to helpers appended behind it.
"""

from __future__ import annotations

import struct

from pytrace.codegen.image import Relocation
from pytrace.frozen import frozen
from pytrace.hints import Callable, Sequence
from pytrace.kernel.object_file import Object, Section, Symbol, read_object

__all__ = ["IMPORTED", "MAX_STACK", "Linked", "data_section", "link"]

IMPORTED = "imported."
"""What the names of functions of imported objects start with in LLVM's language: nothing else is called like them."""

MAX_STACK = 512
"""MAX_BPF_STACK: bytes of all functions that are active at once."""

_LD_IMM64, _CALL = 0x18, 0x85
_R_BPF_64_64, _R_BPF_64_32 = 1, 10
_PSEUDO_FUNC, _PSEUDO_CALL = 4, 1


@frozen
class Linked:
    """A program's code and what is left to fill in. `functions` are the names of its functions and the slots at which
    they start. `marks` are (slot, number of a debug location). `stack` is what its deepest chain of calls needs."""

    code: bytes
    relocations: tuple[Relocation, ...]
    functions: tuple[tuple[str, int], ...]
    marks: tuple[tuple[int, int], ...]
    stack: int


@frozen
class _Function:
    """`object` is 0 for the script's own code; else the number of an imported object, from 1."""

    name: str
    object: int
    section: int
    start: int
    size: int


def _marks(obj: Object) -> dict[str, list[tuple[int, int]]]:
    """The line table of each section from `.BTF.ext`: (offset in bytes, line). Format: include/uapi/linux/btf.h."""
    index = obj.section(".BTF.ext")
    if not index:
        return {}
    data = obj.sections[index].data
    _, _, _, header, _, _, line_at, line_size = struct.unpack_from("<HBBIIIII", data)
    strings = _btf_strings(obj)
    at, end = header + line_at, header + line_at + line_size
    (record,) = struct.unpack_from("<I", data, at)
    at += 4
    found: dict[str, list[tuple[int, int]]] = {}
    while at < end:
        name, count = struct.unpack_from("<II", data, at)
        at += 8
        marks = found.setdefault(_string(strings, name), [])
        for _ in range(count):
            offset, _, _, position = struct.unpack_from("<IIII", data, at)
            marks.append((offset, position >> 10))
            at += record
    return found


def _btf_strings(obj: Object) -> bytes:
    data = obj.sections[obj.section(".BTF")].data
    _, _, _, header, _, _, at, size = struct.unpack_from("<HBBIIIII", data)
    return data[header + at : header + at + size]


def _string(table: bytes, at: int) -> str:
    return table[at : table.index(b"\0", at)].decode()


def data_section(number: int, name: str) -> str:
    """The map that holds a section of data of an imported object."""
    return f"object{number}{name if name.startswith('.') else f'.{name}'}"


class _Linker:
    def __init__(self, data: bytes, constant: Callable[[bytes], int], imported: Sequence[bytes]) -> None:
        self.object = read_object(data)
        self.constant = constant
        self.objects = [self.object, *map(read_object, imported)]
        self.functions = {
            (number, symbol.section, symbol.value): _Function(
                symbol.name, number, symbol.section, symbol.value, symbol.size
            )
            for number, each in enumerate(self.objects)
            for symbol in each.symbols
            if symbol.is_function and 0 < symbol.section < len(each.sections)
        }
        self.exports = {
            symbol.name: self.functions[number, symbol.section, symbol.value]
            for number, each in enumerate(self.objects)
            for symbol in each.symbols
            if number and symbol.is_global and symbol.is_function and 0 < symbol.section < len(each.sections)
        }
        self.marks = _marks(self.object)

    def program(self, section_name: str) -> Linked:
        index = self.object.section(section_name)
        main = self.functions[0, index, 0]
        order: list[_Function] = [main]
        starts: dict[_Function, int] = {main: 0}
        calls: dict[_Function, list[tuple[int, _Function, int]]] = {}
        relocations: list[Relocation] = []
        code = bytearray()
        marks: list[tuple[int, int]] = []
        for function in order:  # grows while it is walked
            base = len(code) // 8
            starts[function] = base
            section = self.objects[function.object].sections[function.section]
            code += section.data[function.start : function.start + function.size]
            calls[function] = []
            for slot, target, kind in self._resolve(section, function, base, relocations):
                calls[function].append((slot, target, kind))
                if target not in order:
                    order.append(target)
            for offset, line in () if function.object else self.marks.get(section.name, ()):
                if function.start <= offset < function.start + function.size:
                    marks.append((base + (offset - function.start) // 8, line))
        for function in order:
            for slot, target, kind in calls[function]:
                self._patch(code, slot, starts[target] - slot - 1, kind)
        stack = self._stack(main, {f: [t for _, t, _ in calls[f]] for f in order}, code, starts)
        names = tuple((function.name, starts[function]) for function in order)
        return Linked(bytes(code), tuple(relocations), names, tuple(marks), stack)

    def _resolve(
        self, section: Section, function: _Function, base: int, relocations: list[Relocation]
    ) -> list[tuple[int, _Function, int]]:
        """Calls of other functions in this one: slot, function and pseudo register. Other relocations are gathered."""
        calls = []
        relocated = {reloc.offset for reloc in section.relocs}
        for at in range(function.start, function.start + function.size, 8):
            if section.data[at] == _CALL and section.data[at + 1] >> 4 == _PSEUDO_CALL and at not in relocated:
                # Within one section the assembler knows the distance.
                (distance,) = struct.unpack_from("<i", section.data, at + 4)
                target = self.functions[function.object, function.section, at + 8 * (distance + 1)]
                calls.append((base + (at - function.start) // 8, target, _PSEUDO_CALL))
        for reloc in section.relocs:
            if not function.start <= reloc.offset < function.start + function.size:
                continue
            slot = base + (reloc.offset - function.start) // 8
            symbol, (immediate,) = reloc.symbol, struct.unpack_from("<i", section.data, reloc.offset + 4)
            name = symbol.name.removeprefix(IMPORTED) if not function.object else symbol.name
            if reloc.type == _R_BPF_64_32 and symbol.section:
                calls.append((slot, self._target(function, symbol, 8 * (immediate + 1)), _PSEUDO_CALL))
            elif reloc.type == _R_BPF_64_32 and name in self.exports and (function.object or name != symbol.name):
                calls.append((slot, self.exports[name], _PSEUDO_CALL))
            elif reloc.type == _R_BPF_64_32:
                relocations.append(Relocation(slot, "kfunc", symbol.name))
            elif reloc.type != _R_BPF_64_64:
                raise ValueError(f"unknown relocation {reloc.type} of {symbol.name}")
            elif symbol.section and self._sections(function)[symbol.section].executable:
                calls.append((slot, self._target(function, symbol, immediate), _PSEUDO_FUNC))
            elif symbol.section and function.object:
                data = data_section(function.object, self._sections(function)[symbol.section].name)
                relocations.append(Relocation(slot, "data", data, symbol.value + immediate))
            elif symbol.section:
                # A table of LLVM's own, such as that by which it counts trailing zeros.
                at = symbol.value + immediate
                relocations.append(Relocation(slot, "data", "rodata", self.constant(self._data(symbol)) + at))
            elif symbol.name.endswith(".value"):
                relocations.append(Relocation(slot, "data", symbol.name.removesuffix(".value"), immediate))
            elif symbol.name == "zeros":
                relocations.append(Relocation(slot, "data", symbol.name, immediate))
            elif symbol.name.startswith("rodata."):
                offset = int(symbol.name.removeprefix("rodata."))
                relocations.append(Relocation(slot, "data", "rodata", offset + immediate))
            else:
                relocations.append(Relocation(slot, "map", symbol.name))
        return calls

    def _sections(self, function: _Function) -> tuple[Section, ...]:
        return self.objects[function.object].sections

    def _data(self, symbol: Symbol) -> bytes:
        return self.object.sections[symbol.section].data

    def _target(self, function: _Function, symbol: Symbol, addend: int) -> _Function:
        at = addend if symbol.is_section else symbol.value
        return self.functions[function.object, symbol.section, at]

    @staticmethod
    def _patch(code: bytearray, slot: int, distance: int, kind: int) -> None:
        at = 8 * slot
        code[at + 1] = (code[at + 1] & 15) | kind << 4
        struct.pack_into("<i", code, at + 4, distance)

    def _stack(
        self,
        main: _Function,
        calls: dict[_Function, list[_Function]],
        code: bytearray,
        starts: dict[_Function, int],
    ) -> int:
        """Bytes of the deepest chain of calls, each frame rounded up as the verifier does (32). Of functions that call
        themselves, which imported objects may have, the kernel will say something."""
        depths: dict[_Function, int] = {}

        def depth(function: _Function) -> int:
            if function not in depths:
                depths[function] = 0
                own = max(frame_size(code, starts[function], starts[function] + function.size // 8), 1)
                depths[function] = (own + 31) // 32 * 32 + max(map(depth, calls[function]), default=0)
            return depths[function]

        return depth(main)


def frame_size(code: bytes | bytearray, start: int, end: int) -> int:
    """How far below the frame pointer the instructions of a function reach."""
    deepest, slot = 0, start
    while slot < end:
        op, registers, offset, _ = struct.unpack_from("<BBhi", code, 8 * slot)
        source, target = registers >> 4, registers & 15
        kind = op & 7
        if (kind == 1 and source == 10) or (kind in (2, 3) and target == 10):  # loads; stores
            deepest = min(deepest, offset)
        elif op == 0xBF and source == 10:  # a copy of the frame pointer, and what is added to it
            following = struct.unpack_from("<BBhi", code, 8 * (slot + 1)) if slot + 1 < end else (0, 0, 0, 0)
            if following[0] == 0x07 and following[1] & 15 == target:
                deepest = min(deepest, following[3])
        slot += 2 if op == _LD_IMM64 else 1
    return -deepest


def link(
    data: bytes, sections: Sequence[str], constant: Callable[[bytes], int], imported: Sequence[bytes] = ()
) -> list[Linked]:
    """The programs in the given sections of an object file, with what they call of the imported ones. `constant` gives
    constant bytes a place."""
    linker = _Linker(data, constant, imported)
    return [linker.program(name) for name in sections]
