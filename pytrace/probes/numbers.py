"""Numbers inside probe specifications."""

from __future__ import annotations

from pytrace.semantics.numbers import U64_MAX, parse_integer

__all__ = ["BadNumber", "number"]


class BadNumber(ValueError):
    """A part that is not a number; the message says in which way."""


def number(text: str) -> int:
    """The value of a part: an integer literal of the language, perhaps with a sign or in binary.

    Raises `BadNumber`.
    """
    value = parse_integer(text)
    if value is None:
        kind = "invalid trailing bytes" if text.lstrip("+-")[:1].isdigit() else "invalid integer"
        raise BadNumber(f"{kind}: {text}")
    if not -(1 << 63) <= value <= U64_MAX:
        raise BadNumber(f"overflow error, maximum value is {U64_MAX}: {text}")
    return value
