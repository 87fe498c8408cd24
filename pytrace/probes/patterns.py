"""Wildcard patterns: `*` stands for any sequence of characters, everything else for itself (PROBES 1.4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

__all__ = ["has_wildcard", "literal_prefix", "matcher"]


def has_wildcard(text: str) -> bool:
    """Whether a part is a pattern. Brackets make it one too, although they match only themselves."""
    return "*" in text or ("[" in text and "]" in text)


def literal_prefix(pattern: str) -> str:
    """What every match starts with."""
    return pattern.partition("*")[0]


@lru_cache(maxsize=64)
def matcher(pattern: str) -> Callable[[str], object]:
    """A predicate for whole texts. Runs of `*` are one, so that matching takes linear time in practice."""
    if "*" not in pattern:
        return pattern.__eq__
    import re

    tokens = re.sub(r"\*+", "*", pattern).split("*")
    first, *middle, last = tokens
    if not any(middle) and not (first and last):
        # `*`, `abc*`, `*abc`: the common ones, without the regular expression engine.
        if last:
            return lambda text: text.endswith(last)
        return lambda text: text.startswith(first)
    # Lazy groups without backtracking into earlier ones are enough: the earliest place of a token leaves the most room.
    body = "".join(f"(?>.*?{re.escape(token)})" for token in middle if token)
    return re.compile(f"{re.escape(first)}{body}.*{re.escape(last)}", re.DOTALL).fullmatch
