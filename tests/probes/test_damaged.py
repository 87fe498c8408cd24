"""Files that contradict themselves: each gets an answer, or a message, in bounded time and memory."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from pytrace.kernel.elf import Elf, ElfError
from tests.conftest import Done

Run = Callable[..., Done]
SOURCE = """
typedef const volatile char letter;
struct list { struct list *next; letter text[4]; struct list *others[2]; };
__attribute__((noinline)) int walk(struct list *list, letter *text, const int *const number)
{ __asm__ volatile(""); return list->text[0] + text[0] + *number; }
int main(void) { struct list l = {0, "abc", {0, 0}}; int n = 1; return walk(&l, l.text, &n) & 0; }
"""
PROGRAM = "u:{}:walk {{ print(args.list->next->text); print(args.text); print(args.number); print(args); }}"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("damaged") / "sound"
    subprocess.run(["gcc", "-O1", "-g", "-o", path, "-xc", "-"], input=SOURCE.encode(), check=True)
    return path


def references(path: Path) -> list[tuple[int, int, str]]:
    """Where in the file an entry of the debug information refers to another one of its unit, the entry's own place in
    the unit, and its kind."""
    with open(path, "rb") as stream:
        file = ELFFile(stream)
        start = file.get_section_by_name(".debug_info")["sh_offset"]
        return [
            (start + attribute.offset, die.offset - unit.cu_offset, die.tag)
            for unit in file.get_dwarf_info().iter_CUs()
            for die in unit.iter_DIEs()
            for attribute in die.attributes.values()
            if attribute.form == "DW_FORM_ref4"
        ]


@pytest.mark.live
def test_types_that_refer_to_themselves(pytrace: Run, sound: Path, tmp_path: Path):
    data = sound.read_bytes()
    kinds = set()
    for place, own, kind in references(sound):
        if kind in kinds:
            continue
        kinds.add(kind)
        damaged = tmp_path / kind
        content = bytearray(data)
        struct.pack_into("<I", content, place, own)
        damaged.write_bytes(content)
        damaged.chmod(0o755)
        done = pytrace("--dry-run", "-e", PROGRAM.format(damaged), status=None, timeout=30)
        assert done.returncode in (0, 1), (kind, done.stderr)
    assert {"DW_TAG_const_type", "DW_TAG_typedef", "DW_TAG_pointer_type", "DW_TAG_array_type"} <= kinds


@pytest.mark.live
@pytest.mark.parametrize("size", [1 << 62, (1 << 64) - 1, 1 << 31])
def test_sections_that_are_longer_than_memory(pytrace: Run, sound: Path, tmp_path: Path, size: int):
    """The sections of debug information and of symbols."""
    content = bytearray(sound.read_bytes())
    table, count = struct.unpack_from("<Q", content, 40)[0], struct.unpack_from("<H", content, 60)[0]
    for n in range(count):
        (flags,) = struct.unpack_from("<Q", content, table + 64 * n + 8)
        if not flags & 2:  # not in memory when the program runs
            struct.pack_into("<Q", content, table + 64 * n + 32, size)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(content)
    damaged.chmod(0o755)
    for program in (PROGRAM.format(damaged), f"u:{damaged}@sound.c:5 {{}}", f"usdt:{damaged}:* {{}}"):
        done = pytrace("--dry-run", "-e", program, status=1, timeout=30)
        assert "ERROR" in done.stderr


@pytest.mark.live
def test_a_file_that_is_mostly_holes(pytrace: Run, sound: Path, tmp_path: Path):
    hollow = tmp_path / "hollow"
    hollow.write_bytes(sound.read_bytes())
    hollow.chmod(0o755)
    os.truncate(hollow, 1 << 40)
    with pytest.raises(ElfError, match="hardly any are stored"):
        Elf(str(hollow))
    assert "No matches for uprobe" in pytrace("-e", f"u:{hollow}:walk {{}}", status=1).stderr
