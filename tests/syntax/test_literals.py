"""Literals: values, limits and what is wrong with them (LANGUAGE 2.4, 2.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.syntax.literals import LiteralError, integer, quote, unescape


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("1_0_0", 100), ("0x1f", 31), ("0X_f_f", 255), ("017", 15), ("0_7", 7), ("00", 0), ("7e2", 700),
        ("1E3", 1000), ("1e1_0", 10**10), ("1e19", 10**19), ("2ms", 2_000_000), ("3d", 3 * 86400 * 10**9),
        ("72h", 72 * 3600 * 10**9), ("5m", 300 * 10**9), ("1e3ms", 10**9), ("4ull", 4), ("4294967295u", 2**32 - 1),
        ("9223372036854775807ll", 2**63 - 1), ("18446744073709551615", 2**64 - 1), ("0x10d", 269),
        ("017ms", 15_000_000), ("0" * 2000 + "7", 7),
    ],
)  # fmt: skip
def test_integers(text: str, value: int):
    assert integer(text) == value


@pytest.mark.parametrize(
    ("text", "message", "marked"),
    [
        ("08", "invalid trailing bytes: 08", "08"),
        ("1_", "trailing underscore in integer literal", "_"),
        ("0x_", "trailing underscore in integer literal", "_"),
        ("0x", "invalid integer: 0x", "0x"),
        ("5e0", "invalid trailing bytes: 5e0", "5e0"),
        ("30e2", "coefficient part of scientific literal must be 1-9: 30e2", "30e2"),
        ("5UL", "invalid trailing bytes: 5UL", "5UL"),
        ("1lu", "invalid integer suffix 'u'", "u"),
        ("0b11", "invalid integer suffix 'b11'", "b11"),
        ("18446744073709551616", "overflow error, maximum value is 18446744073709551615: 18446744073709551616", None),
        ("4294967296u", "overflow error, maximum value is 4294967295: 4294967296u", None),
        ("9223372036854775808l", "overflow error, maximum value is 9223372036854775807: 9223372036854775808l", None),
        ("213504d", "overflow error, maximum value is 18446744073709551615: 213504d", None),
    ],
)
def test_malformed_integers(text: str, message: str, marked: str | None):
    with pytest.raises(LiteralError) as caught:
        integer(text)
    assert caught.value.message == message
    assert text[caught.value.start : caught.value.end] == (marked or text)


@pytest.mark.parametrize("text", ["9" * 100_000, "0" + "7" * 100_000, "0x" + "f" * 100_000, "1e" + "9" * 100_000])
def test_long_integers_overflow_at_once(text: str):
    with pytest.raises(LiteralError, match="overflow"):
        integer(text)


@given(st.from_regex(r"[0-9][0-9a-zA-Z_]{0,12}", fullmatch=True))
def test_any_word_that_starts_with_a_digit(text: str):
    try:
        assert 0 <= integer(text) < 2**64
    except LiteralError as error:
        assert 0 <= error.start <= error.end <= len(text)


def test_escapes():
    assert unescape(r'"\n\t\r\"\\\1\12\1234\x1\X1f\x412"') == b'\n\t\r"\\\x01\x0aS4\x01\x1fA2'


@pytest.mark.parametrize(
    ("text", "message", "marked"),
    [
        (r'"a\q"', r"invalid escape character '\q'", "q"),
        (r'"\x"', "invalid hex escape sequence", '"'),
        (r'"\777"', r"octal escape sequence out of range '\777'", r"\777"),
    ],
)
def test_malformed_escapes(text: str, message: str, marked: str):
    with pytest.raises(LiteralError) as caught:
        unescape(text)
    assert caught.value.message == message
    assert text[caught.value.start : caught.value.end] == marked


@given(st.binary())
def test_a_quoted_text_is_itself(value: bytes):
    assert unescape(quote(value)) == value
