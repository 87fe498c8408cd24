"""Integers written outside of a script: parameters, settings and environment variables (LANGUAGE 12.1)."""

from __future__ import annotations

from pytrace.lazy import VERBOSE, pattern

__all__ = ["U64_MAX", "parse_integer"]

U64_MAX = (1 << 64) - 1
I64_MIN = -(1 << 63)

_NUMBER = pattern(r"""[ \t\n\v\f\r]* (?P<sign>[+-]?)
    (?: 0[xX] (?P<hex>[0-9a-fA-F]+) | 0[bB] (?P<binary>[01]+) | 0 (?P<octal>[0-7]+)
      | (?P<coefficient>[1-9]) e (?P<exponent>[1-9][0-9]*) | (?P<decimal>0|[1-9][0-9]*) )
    (?P<suffix>u|ul|ull|l|ll|ns|us|ms|s|m|h|d)?""", VERBOSE)
_LIMITS = {"u": (1 << 32) - 1, "l": (1 << 63) - 1, "ll": (1 << 63) - 1}
_NANOSECONDS = {
    "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9,
}


def parse_integer(text: str) -> int | None:
    """The value of a text that is an integer as a whole: the literals of the language, binary ones, and a leading sign.

    None if it is not one. The value may lie outside of 64 bits, which only the caller can judge.
    """
    match = _NUMBER.fullmatch(text.replace("_", ""))
    if match is None:
        return None
    if digits := match["hex"]:
        value = int(digits, 16)
    elif digits := match["binary"]:
        value = int(digits, 2)
    elif digits := match["octal"]:
        value = int(digits, 8)
    elif digits := match["coefficient"]:
        # An exponent of 20 already exceeds 64 bits; the bound keeps a long one from being computed.
        value = int(digits) * 10 ** min(int(match["exponent"][:4]), 999)
    else:
        value = _decimal(match["decimal"])
    suffix = match["suffix"] or ""
    if value > _LIMITS.get(suffix, value):
        return None
    value *= _NANOSECONDS.get(suffix, 1)
    return -value if match["sign"] == "-" else value


def _decimal(digits: str) -> int:
    # int() refuses more than 4300 digits; anything beyond 64 bits is as good as the next.
    return int(digits[:40]) if len(digits) <= 40 else 10**40


def fits(value: int) -> bool:
    """Whether an integer literal of that value exists: -2^63 … 2^64 - 1."""
    return I64_MIN <= value <= U64_MAX
