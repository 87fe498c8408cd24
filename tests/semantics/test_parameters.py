"""Positional and named parameters (LANGUAGE 12)."""

from __future__ import annotations

import pytest

from pytrace.semantics.literals import value_of
from pytrace.syntax import tree
from tests.semantics.passes import Outcome, folded


@pytest.mark.parametrize(
    ("text", "given", "value"),
    [
        ("$1", ["17"], 17),
        ("$1", ["-0x10"], -16),
        ("$1", ["0b101"], 5),
        ("$1", ["word"], b"word"),
        ("$1", ["18446744073709551616"], b"18446744073709551616"),
        ("$2 * 2", ["a", "21"], 42),
        ("$#", ["a", "b"], 2),
        ("str($1)", ["0x10"], b"0x10"),
        ("str($1)", [], b""),
        ("str($1 + 5)", ["tracing"], b"ng"),
        ("str($1, 5)", ["tracing"], b"traci"),
        ("str($1 + 1, 2)", ["hello"], b"el"),
        ("str($1 + 1)", ["12345"], b"2345"),
        ("str($1 + $2)", ["hello", "2"], b"llo"),
        ("str(1 + $1)", ["12345"], b"12346"),
        ("str($1 + 1 + 1)", ["hello"], b"llo"),
        ("str(($1))", ["0x10"], b"0x10"),
        ("str({ $1 })", ["0x10"], b"16"),
        ("$1 + 1", ["hello"], b"ello"),
    ],
)
def test_values(text: str, given: list[str], value: object) -> None:
    result = folded(text, *given)
    assert isinstance(result, tree.Node), result
    assert value_of(result) == value


def test_missing_parameter() -> None:
    outcome = Outcome("begin { print($3); print(str($3)); }", ["a"])
    assert outcome.warnings == ["Positional parameter $3 is empty or not provided."]
    assert "stdin:1:15-17: WARNING" in outcome.text


def test_parameters_of_str_in_a_macro() -> None:
    assert value_of(folded("$1", "7")) == 7  # type: ignore[arg-type]
    outcome = Outcome("macro text(x) { str(x) } begin { print(text($1)); }", ["0x10"])
    assert "b'0x10'" in repr(outcome.body)


NAMED = [
    ('getopt("a")', [], "BoolLit(value=False)"),
    ('getopt("a")', [("a", None)], "BoolLit(value=True)"),
    ('getopt("a", true)', [("a", "0")], "BoolLit(value=False)"),
    ('getopt("a", 5)', [], "uint64"),
    ('getopt("a", -5)', [("a", "7")], "int64"),
    ('getopt("a", 5)', [("a", "0x40")], "IntLit(value=64,"),
    ('getopt("a", "s")', [("a", "x"), ("a", "y")], "b'y'"),
    ('getopt("a", "s")', [("a", "")], "b''"),
    ('getopt("a" + "b", 1 + 1)', [("ab", "3")], "IntLit(value=3,"),
]


@pytest.mark.parametrize(("text", "named", "found"), NAMED)
def test_named(text: str, named: list[tuple[str, str | None]], found: str) -> None:
    outcome = Outcome(f"begin {{ print({text}); }}", named=tuple(named))
    assert not outcome.errors
    assert found in repr(outcome.body)
    assert "getopt" not in repr(outcome.body)


@pytest.mark.parametrize(
    ("text", "named", "message"),
    [
        ('getopt("a")', [("a", "maybe")],
         "program command line option --a expects a boolean (e.g. 'true') (value: maybe)"),
        ('getopt("a", 5)', [("a", "x")], "program command line option --a invalid integer (value: x)"),
        ('getopt("a", 5)', [("a", None)], "program command line option --a expects an integer (value: true)"),
        ('getopt("a", -5)', [("a", "18446744073709551615")],
         "program command line option --a value is out of range (value: 18446744073709551615)"),
        ('getopt("a", "s")', [("a", None)], "program command line option --a expects a string (value: true)"),
        ('getopt("a")', [("zz", None), ("y", "1")], "unexpected program command line options: --zz, --y"),
        ("getopt()", [], "The 'getopt' function can take a maximum of three arguments and a minimum of one argument."),
        ("getopt(10)", [], "First argument to 'getopt' must be a string literal."),
        ('getopt("a", pid)', [],
         "Second argument to 'getopt' must be a string literal, integer literal, or a boolean literal."),
        ('(getopt("a", 1), getopt("a", 2))', [],
         "Command line option 'a' needs to have the same default value in all places it is used. "
         "Previous default value: 1"),
        ('(getopt("a"), getopt("a", 1))', [],
         "Command line option 'a' needs to have the same default value in all places it is used. "
         "Previous default value: false"),
    ],
)
def test_named_errors(text: str, named: list[tuple[str, str | None]], message: str) -> None:
    outcome = Outcome(f"begin {{ print({text}); }}", named=tuple(named))
    assert outcome.errors == [message]
    assert outcome.status == 1


def test_help_lists_the_options() -> None:
    outcome = Outcome('begin { print(getopt("a", 1, "how many")); print(getopt("b")); }', named=(("help", None),))
    assert outcome.status == 1
    assert outcome.text == "HINT: expected program options:\n--a: how many\n--b\n"


def test_no_options_at_all() -> None:
    assert Outcome("begin { }", named=(("b", None),)).text == (
        "ERROR: unexpected program command line options: --b\nHINT: no custom program options defined.\n"
    )
