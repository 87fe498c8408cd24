"""The line below the prompt: blocks, events, losses, the share of a CPU that tracing takes."""

from __future__ import annotations

from pytrace.frozen import frozen

__all__ = ["State", "parts", "text"]

_SEPARATOR = " · "


@frozen
class State:
    """What the line tells. `events` and `lost` are counted since the session began, `rate` is events a second, `share`
    the part of one CPU that the blocks' programs took of late. `indexing`: names are still being gathered. `editing` is
    the number of the block that the next entry replaces, `watching` the map that is shown live."""

    blocks: int = 0
    running: int = 0
    events: int = 0
    rate: float = 0.0
    lost: int = 0
    share: float = 0.0
    watching: str = ""
    editing: int = 0
    mode: str = ""
    indexing: bool = False
    note: str = ""


def short(number: float) -> str:
    """A number in at most four digits, with its unit: `950`, `12.3k`, `4.5M`."""
    for unit in ("", "k", "M"):
        if number < 999.5:
            return f"{number:.1f}{unit}" if unit and number < 99.95 else f"{number:.0f}{unit}"
        number /= 1000
    return f"{number:,.1f}G"


def _all(state: State) -> list[tuple[int, str, str]]:
    """Importance (what is least goes first where there is no room), style and text of each part, in order."""
    found = [(9, "blocks", f"{state.running} of {state.blocks} block{'' if state.blocks == 1 else 's'} running")]
    if state.editing:
        found.append((10, "editing", f"editing [{state.editing}]"))
    found.append((5, "events", f"{state.events:,} events"))
    if state.rate >= 1:
        found.append((4, "rate", f"{short(state.rate)}/s"))
    if state.lost:
        found.append((8, "lost", f"{state.lost:,} lost"))
    if state.running:
        found.append((6, "share", f"{100 * state.share:.2f} % of a CPU"))
    if state.watching:
        found.append((3, "watching", f"watching {state.watching}"))
    if state.indexing:
        found.append((1, "indexing", "gathering names"))
    if state.mode:
        found.append((2, "mode", state.mode))
    if state.note:
        found.append((7, "note", state.note))
    return found


def parts(state: State, width: int) -> list[tuple[str, str]]:
    """Style and text of the pieces, no wider than `width` together; losses have a style of their own, so that nobody
    overlooks them. Styles are `toolbar` and `toolbar.NAME`."""
    chosen = _all(state)
    while len(chosen) > 1 and sum(len(text) + len(_SEPARATOR) for _, _, text in chosen) > width:
        chosen.remove(min(chosen))
    pieces: list[tuple[str, str]] = []
    room = max(width, 0)
    for number, (_, style, text) in enumerate(chosen):
        for kind, piece in (("toolbar", _SEPARATOR if number else " "), (f"toolbar.{style}", text)):
            if shown := piece[:room]:
                pieces.append((kind, shown))
                room -= len(shown)
    if room:
        pieces.append(("toolbar", " " * room))
    return pieces


def text(state: State, width: int = 1000) -> str:
    """The same as plain text."""
    return "".join(piece for _, piece in parts(state, width)).strip()
