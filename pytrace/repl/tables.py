"""What the session shows of itself: its blocks and its maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytrace.repl.block import LiveBlock
from pytrace.repl.maps import SessionMaps

__all__ = ["blocks_table", "maps_table", "shown", "table"]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Columns as wide as their widest entry; those in `right` are aligned to the right. The last one is as it is."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    aligned = frozenset(right)
    return "".join(
        "  ".join(
            cell.rjust(width) if column in aligned else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        + "\n"
        for line in lines
    )


def shown(text: str) -> str:
    """Text of a script, which has one character per byte, for people."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def blocks_table(blocks: Iterable[LiveBlock], stats: bool) -> str:
    """`stats`: the kernel counts what programs cost."""
    rows = []
    for live in blocks:
        usage = live.usage
        costs = [f"{usage.runs:,}", f"{usage.each:,.0f}" if usage.runs else "-", f"{100 * usage.share:.2f} %"]
        rows.append([
            f"[{live.number}]", live.state + (" quiet" if live.trickle.quiet else ""), *(costs if stats else "---"),
            f"{live.lines:,}", f"{live.lost:,}", " ".join(live.maps) or "-", shown(live.title)[:60],
        ])
    if not rows:
        return "no blocks yet\n"
    head = ("", "state", "events", "ns/event", "CPU", "lines", "lost", "maps", "probes")
    return table(head, rows, right=(2, 3, 4, 5, 6))


def maps_table(maps: SessionMaps, sizes: dict[str, int]) -> str:
    """`sizes` are how many entries there are."""
    rows = [
        [
            name, "" if each.map.key is None else f"[{each.map.key}]", str(each.map.value), f"{sizes[name]:,}",
            " ".join(f"[{number}]" for number in sorted(each.users)) or "-",
        ]
        for name, each in sorted(maps.all.items())
    ]
    return table(("map", "key", "value", "entries", "blocks"), rows, right=(3,)) if rows else "no maps yet\n"
