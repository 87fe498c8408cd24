"""What the two ends of `dw_ustack` agree on: the tables that `runtime/unwinding.py` fills and that programs search.

| map | key | value |
|---|---|---|
| `unwind_pids` | process id | spans: what is mapped where in the process, by address |
| `unwind_tables` | number of a table | rows: a piece of the unwind table of a file, by address |
| `unwind_rules` | number of a rule | how a frame's caller is found |

Spans and tables are maps of maps, so that each is exchanged in one step, and takes memory only where there is one.
Arrays that are searched have a power of two as their length, and are filled up with addresses that are never reached.
"""

from __future__ import annotations

import struct

from pytrace.hints import TYPE_CHECKING, Sequence

if TYPE_CHECKING:
    from array import array

__all__ = [
    "FAILED", "MAX_PROCESSES", "MAX_RULES", "MAX_TABLES", "NO_TABLE", "PIDS", "RULES", "RULE_SIZE", "SAME", "SPANS",
    "SPANS_SIZE", "TABLES", "TABLE_ROWS", "TABLE_SIZE", "pack_rule", "pack_spans", "pack_table",
]

PIDS, TABLES, RULES = "unwind_pids", "unwind_tables", "unwind_rules"
MAX_PROCESSES, MAX_TABLES, MAX_RULES = 1024, 8192, 16384

FAILED = 0xFFFFFFFFFFFFFFFF
"""Stands for the frames that could not be found, as the last frame of a stack."""

SPANS = 4096
"""Spans of a process: first all their starts (u64), then for each what to take from an address (u64) to get the one in
its table, and the number of that (u32), padded to 16 bytes."""
SPANS_SIZE = SPANS * 24
NO_TABLE = 0xFFFFFFFF

TABLE_ROWS = 8192
"""Rows of a table: first all their starts (u32), then for each the number of its rule (u32)."""
TABLE_SIZE = TABLE_ROWS * 8

RULE = struct.Struct("<BBBBii7h2x")
"""kind, register, how many bytes below the CFA hold all that is saved (0: they are read one by one), the registers
that were saved relative to rbp (a bit for each), offset, offset2; then for the six saved registers and for the return
address where they are: a position in those bytes, or an offset to the CFA, or SAME."""
RULE_SIZE = RULE.size
SAME = -32768
BLOCK = 64
"""The most bytes that are read at once."""

_NEVER = 0x7FFFFFFFFFFFFFFF


def pack_rule(
    kind: int, register: int, offset: int, offset2: int, saved: Sequence[int | None], from_rbp: int, address: int
) -> bytes | None:
    """A rule, as programs read it. None if its numbers do not fit, as those of no real program."""
    places = [*saved, address]
    known = [place for place in places if place is not None]
    depth = -min(known)
    if not from_rbp and max(known) <= -8 and depth <= BLOCK and all(place % 8 == 0 for place in known):
        places = [None if place is None else place + depth for place in places]
    else:
        depth = 0
    try:
        return RULE.pack(
            kind, register, depth, from_rbp, offset, offset2, *(SAME if place is None else place for place in places)
        )
    except struct.error:
        return None


def pack_spans(spans: Sequence[tuple[int, int, int]]) -> bytes:
    """Spans as (start, what to take from an address, number of a table), by start. The first begins at 0, and there
    are at most `SPANS`."""
    missing = SPANS - len(spans)
    starts = struct.pack(f"<{SPANS}Q", *(start for start, _, _ in spans), *[_NEVER] * missing)
    rest = b"".join(struct.pack("<QI4x", bias & 0xFFFFFFFFFFFFFFFF, table) for _, bias, table in spans)
    return starts + rest + bytes(16 * missing)


def pack_table(starts: array[int], rules: array[int]) -> bytes:
    """At most `TABLE_ROWS` rows. The last start that could be is never reached: it holds for what lies behind."""
    missing = TABLE_ROWS - len(starts)
    return b"".join((starts.tobytes(), b"\xff" * (4 * missing), rules.tobytes(), bytes(4 * missing)))
