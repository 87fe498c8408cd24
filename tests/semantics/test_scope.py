"""Scratch variables (LANGUAGE 6), `unroll` counts (5.6), type contexts (13)."""

from __future__ import annotations

import pytest

from tests.semantics.passes import Outcome


@pytest.mark.parametrize(
    "text",
    [
        "begin { { let $x = 3; } let $x = 1; }",
        "begin { { $v = 8; } { $v = 1; print($v); } }",
        "begin { let $v; if (1) { $v = 8; } print($v); }",
        "begin { for ($i : 0..3) { $i++; } for ($i : 0..3) { } }",
        "begin { let $x: int32; $y = &$x; print(($x, $y)); }",
        "begin { let $v: int8; @a[1] = 1; if (find(@a, 1, $v)) { print($v); } }",
        "begin { let $x; print(sizeof($x)); $x = 1; }",
        "begin { $a = 1; } end { $a = 2; }",
        "fn f($a: typeof($b), $b: int64): typeof($a) { $a = $b; return $a; } begin { }",
        "begin { unroll(1 + 1) { $q = 1; } }",
    ],
)
def test_fine(text: str) -> None:
    assert Outcome(text).text == ""


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("begin { print($x); $x = 1; }", ["stdin:1:15-17: ERROR: Undefined or undeclared variable: $x"]),
        ("begin { $x = $x + 1; }", ["stdin:1:14-16: ERROR: Undefined or undeclared variable: $x"]),
        ("begin { let $x = $x; }", ["stdin:1:18-20: ERROR: Undefined or undeclared variable: $x"]),
        ("begin { $x++; }", ["stdin:1:9-11: ERROR: Undefined or undeclared variable: $x"]),
        ("begin { $x += 1; }", ["stdin:1:9-11: ERROR: Undefined or undeclared variable: $x"]),
        ("begin { $b = &$x; }", ["stdin:1:15-17: ERROR: Undefined or undeclared variable: $x"]),
        ("begin { if (1) { $v = 8; } print($v); }", ["stdin:1:34-36: ERROR: Undefined or undeclared variable: $v"]),
        ("begin { for ($i : 0..$i) { } }", ["stdin:1:22-24: ERROR: Undefined or undeclared variable: $i"]),
        ("begin { for ($i : 0..3) { } print($i); }", ["stdin:1:35-37: ERROR: Undefined or undeclared variable: $i"]),
        ("begin / $x / { }", ["stdin:1:9-11: ERROR: Undefined or undeclared variable: $x"]),
        ("begin { print(sizeof($x)); }", ["stdin:1:22-24: ERROR: Undefined or undeclared variable: $x"]),
        ("begin { @a[$x] = $y; }", ["stdin:1:12-14: ERROR: Undefined or undeclared variable: $x",
                                    "stdin:1:18-20: ERROR: Undefined or undeclared variable: $y"]),
        ("begin { $a = 1; let $a = 2; }",
         ["stdin:1:17-23: ERROR: Variable $a was already declared. Variable shadowing is not allowed.",
          "stdin:1:9-15: ERROR: This is the initial assignment."]),
        ("begin { let $x = 1; { let $x = 2; } }",
         ["stdin:1:23-29: ERROR: Variable $x was already declared. Variable shadowing is not allowed.",
          "stdin:1:9-15: ERROR: This is the initial declaration."]),
        ("begin { $n = 7; for ($n : 2..20) { print($n) } }",
         ["stdin:1:22-24: ERROR: Loop declaration shadows existing variable: $n",
          "stdin:1:9-15: ERROR: This is the initial assignment."]),
        ("begin { for ($i : 0..3) { let $i = 2; } }",
         ["stdin:1:27-33: ERROR: Variable $i was already declared. Variable shadowing is not allowed.",
          "stdin:1:14-16: ERROR: This is the loop variable."]),
        ("fn run($k: int64): void { for ($k : 2..20) { print($k) } } begin { }",
         ["stdin:1:32-34: ERROR: Loop declaration shadows existing variable: $k",
          "stdin:1:8-17: ERROR: This is the function parameter."]),
        ("begin { let $x: int8; print($x); $x = 1; }",
         ["stdin:1:29-31: WARNING: Variable used before it was assigned: $x"]),
        ("begin { let $x: int8; $x += 1; }", ["stdin:1:23-25: WARNING: Variable used before it was assigned: $x"]),
        ("begin { let $x; }", ["stdin:1:9-15: WARNING: Variable $x was never assigned to."]),
        ("begin { let $x: int8; $x++; }",
         ["stdin:1:23-25: WARNING: Variable used before it was assigned: $x",
          "stdin:1:9-15: WARNING: Variable $x was never assigned to."]),
        ("begin { unroll(0) { } }", ["stdin:1:9-22: ERROR: unroll minimum value is 1"]),
        ("begin { unroll(101) { } }", ["stdin:1:9-24: ERROR: unroll maximum value is 100"]),
        ("begin { unroll(-1) { } }", ["stdin:1:9-23: ERROR: invalid unroll value"]),
        ('begin { unroll("a") { } }', ["stdin:1:9-24: ERROR: invalid unroll value"]),
        ("begin { unroll(true) { } }", ["stdin:1:9-25: ERROR: invalid unroll value"]),
        ("begin { $x = 2; unroll($x) { } }", ["stdin:1:17-31: ERROR: invalid unroll value"]),
        ("begin { print(sizeof({ @x = 1; 2 })); }",
         ["stdin:1:24-30: ERROR: Map assignments not allowed inside of sizeof"]),
        ("begin { let $a: typeof({ @x[1] = 1; 2 }) = 3; }",
         ["stdin:1:26-35: ERROR: Map assignments not allowed inside of typeof or typeinfo"]),
    ],
)
def test_messages(text: str, messages: list[str]) -> None:
    assert [line for line in Outcome(text).text.splitlines() if line.startswith("stdin:")] == messages


def test_undecided_branches_are_checked_for_variables() -> None:
    assert Outcome("begin { if comptime (sizeof(1) == 2) { print($zz); } }").errors == [
        "Undefined or undeclared variable: $zz"
    ]
