"""Assignments, declarations and scopes of variables (LANGUAGE 5.3, 6, 14.3, 14.4)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pytrace.semantics import program as core
from pytrace.semantics.types import I8, I16
from tests.semantics.typing.support import Typed


@pytest.mark.parametrize(
    ("body", "types"),
    [
        ("$v = 9; $v = -300;", {"$v": "int16"}),
        ("$v = 9; $v = nsecs; $v = 9;", {"$v": "uint64"}),
        ("$v = pid; $v = -1;", {"$v": "int64"}),
        ("$v = (uint16)1; $v = (int16)2;", {"$v": "int32"}),
        ("$v = 1; $v++;", {"$v": "int64"}),
        ("$v = pid; $v++;", {"$v": "uint64"}),
        ("$v = pid; --$v;", {"$v": "int64"}),
        ("$v = 1; $v += pid;", {"$v": "uint64"}),
        ("$b = 1; $v = $b + 1; $b = nsecs;", {"$v": "uint64", "$b": "uint64"}),
        ('$v = "ab"; $w = $v; $v = "abcdef";', {"$v": "string[7]", "$w": "string[7]"}),
        ('$v = (1, "a"); $v = (70000, "abcd");', {"$v": "(int32,string[5])"}),
        ('$v = (a=1, b="x"); $v = (b="xyz", a=pid);', {"$v": "record { .a = uint32, .b = string[4] }"}),
        ("$v = RED; $v = AMBER;", {"$v": "enum lamp"}),
        ("$v = RED; $v = 5;", {"$v": "uint64"}),
        ("$v = (int8 *)1; $v = (uint32 *)2;", {"$v": "int64 *"}),
        ("@c = count(); $v = @c;", {"$v": "uint64"}),
        ("let $v: int16 = 1; $v = pid;", {"$v": "int16"}),
        ('let $v: string = "a"; $v = "abc";', {"$v": "string[4]"}),
        ('let $v: string[20] = "x";', {"$v": "string[20]"}),
        ("let $v; $v = -1;", {"$v": "int8"}),
        ("let $w; let $v: typeof($w) = 1; $w = (uint16)3;", {"$v": "uint16"}),
        ("let $v: uint8 = 3; $w = $v++;", {"$v": "uint8", "$w": "uint8"}),
        ("for $v : 0..pid { $w = $v; }", {"$v": "uint32", "$w": "uint32"}),
        ("for $v : (-1)..pid { }", {"$v": "int64"}),
        ("for $v : 0..5 { $v = 300; }", {"$v": "int16"}),
        ("@m[1, true] = nsecs; for $v : @m { $w = $v.1; }", {"$v": "((int8,bool),uint64)", "$w": "uint64"}),
        ("@m[1] = sum(-1); for $v : @m { }", {"$v": "(int8,int64)"}),
    ],
)
def test_types(body: str, types: dict[str, str]) -> None:
    """A variable has the common type of everything it is assigned anywhere in its scope."""
    found = Typed(f"begin {{ {body} }}").types
    assert {name: found[name] for name in types} == types


def test_order_does_not_matter_for_chains() -> None:
    """Types travel against the order of the text, through many variables."""
    names = [f"$v{n}" for n in range(60)]
    body = "".join(f"let {name}; " for name in names)
    body += "".join(f"{a} = {b}; " for a, b in pairwise(names)) + f"{names[-1]} = nsecs;"
    assert set(Typed(f"begin {{ {body} }}").types.values()) == {"uint64"}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (
            "$s = 5; $s = true;",
            "17-26 Type mismatch for $s: trying to assign value of type 'bool' when variable already has a type 'int8'",
        ),
        (
            "let $x: uint8 = 256;",
            "9-28 Type mismatch for $x: trying to assign value of type 'int16' when variable already has a type "
            "'uint8'",
        ),
        (
            "let $x: uint16; $x = -1;",
            "25-32 Type mismatch for $x: trying to assign value of type 'int8' when variable already has a type "
            "'uint16'",
        ),
        (
            'let $x: string[3] = "abcdef";',
            "9-37 Type mismatch for $x: trying to assign value of type 'string[7]' when variable already has a type "
            "'string[3]'",
        ),
        (
            "$x = 9223372036854775808; $x = -1;",
            "9-33 Type mismatch for $x: trying to assign value of type 'uint64' when variable already has a type "
            "'int64'",
        ),
        (
            "$x = true; $x++;",
            "20-24 Type mismatch for $x: trying to assign value of type 'uint64' when variable already has a "
            "type 'bool'",
        ),
        ("$f = print(1);", "9-22 Value 'void' cannot be assigned to a scratch variable."),
        ("@h = hist(1); $f = @h;", "23-30 Value 'hist_t' cannot be assigned to a scratch variable."),
        ("$f = { print(1); };", "9-27 Invalid expression for assignment"),
        ("$f = if (pid) { 1 };", "9-28 Invalid expression for assignment"),
        ("$f = count();", "14-21 count() must be assigned directly to a map"),
        ("let $x: count_t;", "17-24 Invalid variable declaration type: count_t"),
        ("let $x: void;", "17-21 Invalid variable declaration type: void"),
        ("let $x: nosuch;", '17-23 Cannot resolve unknown type "nosuch"'),
        ("let $x: nosuch = 1; print($x);", '17-23 Cannot resolve unknown type "nosuch"'),
        ("let $u; print($u);", "23-25 Could not resolve the type of this variable"),
        ("let $u; let $v; $u = $v; $v = $u;", "30-32 Could not resolve the type of this variable"),
        ("let $c; $c++;", "17-19 Could not resolve the type of this variable"),
        ("for $i : 0..true { }", "9-25 Loop range requires an integer for the end value"),
        ('for $i : "a"..3 { }', "9-24 Loop range requires an integer for the start value"),
        ("@c = count(); for $i : 0..@c { }", "23-37 Loop range requires an integer for the end value"),
        ("@h[1] = hist(3); for $e : @h { }", "35-37 Loop expression does not support type: hist_t"),
    ],
)
def test_errors(body: str, place: str) -> None:
    """What cannot be assigned, and where the message points."""
    assert Typed(f"begin {{ {body} }}").places == [place]


def test_a_type_that_grows_without_end() -> None:
    """A tuple that contains itself is an error, not an endless search."""
    assert "Could not resolve the type of this variable" in Typed("begin { let $t; $t = ($t, 1); }").errors


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ("$a = (int64)1; $a = (uint64)2;", ["29-37"]),
        ("$q = -1; let $p: uint16 = $q;", ["35-37"]),
        ("$t = ((int64)1, 2); $u = (nsecs, 3); $t = $u;", ["51-53"]),
        ("$t = ((int64)1, 2); $t = (nsecs, 3);", ["35-40"]),
        ("$x = if (pid) { nsecs } else { -1 };", ["23-32"]),
        ("let $p: uint8 = 250;", []),
        ("$a = 1; $a = (uint64)2;", []),
        ("let $p: int64 = pid;", []),
    ],
)
def test_conversion_warnings(body: str, places: list[str]) -> None:
    """An implicit conversion that may lose the value is marked at the value."""
    typed = Typed(f"begin {{ {body} }}")
    assert typed.errors == []
    marked = [d.span.location().rsplit(":", 1)[1] for d in typed.diagnostics.warnings if d.span]
    assert marked == places


def test_one_name_in_two_scopes() -> None:
    """Sibling blocks have variables of their own."""
    typed = Typed('begin { { $v = 8; print($v); } { $v = "text"; print($v); } }')
    assert typed.program is not None
    assert [str(var.type) for var in typed.program.probes[0].variables] == ["int8", "string[5]"]


def test_let_without_value_is_zero() -> None:
    """A declared variable starts from zero each time its block is entered."""
    body = Typed("begin { for $i : 0..3 { let $x: int16; print($x); $x = 5; } }").body
    loop = body[0]
    assert isinstance(loop, core.RangeLoop) and isinstance(loop.body[0], core.SetVar)
    assert isinstance(loop.body[0].value, core.Zero) and loop.body[0].var.type == I16


def test_step_widens_but_keeps_declared_types() -> None:
    """`++` on a declared variable stays in its type."""
    step = Typed("begin { let $x: int8 = 1; $x++; }").body[-1]
    assert isinstance(step, core.Evaluate) and isinstance(step.expr, core.Step)
    assert step.expr.type == I8 and step.expr.delta == 1


def test_steps_of_pointers_are_scaled() -> None:
    """`--` on a pointer moves by one element."""
    step = Typed("begin { $p = (int32 *)64; --$p; }").body[-1]
    assert isinstance(step, core.Evaluate) and isinstance(step.expr, core.Step)
    assert (step.expr.delta, step.expr.prefix) == (-4, True)


@pytest.mark.parametrize("assigned", ["(x=$a, y=$a)", "($a, $a)", "(1, ($a, 2))"])
def test_a_type_that_would_hold_itself(assigned: str):
    """Such types double with each round; they end with the first."""
    typed = Typed(f"begin {{ let $a; $a = {assigned}; }}")
    assert "Could not resolve the type of this variable" in typed.errors


def test_pairs_of_pairs_have_an_end():
    lines = "".join(f"$a{n} = ($a{n - 1}, $a{n - 1}); " for n in range(1, 40))
    typed = Typed(f"begin {{ $a0 = (1, 2); {lines} }}")
    assert "A tuple or record has at most 2000 members, in all its depth" in typed.errors
