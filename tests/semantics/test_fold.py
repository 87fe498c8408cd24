"""Folding in scripts: where the rules apply, and where they must not (LANGUAGE 8, 17)."""

from __future__ import annotations

import pytest

from pytrace.semantics import fold
from pytrace.semantics.literals import value_of
from pytrace.syntax import tree
from tests.semantics.passes import Outcome, folded


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("-5", -5),
        ("~5", 18446744073709551610),
        ("!0", True),
        ("(1 < 2) == true", True),
        ("true + true", True),
        ('"ab" + "cd"', b"abcd"),
        ('("a" + "b")[1]', 98),
        ('"abc"[3]', 0),
        ("(1, (2, 3)).1.0", 2),
        ("(1, 2)[1]", 2),
        ("(a=1, b=2).b", 2),
        ("(1,(2,(3,1+3))) == (1,(2,(4-1,4)))", True),
        ("1 ? 2 : 3", 2),
        ('1 ? 2 : "a"', 2),
        ("0 ?: 5", 5),
        ('"y" ?: "x"', b"y"),
        ("if (1) { 2 } else { 3 }", 2),
        ("if (false) { 1 } else if (true) { 2 } else { 3 }", 2),
        ("{ 5 } + 6", 11),
        ("{ if comptime (false) { nothing } 1 }", 1),
        ('(bool)"a"', True),
        ("(bool)0", False),
        ("str(5)", b"5"),
        ("str(-5)", b"-5"),
        ('str("abc", 2)', b"ab"),
        ('str("abc" + 1)', b"bc"),
        ("comptime (1 + 1)", 2),
        ("comptime (comptime 3)", 3),
        ("{ 1 } == { 1 }", True),
        ("1" + " + 1" * 400, 401),
    ],
)
def test_folds(text: str, value: object) -> None:
    result = folded(text)
    assert isinstance(result, tree.Node), result
    assert value_of(result) == value and type(value_of(result)) is type(value)


@pytest.mark.parametrize(
    "text",
    ["true + 1", "pid + 1", "(1, 2) < (1, 3)", '!"abc"', "-true", "if (1) { 2 } else { pid }", "1 ? pid : 2",
     '"a" == 1', "str(true)", "(int8)300", "sizeof(1) + 1", "{ print(1); 1 }", "(1, 2)[2]", '"a"[2]', "comptime pid"],
)
def test_stays(text: str) -> None:
    result = folded(text)
    assert isinstance(result, tree.Node), result
    assert value_of(result) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", "unable to fold literals due to overflow or underflow"),
        ("18446744073709551615 + 1", "unable to fold literals due to overflow or underflow"),
        ("-9223372036854775809", "negative value will underflow"),
        ('"a" - "b"', "illegal literal operation with strings"),
        ('str("abc", -1)', "str() cannot use negative length (-1)"),
        ("sizeof(1 / 0)", "unable to fold literals due to overflow or underflow"),
    ],
)
def test_errors(text: str, message: str) -> None:
    assert folded(text) == [message]


def test_place_of_an_error() -> None:
    assert "stdin:1:20-25: ERROR: unable to fold" in Outcome("begin { print(1 + (5 / 0)); }").text


def test_literal_conditions_stay_conditions() -> None:
    """Both branches of a plain `if` are kept; a string that holds becomes `true`."""
    body = Outcome('begin { if ("a") { print(1); } else { print(2); } }', last=fold.literals).body
    statement = body.statements[0] if body.statements else None
    branch = body.value if statement is None else statement.expr  # type: ignore[union-attr]
    assert isinstance(branch, tree.If)
    assert branch.cond == tree.BoolLit(branch.span, True)
    assert branch.orelse is not None


def test_comptime_keeps_one_branch() -> None:
    outcome = Outcome("begin { if comptime (1 == 2) { $a = 1 / 0; no_such(); } else { print(2); } }")
    assert not outcome.errors
    assert "IntLit(value=2" in repr(outcome.body) and "no_such" not in repr(outcome.body)


def test_comptime_reads_the_configuration() -> None:
    branch = "if comptime (config.max_strlen == 64) { } else { no_such(); }"
    outcome = Outcome(f"config = {{ max_strlen = 64 }} begin {{ {branch} }}")
    assert not outcome.errors


def test_comptime_on_types_waits() -> None:
    outcome = Outcome("begin { if comptime (sizeof(1) == 1) { no_such(); } else { print(2); } }")
    assert not outcome.errors
    assert "no_such" in repr(outcome.body)


def test_bodies_stay_blocks() -> None:
    outcome = Outcome("begin { for ($i : 0..3) { 1 } if (pid) { 2 } while (0) { 3 } unroll(2) { 4 } }")
    assert not outcome.errors
    repr_ = repr(outcome.body)
    assert repr_.count("Block(") == 5


def test_empty_text_is_worth_a_warning() -> None:
    assert Outcome('begin { print("abc" + 3); }').warnings == ["literal string will always be empty"]
