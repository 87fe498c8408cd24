"""Wildcard patterns: `*` stands for any sequence of characters, everything else for itself (PROBES 1.4)."""

from __future__ import annotations

from pytrace.hints import Callable
from pytrace.once import cache

__all__ = ["has_wildcard", "literal_prefix", "matcher"]


def has_wildcard(text: str) -> bool:
    """Whether a part is a pattern. Brackets make it one too, although they match only themselves."""
    return "*" in text or ("[" in text and "]" in text)


def literal_prefix(pattern: str) -> str:
    """What every match starts with."""
    return pattern.partition("*")[0]


@cache
def matcher(pattern: str) -> Callable[[str], object]:
    """A predicate for whole texts."""
    if "*" not in pattern:
        return pattern.__eq__
    tokens = pattern.split("*")
    first, *middle, last = tokens
    if not any(middle) and not (first and last):
        # `*`, `abc*`, `*abc`: the common ones, without the regular expression engine.
        if last:
            return lambda text: text.endswith(last)
        return lambda text: text.startswith(first)
    inner = [token for token in middle if token]

    def matches(text: str) -> bool:
        # The earliest place of each token leaves the most room for the next one.
        at = len(first)
        if not text.startswith(first):
            return False
        for token in inner:
            at = text.find(token, at)
            if at < 0:
                return False
            at += len(token)
        return len(text) - len(last) >= at and text.endswith(last)

    return matches
