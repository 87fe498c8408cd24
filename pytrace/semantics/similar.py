"""What may have been meant by a name that does not exist."""

from __future__ import annotations

from pytrace.hints import Iterable

__all__ = ["suggestion"]


def suggestion(name: str, known: Iterable[str]) -> list[str]:
    """A hint with the known name that is most like this one; no hint if none is."""
    from difflib import get_close_matches  # only those who mistyped pay for the import

    close = get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return [f"did you mean '{close[0]}'?"] if close else []
