"""A row of the table: two series of figures, and what they come to."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from tests.bench.peer.tools import Tool

Figures = dict[str, float]
"""What one run gave: figures by the name of what was measured, with their unit."""


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def row(what: str, pairs: list[tuple[float, float]]) -> str:
    """Medians, the ratio of the two, and between which bounds the ratios of the rounds lie."""
    first, second = (median(series) for series in zip(*pairs, strict=True))
    ratios = sorted(a / b for a, b in pairs if b)
    ratio = f"{first / second:.2f}" if second else "–"
    spread = f"{ratios[0]:.2f}–{ratios[-1]:.2f}" if ratios else "–"
    return f"| {what} | {_short(first)} | {_short(second)} | **{ratio}** | {spread} |"


def compare(what: str, rounds: int, tools: tuple[Tool, Tool], measure: Callable[[Tool], Figures]) -> None:
    """Measures the two in turn, and prints a row for each figure."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    try:
        for n in range(rounds):
            order = tools if n % 2 == 0 else tools[::-1]  # neither always goes first
            found = {tool.name: measure(tool) for tool in order}
            first, second = (found[tool.name] for tool in tools)
            for name, value in first.items():
                pairs.setdefault(name, []).append((value, second[name]))
    except (RuntimeError, OSError) as error:
        print(f"| {what} | {str(error).strip().splitlines()[-1][:100]} | | | |", flush=True)
        return
    for name, series in pairs.items():
        print(row(f"{what}: {name}", series), flush=True)


def heading(title: str) -> None:
    print(f"\n{title}\n\n| what | pytrace | bpftrace | ratio | of single rounds |\n|---|---|---|---|---|", flush=True)
