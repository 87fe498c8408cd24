"""The folding rules on plain values (LANGUAGE 17)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.semantics.literals import FoldError, Value, binary, drops_all, index, same, unary

I64 = st.integers(-(2**63), 2**63 - 1)
LITERALS = st.integers(-(2**63), 2**64 - 1)


@pytest.mark.parametrize(
    ("left", "op", "right", "expected"),
    [
        (-9, "/", 2, -4),
        (-9, "%", 2, -1),
        (7, "/", -2, -3),
        (7, "%", -2, 1),
        (-7, "/", 2, -3),
        (1, "<<", 63, 2**63),
        (3, "<<", 63, 2**63),
        (-1, "<<", 1, -2),
        (-1, "<<", 63, -(2**63)),
        (-8, ">>", 63, -1),
        (2**64 - 1, ">>", 63, 1),
        (-1, "&", 255, 255),
        (-1, "&", 2**63 - 1, 2**63 - 1),
        (2**63 - 1, "+", 1, 2**63),
        (-(2**63), "*", -1, 2**63),
        (2**63, "-", 1, 2**63 - 1),
        (0, "-", 2**63, -(2**63)),
        (200, "-", 300, -100),
        (-1, "<", 2**63 - 1, True),
        (1, "&&", 2, True),
        (0, "||", 0, False),
        (True, "+", True, True),
        (True, "-", True, False),
        (False, "-", True, True),
        (True, "<<", True, False),
        (True, "<<", False, True),
        (True, "==", 1, True),
        (5, "==", True, False),
        (b"ab", "+", b"cd", b"abcd"),
        (b"tracer", "+", 2, b"acer"),
        (2, "+", b"tracer", b"acer"),
        (b"abc", "+", 2**64 - 1, b""),
        (b"b", ">", b"a", True),
        (b"\xc3", ">", b"z", True),
        (b"a\0b", "==", b"a\0c", False),
        (b"a", "&&", b"", True),
        (b"a", "&&", b"b", False),
        (b"", "||", b"", True),
        (b"", "||", b"b", False),
        (b"a", "&&", True, True),
        (False, "||", b"", False),
        ((1, 2), "==", (1, 2), True),
        ((1, 2), "==", (1, 2, 3), False),
        ((1, True), "==", (1, 1), False),
        ((1, (2, b"x")), "!=", (1, (2, b"x")), False),
        ({"a": 1, "b": 2}, "==", {"b": 2, "a": 1}, True),
    ],
)
def test_operations(left: Value, op: str, right: Value, expected: Value) -> None:
    result = binary(op, left, right)
    assert result is not None
    assert same(result, expected)


@pytest.mark.parametrize(
    ("left", "op", "right"),
    [
        (1, "+", True), (True, "*", 5), (b"a", "+", -1), (b"a", "-", 1), (b"a", "==", 1), (b"a", "&&", 1),
        (b"a", "==", True), ((1, 2), "<", (1, 2)), ((1, 2), "==", 1), ({"a": 1}, "==", {"b": 1}),
    ],
)
def test_left_to_the_checker(left: Value, op: str, right: Value) -> None:
    """Where types decide, nothing is folded."""
    assert binary(op, left, right) is None


@pytest.mark.parametrize(
    ("left", "op", "right"),
    [
        (2**64 - 1, "+", 1), (1, "-", 2**64 - 1), (0, "-", 2**63 + 1), (5, "/", 0), (5, "%", 0), (False, "%", False),
        (1, "<<", 64), (1, "<<", -1), (1, ">>", 64), (-1, "&", 2**64 - 1), (-1, "==", 2**64 - 1),
        (2**64 - 1, "&&", -1), (2**63, "*", 2), (-(2**63), "*", 2), (-(2**63), "-", 1), (2**32, "*", 2**32),
    ],
)
def test_no_result(left: int, op: str, right: int) -> None:
    with pytest.raises(FoldError, match="unable to fold literals due to overflow or underflow"):
        binary(op, left, right)


@pytest.mark.parametrize("op", ["-", "*", "/", "&", "<<"])
def test_strings_have_few_operators(op: str) -> None:
    with pytest.raises(FoldError, match="illegal literal operation with strings"):
        binary(op, b"a", b"b")


def test_unary() -> None:
    assert unary("~", 0) == 2**64 - 1
    assert unary("~", -1) == 0
    assert unary("-", 2**63) == -(2**63)
    assert unary("-", -(2**63)) == 2**63
    assert unary("!", 5) is False
    assert unary("!", b"a") is unary("-", b"a") is unary("~", True) is None
    with pytest.raises(FoldError, match="negative value will underflow"):
        unary("-", 2**63 + 1)


def test_index() -> None:
    assert [index(b"a\xff", n) for n in (0, 1, 2, 3, -1)] == [97, -1, 0, None, None]
    assert [index((5, b"x"), n) for n in (0, 1, 2)] == [5, b"x", None]
    assert index(b"a", True) is index(5, 0) is None


def test_dropping_all_of_a_text_is_noticed() -> None:
    assert drops_all("+", b"abc", 3) and drops_all("+", 4, b"abc") and drops_all("+", b"", 0)
    assert not drops_all("+", b"abc", 2)
    assert not drops_all("-", b"abc", 9)
    assert not drops_all("+", 1, 2)


@given(LITERALS, LITERALS, st.sampled_from(["+", "-", "*", "/", "%", "&", "|", "^"]))
def test_integers_are_exact(left: int, right: int, op: str) -> None:
    """A result is the mathematical one and a literal, or there is none."""
    try:
        result = binary(op, left, right)
    except FoldError:
        return
    exact = {
        "+": lambda: left + right, "-": lambda: left - right, "*": lambda: left * right, "&": lambda: left & right,
        "|": lambda: left | right, "^": lambda: left ^ right,
    }
    if op in exact:
        assert result == exact[op]()
    assert isinstance(result, int) and -(2**63) <= result < 2**64


@given(I64, I64.filter(bool))
def test_division_is_that_of_c(left: int, right: int) -> None:
    quotient, remainder = binary("/", left, right), binary("%", left, right)
    assert isinstance(quotient, int) and isinstance(remainder, int)
    assert quotient * right + remainder == left
    assert abs(remainder) < abs(right)
    assert remainder == 0 or (remainder < 0) == (left < 0)
