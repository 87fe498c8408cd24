"""A completion, and choosing among few names. What is searched among many is the matter of `matcher`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pytrace.frozen import frozen
from pytrace.repl.matcher import SCATTERED, folded_query, rank

__all__ = ["Choice", "Completion", "choose", "in_order"]


class Completion:
    """`text` takes the place of what stands between `start` and the cursor (offsets into the whole text). `display` is
    what a menu shows, `meta` what stands beside it: a type, a signature, the fields. `meta` may cost a look into the
    kernel's types, so it is found when it is asked for."""

    __slots__ = ("_meta", "display", "start", "text")

    def __init__(self, text: str, start: int, display: str = "", meta: str | Callable[[], str] = "") -> None:
        self.text = text
        self.start = start
        self.display = display or text
        self._meta = meta

    @property
    def meta(self) -> str:
        if not isinstance(self._meta, str):
            self._meta = self._meta()
        return self._meta

    def __repr__(self) -> str:
        return f"Completion({self.text!r}, {self.start})"


@frozen
class Choice:
    """Something that can stand at a place: `name` is what is compared, `text` what is inserted if that is more."""

    name: str
    meta: str | Callable[[], str] = ""
    text: str = ""
    display: str = ""


def in_order(query: str, name: str) -> bool:
    """Whether a text has the characters of a query in their order."""
    at = 0
    for character in query:
        at = name.find(character, at) + 1
        if not at:
            return False
    return True


def choose(choices: Iterable[Choice], typed: str, start: int) -> list[Completion]:
    """Those of some dozens or hundreds that match what was typed, the best first; else in their order."""
    query = folded_query(typed)
    found = [each for each in choices if in_order(query, each.name.lower())]
    if query:
        ranked = [(rank(query, each.name.lower()), number, each) for number, each in enumerate(found)]
        found = [each for (kind, _, _), _, each in sorted(ranked, key=lambda item: item[:2]) if kind <= SCATTERED]
    return [Completion(each.text or each.name, start, each.display or each.name, each.meta) for each in found]
