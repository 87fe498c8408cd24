"""Tables of call frame information."""

from __future__ import annotations

import subprocess
from bisect import bisect_right
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytrace.kernel.call_frames import END, NO_RULE, SAVED, SIGNAL, Kind, Rule, UnwindTable, unwind_table
from pytrace.kernel.elf import Elf, ElfSymbol
from pytrace.kernel.mappings import vdso

ASSEMBLY = """
.text
.globl plain
.type plain, @function
plain:
    .cfi_startproc
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    .cfi_remember_state
    pop %rbp
    .cfi_def_cfa %rsp, 8
    ret
    .cfi_restore_state
    nop
    .cfi_endproc
.size plain, .-plain
.globl hole
.type hole, @function
hole:
    nop
    nop
.size hole, .-hole
.globl first
.type first, @function
first:
    .cfi_startproc
    .cfi_undefined %rip
    hlt
    .cfi_endproc
.size first, .-first
.globl aligned
.type aligned, @function
aligned:
    .cfi_startproc
    .cfi_escape 0x0f, 3, 0x76, 0x78, 0x06
    .cfi_escape 0x10, 6, 2, 0x76, 0
    nop
    .cfi_endproc
.size aligned, .-aligned
.globl strange
.type strange, @function
strange:
    .cfi_startproc
    .cfi_escape 0x0f, 2, 0x9c, 0x06
    nop
    .cfi_endproc
.size strange, .-strange
"""


@pytest.fixture(scope="module")
def assembled(tmp_path_factory: pytest.TempPathFactory) -> Elf:
    folder = tmp_path_factory.mktemp("assembled")
    (folder / "frames.s").write_text(ASSEMBLY)
    subprocess.run(["gcc", "-shared", "-nostdlib", "-o", folder / "frames.so", folder / "frames.s"], check=True)
    return Elf(str(folder / "frames.so"))


def table_of(elf: Elf) -> UnwindTable:
    table = unwind_table(elf)
    assert table is not None
    return table


def rule_at(table: UnwindTable, address: int) -> Rule:
    if address < table.base:
        return NO_RULE
    return table.rules[table.rows[bisect_right(table.starts, address - table.base) - 1]]


def rule(elf: Elf, name: str, offset: int = 0) -> Rule:
    symbol = elf.function(name)
    assert isinstance(symbol, ElfSymbol)
    return rule_at(table_of(elf), symbol.address + offset)


RBP_SAVED = (None, -16, None, None, None, None)


@pytest.mark.parametrize(
    ("name", "offset", "expected"),
    [
        ("plain", 0, Rule(Kind.OFFSET, 7, 8)),
        ("plain", 1, Rule(Kind.OFFSET, 7, 16, saved=RBP_SAVED)),
        ("plain", 4, Rule(Kind.OFFSET, 6, 16, saved=RBP_SAVED)),
        ("plain", 5, Rule(Kind.OFFSET, 7, 8, saved=RBP_SAVED)),
        ("plain", 6, Rule(Kind.OFFSET, 6, 16, saved=RBP_SAVED)),
        ("hole", 0, NO_RULE),
        ("first", 0, END),
        ("aligned", 0, Rule(Kind.LOADED, 6, -8, saved=(None, 0, None, None, None, None), from_rbp=0b10)),
        ("strange", 0, NO_RULE),
    ],
)
def test_rules(assembled: Elf, name: str, offset: int, expected: Rule):
    assert rule(assembled, name, offset) == expected


def test_what_is_not_understood_is_counted(assembled: Elf):
    assert table_of(assembled).refused == 1


def test_the_c_library():
    """The frame of a signal handler, and of the first function of a thread."""
    from pytrace.kernel.elf import find_library

    path = find_library("libc.so.6")
    assert path is not None
    table = table_of(Elf(path))
    assert SIGNAL in table.rules and END in table.rules and len(table.rows) > 10_000
    assert table.refused < 20


def test_the_vdso():
    elf = vdso()
    assert elf is not None
    function = next(symbol for symbol in elf.functions() if "gettime" in symbol.name)
    assert rule_at(table_of(elf), function.address) == Rule(Kind.OFFSET, 7, 8)


def test_against_another_reader(assembled: Elf):
    """pyelftools decodes the same entries, for all functions of a shell."""
    from elftools.elf.elffile import ELFFile

    path = "/bin/sh"
    table, compared = table_of(Elf(path)), 0
    with open(path, "rb") as file:
        for entry in ELFFile(file).get_dwarf_info().EH_CFI_entries():
            if type(entry).__name__ != "FDE":
                continue
            for row in entry.get_decoded().table:
                cfa = row["cfa"]
                if cfa.expr is not None or cfa.reg is None:
                    continue
                ours = rule_at(table, row["pc"])
                if ours == END:
                    continue
                saved = tuple(row[n].arg if n in row and row[n].type == "OFFSET" else None for n in SAVED)
                assert (ours.kind, ours.register, ours.offset, ours.saved) == (Kind.OFFSET, cfa.reg, cfa.offset, saved)
                compared += 1
    assert compared > 1000


def test_a_file_without(tmp_path: Path):
    subprocess.run(
        ["gcc", "-shared", "-nostdlib", "-fno-asynchronous-unwind-tables", "-o", tmp_path / "a.so", "-xc", "-"],
        input=b"int f(void) { return 1; }", check=True,
    )
    assert unwind_table(Elf(str(tmp_path / "a.so"))) is None


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_files(assembled: Elf, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    """Whatever is in the section, there is a table or none."""
    content = bytearray(Path(assembled.path).read_bytes())
    frames = assembled.section(".eh_frame")
    assert frames is not None
    start = content.index(frames)
    for at in data.draw(st.lists(st.integers(0, len(frames) - 1), min_size=1, max_size=8)):
        content[start + at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "damaged.so"
    path.write_bytes(content)
    table = unwind_table(Elf(str(path)))
    assert table is None or list(table.starts) == sorted(table.starts)
