"""Integers written outside of a script (LANGUAGE 12.1)."""

from __future__ import annotations

import pytest

from pytrace.semantics.numbers import parse_integer


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("-5", -5), ("+5", 5), (" 5", 5), ("-0", 0), ("017", 15), ("-010", -8), ("0x1F", 31), ("-0X10", -16),
        ("0b101", 5), ("0B11", 3), ("1_000", 1000), ("_1", 1), ("1_", 1), ("1e3", 1000), ("1e19", 10**19),
        ("2ms", 2 * 10**6),
        ("1e3ms", 10**9), ("5ull", 5), ("0x10u", 16), ("4294967295u", 2**32 - 1), ("1h", 3600 * 10**9),
        ("18446744073709551616", 2**64),
    ],
)
def test_integers(text: str, value: int) -> None:
    assert parse_integer(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "-", "abc", "5abc", "08", "5U", "5lu", "0x", "0xg", "0b", "0b2", "12e3", "1e0", "1e01", "0e3", "5 ", "5\n",
     "4294967296u", "--5", "1.5", "0x10q"],
)
def test_other_text(text: str) -> None:
    assert parse_integer(text) is None


def test_absurd_lengths_are_cheap() -> None:
    assert (parse_integer("9" * 100_000) or 0) > 2**64
    assert (parse_integer("1e" + "9" * 100_000) or 0) > 2**64
