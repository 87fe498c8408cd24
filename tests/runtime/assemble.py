"""Images made by hand: a few BPF instructions and the maps they need, so that a session can be tested by itself."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from pytrace.codegen.image import (
    Action,
    Image,
    MapImage,
    Place,
    ProgramImage,
    RecordLayout,
    Relocation,
    ScriptMap,
)
from pytrace.probes.provider import Target
from pytrace.semantics.configuration import Config
from pytrace.semantics.types import Type, align_of, size_of

RING_SIZE = 1 << 16
RINGBUF_OUTPUT = 130
"""BPF_FUNC_ringbuf_output"""
GET_CURRENT_PID_TGID = 14
"""BPF_FUNC_get_current_pid_tgid"""
PLACE = Place("stdin", 1, 9, (("stdin:1:9-20", "begin { text }\n        ~~~~\n"),))


@dataclass
class Assembler:
    """Appends instructions (opcode, dst, src, offset, immediate)."""

    code: bytearray = field(default_factory=bytearray)
    relocations: list[Relocation] = field(default_factory=list)

    def insn(self, opcode: int, dst: int = 0, src: int = 0, offset: int = 0, imm: int = 0) -> None:
        self.code += struct.pack("<BBhi", opcode, dst | src << 4, offset, imm)

    def load64(self, dst: int, value: int) -> None:
        self.insn(0x18, dst, imm=struct.unpack("<i", struct.pack("<I", value & 0xFFFFFFFF))[0])
        self.insn(0, imm=struct.unpack("<i", struct.pack("<I", value >> 32))[0])

    def address(self, dst: int, symbol: str, kind: str = "map") -> None:
        self.relocations.append(Relocation(len(self.code) // 8, kind, symbol))
        self.load64(dst, 0)

    def send(self, record: bytes) -> None:
        """bpf_ringbuf_output(&ring, record, size, 0)"""
        record += bytes(-len(record) % 8)
        for at in range(0, len(record), 8):
            self.load64(2, int.from_bytes(record[at : at + 8], "little"))
            self.insn(0x7B, 10, 2, at - len(record))
        self.address(1, "ring")
        self.insn(0xBF, 2, 10)
        self.insn(0x07, 2, imm=-len(record))
        self.insn(0xB7, 3, imm=len(record))
        self.insn(0xB7, 4, imm=0)
        self.insn(0x85, imm=RINGBUF_OUTPUT)

    def count(self, symbol: str) -> None:
        """Adds 1 to the u64 of an array map, atomically, and marks it as written."""
        self.address(1, symbol, "data")
        self.insn(0xB7, 2, imm=1)
        self.insn(0xDB, 1, 2, 0, 0)
        self.insn(0x7B, 1, 2, 8)

    def only(self, pid: int) -> None:
        """Leaves unless the current process has that id."""
        self.insn(0x85, imm=GET_CURRENT_PID_TGID)
        self.insn(0x77, 0, imm=32)
        self.insn(0x15, 0, 0, 2, pid)
        self.leave()

    def leave(self, result: int = 0) -> None:
        self.insn(0xB7, 0, imm=result)
        self.insn(0x95)


@dataclass
class ImageMaker:
    """Gathers actions, maps and programs."""

    config: Config = field(default_factory=Config)
    actions: list[Action] = field(default_factory=list)
    maps: list[MapImage] = field(default_factory=lambda: [MapImage("ring", "ringbuf", 0, 0, RING_SIZE)])
    script_maps: list[ScriptMap] = field(default_factory=list)
    programs: list[ProgramImage] = field(default_factory=list)

    def action(self, kind: str, static: tuple[object, ...] = (), *types: Type) -> tuple[int, RecordLayout]:
        at, fields = 4, []
        for type_ in types:
            at += -at % align_of(type_)
            fields.append((at, type_))
            at += size_of(type_)
        layout = RecordLayout(at + -at % 8, tuple(fields))
        self.actions.append(Action(kind, static, layout, PLACE, 1))
        return len(self.actions) - 1, layout

    def record(self, kind: str, static: tuple[object, ...] = (), *values: tuple[Type, bytes]) -> bytes:
        """An action, and the bytes of a record of it."""
        index, layout = self.action(kind, static, *[type_ for type_, _ in values])
        record = bytearray(layout.size)
        record[:4] = index.to_bytes(4, "little")
        for (offset, type_), (_, data) in zip(layout.fields, values, strict=True):
            record[offset : offset + size_of(type_)] = data.ljust(size_of(type_), b"\0")
        return bytes(record)

    def counter(self, name: str, value: Type) -> str:
        """A scalar map of the script; gives the symbol."""
        symbol = f"map_{len(self.script_maps)}"
        self.maps.append(MapImage(symbol, "array", 4, 16, 1, script_map=len(self.script_maps)))
        self.script_maps.append(ScriptMap(name, symbol, None, value, False, 1))
        return symbol

    def program(self, target: Target, assembler: Assembler, prog_type: str = "raw_tracepoint") -> None:
        order = len(self.programs) + 1
        self.programs.append(
            ProgramImage(
                f"{target.provider}_{order}", prog_type, "xdp" if prog_type == "xdp" else "", bytes(assembler.code),
                tuple(assembler.relocations), ((target, 0),), order,
            )
        )

    def sending(self, provider: str, *records: bytes, result: int = 0, name: str = "") -> None:
        """A program that sends records."""
        assembler = Assembler()
        for record in records:
            assembler.send(record)
        assembler.leave(result)
        data = (("name", name),) if name else ()
        target = Target(provider, f"{provider}:{name}" if name else provider, data)
        self.program(target, assembler, "xdp" if name else "raw_tracepoint")

    def image(self) -> Image:
        return Image(
            tuple(self.programs), tuple(self.maps), tuple(self.script_maps), tuple(self.actions), self.config
        )
