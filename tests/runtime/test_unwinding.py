"""Unwind tables on their way into the kernel."""

from __future__ import annotations

import os
import struct
from array import array
from pathlib import Path

import pytest

from pytrace.cache import Cache
from pytrace.codegen.unwind_layout import (
    NO_TABLE,
    RULE,
    SAME,
    SPANS,
    SPANS_SIZE,
    TABLE_ROWS,
    TABLE_SIZE,
    pack_rule,
    pack_spans,
    pack_table,
)
from pytrace.kernel.call_frames import Kind, unwind_table
from pytrace.kernel.elf import Elf, find_library
from pytrace.runtime import unwinding


def search(starts: tuple[int, ...], wanted: int) -> int:
    """As programs search: halves, without branches."""
    index, half = 0, len(starts) // 2
    while half:
        index += half * (starts[index + half] <= wanted)
        half //= 2
    return index


def test_spans():
    packed = pack_spans([(0, 0, NO_TABLE), (0x1000, 0x800, 3), (0x2000, 0, NO_TABLE), (0x7FFF_F000, -8, 4)])
    assert len(packed) == SPANS_SIZE
    starts = struct.unpack_from(f"<{SPANS}Q", packed)
    wanted = ((0, NO_TABLE), (0xFFF, NO_TABLE), (0x1000, 3), (0x1FFF, 3), (0x2000, NO_TABLE), (1 << 46, 4))
    for address, table in wanted:
        place = 8 * SPANS + 16 * search(starts, address)
        assert struct.unpack_from("<QI", packed, place)[1] == table


def test_tables():
    packed = pack_table(array("I", range(0, 80_000, 10)), array("I", range(8000)))
    assert len(packed) == TABLE_SIZE
    starts = struct.unpack_from(f"<{TABLE_ROWS}I", packed)
    for address in (0, 9, 10, 4_711, 79_989, 79_990, 4_000_000_000):
        (rule,) = struct.unpack_from("<I", packed, 4 * TABLE_ROWS + 4 * search(starts, address))
        assert rule == min(address // 10, 7999)


@pytest.mark.parametrize(
    ("saved", "from_rbp", "expected"),
    [
        ((None,) * 6, 0, (8, [SAME] * 6, 0)),
        ((-56, -48, None, None, -24, -16), 0, (56, [0, 8, SAME, SAME, 32, 40], 48)),
        ((-72, None, None, None, None, None), 0, (0, [-72, *[SAME] * 5], -8)),  # too far for one read
        ((None, 0, None, None, None, None), 2, (0, [SAME, 0, *[SAME] * 4], -8)),
        ((-12, None, None, None, None, None), 0, (0, [-12, *[SAME] * 5], -8)),  # not at a multiple of eight
    ],
)
def test_rules(saved: tuple[int | None, ...], from_rbp: int, expected: tuple[int, list[int], int]):
    packed = pack_rule(Kind.OFFSET, 7, 16, 0, saved, from_rbp, -8)
    assert packed is not None
    _, _, depth, bits, offset, _, *places = RULE.unpack(packed)
    assert (depth, places[:6], places[6]) == expected
    assert (bits, offset) == (from_rbp, 16)


def test_a_rule_that_does_not_fit():
    assert pack_rule(Kind.OFFSET, 7, 1 << 40, 0, (None,) * 6, 0, -8) is None
    assert pack_rule(Kind.OFFSET, 7, 16, 0, (-1_000_000, *[None] * 5), 0, -8) is None


def test_tables_of_large_files_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = find_library("libc.so.6")
    assert path is not None
    elf, cache = Elf(path), Cache(tmp_path / "cache")
    monkeypatch.setattr(unwinding, "_LARGE", 1000)
    first = unwinding._table(elf, cache)
    assert first == unwind_table(elf)
    assert len(os.listdir(tmp_path / "cache")) == 1
    monkeypatch.setattr(unwinding, "unwind_table", lambda elf: pytest.fail("it is made again"))
    assert unwinding._table(elf, cache) == first
