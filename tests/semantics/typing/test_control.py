"""Statements, blocks, choices and loops (LANGUAGE 5)."""

from __future__ import annotations

import pytest

from pytrace.semantics import program as core
from pytrace.semantics.types import I64, U64
from tests.semantics.typing.support import Typed, errors_of, type_of, value_of


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("{ let $t = 6; $t * 7 }", "int64"),
        ("{ 2 } + { 3 }", "int8"),
        ('if (pid) { "no" } else { "yes" }', "string[4]"),
        ("if (pid) { 1 } else if (tid) { nsecs } else { 300 }", "uint64"),
        ("pid ? -1 : pid", "int64"),
        ('1 ? 1 : "a"', "int8"),
        ('if (1) { 1 } else { "a" }', "int8"),
        ("pid ? (1, 2) : (300, 4)", "(int16,int8)"),
        ("pid ? RED : AMBER", "enum lamp"),
        ("@c ? 1 : 2", None),
        ("if (pid) { @c } else { 1 }", "uint64"),
    ],
)
def test_values(expression: str, type_: str | None) -> None:
    """Blocks and choices have values."""
    if type_ is None:
        assert errors_of(expression, "@c = count();") == ["Invalid condition: count_t"]
    else:
        assert type_of(expression, "@c = count();") == type_


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ('pid ? 1 : "a"', "Branches must return the same type or compatible types: have 'int8' and 'string[2]'"),
        ("pid ? 1 : true", "Branches must return the same type or compatible types: have 'int8' and 'bool'"),
        (
            "pid ? (int8 *)1 : (void *)1",
            "Branches must return the same type or compatible types: have 'int8 *' and 'void *'",
        ),
        ("$s ? 1 : 2", "Invalid condition: string"),
        ("(1, 2) ? 1 : 2", "Invalid condition: tuple"),
        ("kstack ? 1 : 2", "Invalid condition: kstack"),
        ("pid ? @h : @h", "Branches must return the same type or compatible types: have 'hist_t' and 'hist_t'"),
        (
            "if (pid) { 1 } else { print(1); }",
            "Branches must return the same type or compatible types: have 'int8' and 'none'",
        ),
    ],
)  # fmt: skip
def test_errors(expression: str, message: str) -> None:
    """Choices that have no type."""
    assert errors_of(expression, '$s = "a"; @h = hist(1);') == [message]


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ("5; print(1);", ["9-11"]),
        ("1", ["9-10"]),
        ("$a = 1; $a++; @m++; ++@m;", []),
        ("@m[1] = 1; _ = @m[1]; _ = 5;", []),
        ("@m[1] = 1; @m[1];", ["20-25"]),
        ("if (pid) { 1 } else { 2 }", ["20-21", "31-32"]),
        ('if (pid) { 1 } else { "a" }', ["20-21", "31-34"]),
        ("if (pid) { 1 } print(3);", ["20-21"]),
        ('pid ? 1 : "a";', ["15-16", "19-22"]),
        ("for $i : 0..3 { 7 }", ["25-26"]),
        ("print(1); clear(@m); @m = 1;", []),
        ("{ { print(1) } }", []),
    ],
)
def test_discarded_values(body: str, places: list[str]) -> None:
    """A value that nothing uses is worth a warning, at the value."""
    typed = Typed(f"begin {{ {body} }}")
    assert typed.errors == []
    found = [d for d in typed.diagnostics.warnings if d.message == "Return value discarded."]
    assert [d.span.location().rsplit(":", 1)[1] for d in found if d.span] == places


def test_discarded_values_of_macros() -> None:
    """The value that the body of a macro ends with is marked at the call."""
    for body in ("x", "x;", "5; print(x); x"):
        typed = Typed(f"macro m(x) {{ {body} }} begin {{ m(1 + 1); }}")
        assert typed.diagnostics.warnings[-1].span is not None
        assert typed.diagnostics.warnings[-1].span.text.rstrip(";") == "m(1 + 1)"


def test_an_if_with_values_in_the_middle() -> None:
    """An `if` whose value is dropped before the end is marked as a whole, and its branches have to agree."""
    (item,) = Typed("begin { if (pid) { 1 } else { 2 } print(3); }").diagnostics.warnings
    assert item.span is not None and item.span.text.startswith("if (pid)")
    errors = Typed('begin { if (pid) { 1 } else { "a" } print(3); }').errors
    assert errors == ["Branches must return the same type or compatible types: have 'int8' and 'string[2]'"]


def test_conditions_are_booleans() -> None:
    """Integers, pointers, enumerators and literal texts are conditions."""
    for condition in ("pid", "-1", "curtask_like", '"text"', "RED", "pid == 1", "&$x"):
        condition = condition.replace("curtask_like", "(struct node *)pid")
        assert Typed(f"begin {{ $x = 1; if ({condition}) {{ print(1); }} }}").errors == []


def test_a_decided_condition_keeps_one_branch() -> None:
    """`if (0)` checks both branches and runs none."""
    assert Typed("begin { if (0) { print(1); } }").body == ()
    assert Typed('begin { if (0) { $x = "a" + 1 + pid; } }').errors


def test_while_warns_and_loops() -> None:
    """`while` is deprecated, and works."""
    typed = Typed("begin { $i = 0; while ($i < 5) { $i++; } }")
    assert typed.warnings == ["While loops are deprecated and may be removed in the future."]
    assert isinstance(typed.body[-1], core.WhileLoop)


def test_unroll_repeats_its_body() -> None:
    """Each copy of an unrolled block starts afresh."""
    body = Typed("begin { unroll(3) { let $q = 1; $q++; } }").body
    assert len(body) == 6 and [type(s) for s in body[:2]] == [core.SetVar, core.Evaluate]


@pytest.mark.parametrize(("bounds", "type_"), [("0..5", I64), ("0..nsecs", U64), ("(-1)..pid", I64), ("pid..300", U64)])
def test_ranges_count_in_64_bits(bounds: str, type_: object) -> None:
    """The bounds of a range are compared in 64 bits."""
    (loop,) = Typed(f"begin {{ for $i : {bounds} {{ }} }}").body
    assert isinstance(loop, core.RangeLoop) and loop.start.type == loop.end.type == type_


def test_range_bounds_convert_without_loss() -> None:
    """`0..5` counts in int64 constants."""
    (loop,) = Typed("begin { for $i : 0..5 { } }").body
    assert isinstance(loop, core.RangeLoop)
    assert isinstance(loop.start, core.Const) and isinstance(loop.end, core.Const)
    assert (loop.start.value, loop.end.value) == (0, 5)


@pytest.mark.parametrize("value", ["1", "nsecs", "-1", "$v"])
def test_return_values(value: str) -> None:
    """A probe returns integers, in 64 bits."""
    last = Typed(f"begin {{ $v = 1; return {value}; }}").body[-1]
    assert isinstance(last, core.Return) and last.value is not None


@pytest.mark.parametrize(
    ("value", "type_"),
    [('"a"', "string[2]"), ("true", "bool"), ("(1, 2)", "(int8,int8)"), ("kstack", "kstack_bpftrace_127")],
)
def test_return_errors(value: str, type_: str) -> None:
    """Nothing but integers is returned."""
    assert Typed(f"begin {{ return {value}; }}").errors == [f"Probe return values can only be integers. Found {type_}"]


def test_elvis_evaluates_its_condition_twice() -> None:
    """`a ?: b` is `a ? a : b`."""
    value = value_of("rand ?: 5")
    assert isinstance(value, core.Select) and isinstance(value.cond, core.Convert)
    assert value.cond.value == value.then


def test_effects_have_no_value() -> None:
    """Two void branches are fine as a statement, and no value."""
    assert Typed("begin { (pid) ? print(1) : print(2); }").errors == []
    assert errors_of("pid ? print(1) : print(2)") == ["Value 'void' cannot be assigned to a scratch variable."]


def test_tuples_hold_values_only() -> None:
    """What has no value, or no place, is no member."""
    assert errors_of("(1, print(1))") == ["Value 'void' cannot exist inside a tuple."]
    assert errors_of("(a=1, b=@h)", "@h = hist(1);") == ["Map type hist_t cannot exist inside a tuple."]


def test_long_strings() -> None:
    """A literal has to fit into `max_strlen`, except where it is a format."""
    text = 'config = { max_strlen = 8 } begin { printf("abcdefghijkl"); print("abcdefg"); print("abcdefgh"); }'
    assert Typed(text).errors == ["String is too long (over 8 bytes): abcdefgh"]
