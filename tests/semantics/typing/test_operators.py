"""Types and forms of operators (LANGUAGE 14.2, 14.11, 16)."""

from __future__ import annotations

import pytest

from pytrace.semantics import program as core
from pytrace.semantics.types import BOOL, I64, U64
from tests.semantics.typing.support import Typed, errors_of, type_of, value_of


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("pid + 1", "uint64"),
        ("pid + (int8)1", "int64"),
        ("pid + -1", "int64"),
        ("nsecs * nsecs", "uint64"),
        ("$v + 1", "int64"),
        ("$v + $v", "int64"),
        ("$v << pid", "uint64"),
        ("nsecs - 1", "int64"),
        ("pid - pid", "int64"),
        ("$b + 1", "uint64"),
        ("$b + $b", "bool"),
        ("$b << $b", "bool"),
        ("1 - $b", "int64"),
        ("pid / 2", "uint64"),
        ("(int32)pid >> 2", "int64"),
        ("pid == -1", "bool"),
        ("pid && $b", "bool"),
        ("-$v", "int64"),
        ("-pid", "uint64"),
        ("~(int8)3", "int64"),
        ("~pid", "uint64"),
        ("!pid", "bool"),
        ("RED + 1", "uint64"),
        ("RED == AMBER", "bool"),
        ("5 - 5", "int8"),
        ("sizeof(int64) + 1", "int8"),
        ("$p + 1", "int16 *"),
        ("1 + $p", "int16 *"),
        ("$p - nsecs", "int16 *"),
        ("$p == 3", "bool"),
        ("$p && 1", "bool"),
        ('"ab" == comm', "bool"),
        ("1 ?: 2", "int8"),
        ("pid ?: -2", "int64"),
    ],
)
def test_types(expression: str, type_: str) -> None:
    """The type of a result follows from its operands."""
    assert type_of(expression, "$v = 1; $b = true; $p = (int16 *)64;") == type_


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ('"a" + $v', "Type mismatch for '+': comparing string[2] with int8"),
        ("$s + $s", "The + operator can not be used on expressions of types string[4], string[4]"),
        ("$s < $s", "The < operator can not be used on expressions of types string[4], string[4]"),
        ("$s && 1", "Type mismatch for '&&': comparing string[4] with int8"),
        ("-$s", "The - operator can not be used on expressions of type 'string[4]'"),
        ("-$b", "The - operator can not be used on expressions of type 'bool'"),
        ("!$p", "The ! operator can not be used on expressions of type 'int16 *'"),
        ("1 - $p", "The - operator can not be used on expressions of types int8, int16 *"),
        ("$p - $p", "The - operator can not be used on expressions of types int16 *, int16 *"),
        ("$p * 2", "The * operator can not be used on expressions of types int16 *, int8"),
        ('$p == $s', "The == operator can not be used on expressions of types int16 *, string[4]"),
        ("$t == ($v, 2, 3)", "Type mismatch for '==': comparing (int8,int8) with (int8,int8,int8)"),
        ("$a == (int8[4])pid", "Only arrays of same sized integer support comparison operators."),
        ("$a == (uint8[8])nsecs", "Only arrays of same size support comparison operators."),
        ("$a < $a", "The < operator cannot be used on arrays."),
        ("18446744073709551615 + sizeof(int8)", "unable to fold literals due to overflow or underflow"),
        ("@h + 1", "Type mismatch for '+': comparing hist_t with int8"),
        ("-@c", "The - operator can not be used on expressions of type 'count_t'"),
        ("kstack == kstack(3)", "Type mismatch for '==': comparing kstack_bpftrace_127 with kstack_bpftrace_3"),
    ],
)
def test_errors(expression: str, message: str) -> None:
    """Operands that an operator does not take."""
    before = '$v = 1; $t = (1, 2); $b = true; $p = (int16 *)64; $s = "abc"; $a = (uint8[4])pid; '
    before += "@h = hist(1); @c = count();"
    assert errors_of(expression, before) == [message]


def test_mismatch_shows_both_sides() -> None:
    """A mismatch marks the operation, then each operand with its type."""
    text = Typed('begin { $a = "x" == (uint8)5; }').text
    assert "stdin:1:14-29: ERROR: Type mismatch for '==': comparing string[2] with uint8" in text
    assert "stdin:1:14-17: ERROR: left (string[2])" in text
    assert "stdin:1:21-28: ERROR: right (uint8)" in text


@pytest.mark.parametrize(
    ("statement", "warning"),
    [
        ("$x = nsecs - 1", "Expression of type: uint64 being cast to type: int64. This may cause unexpected results"),
        ("$x = (int64)pid == nsecs", "Expression of type: uint64 being cast to type: int64."),
        ("$x = pid % (int8)3", "signed operands for '%' can lead to undefined behavior"),
        ("$x = (int64)3 / 2", "signed operands for '/' can lead to undefined behavior"),
        ("$x = (int8 *)1 == (int16 *)1", "comparison of distinct pointer types: int8, int16"),
        ("$x = kptr(pid) == uptr(tid)", "Addrspace mismatch"),
    ],
)
def test_warnings(statement: str, warning: str) -> None:
    """Operations that may surprise."""
    assert any(text.startswith(warning) for text in Typed(f"begin {{ {statement}; }}").warnings)


@pytest.mark.parametrize(
    "statement",
    ["$x = pid - 1", "$x = 1 == nsecs", "$x = nsecs / 2", "$v = 5; $x = nsecs + $v", "$x = -5 / 2"],
)
def test_no_warnings(statement: str) -> None:
    """Literals and flexible variables convert for free, and so does what fits."""
    assert Typed(f"begin {{ {statement}; }}").warnings == []


def test_negation_is_done_in_64_bits() -> None:
    """`-$a` of a narrow variable is extended first: -5, not 251."""
    value = value_of("-$a", "$a = 5;")
    assert isinstance(value, core.Arith) and value.type == I64 and value.op == "sub"
    assert isinstance(value.right, core.Convert) and value.right.type == I64


def test_complement_of_unsigned() -> None:
    """`~` on unsigned values flips all 64 bits."""
    value = value_of("~pid")
    assert isinstance(value, core.Arith) and isinstance(value.right, core.Const)
    assert (value.op, value.right.value, value.type) == ("xor", (1 << 64) - 1, U64)


@pytest.mark.parametrize("expression", ["$p + @c", "@c + $p", "@c == $p", "@c && $p", "$p < @c"])
def test_pointers_and_aggregations(expression: str) -> None:
    """An aggregation counts as a number, but not as an offset or an address."""
    (error,) = Typed(f"begin {{ @c = count(); $p = (int16 *)64; print({expression}); }}").errors
    assert "operator can not be used on expressions of types" in error and "count_t" in error


@pytest.mark.parametrize(
    ("expression", "warns"),
    [
        ("nsecs && $i", True),
        ("$i || nsecs", True),
        ("nsecs - $b", True),
        ("pid && $i", False),
        ("nsecs && 1", False),
        ("nsecs && $b", False),
        ("nsecs * $b", False),
        ("@c + $i", False),
        ("@c && $i", False),
        ("@c - @c", False),
    ],
)
def test_warnings_of_lost_values(expression: str, warns: bool) -> None:
    """Operands that are brought to a common type are warned of, other than aggregations."""
    typed = Typed(f"begin {{ @c = count(); $i = (int16)5; $b = pid == 1; print({expression}); }}")
    assert any("being cast to type" in item.message for item in typed.diagnostics.warnings) == warns


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        ("$n = 0; $n = $n + 1; $n = nsecs;", "uint64"),
        ("$n = 0; $n += 1; $n = 9223372036854775808;", "uint64"),
        ("$n = 0; $m = $n + 1; $n = $m; $n = nsecs;", "uint64"),
        ("$n = 0; $n = $n + 1;", "int64"),
        ("$n = 0; $n = $n + 1; $n = -1;", "int64"),
        ("$n = 0; $n = $n - 1;", "int64"),
    ],
)
def test_sums_that_feed_back(body: str, type_: str) -> None:
    """What a variable is made of by itself takes the sign that its other sources have."""
    assert type_of("$n", body) == type_


def test_other_sums_are_signed() -> None:
    """A sum of numbers without a sign of their own is signed where it does not feed back."""
    typed = Typed("begin { $a = 1; $b = $a + 1; $b = 9223372036854775808; }")
    assert typed.errors and "'int64'" in typed.errors[0]


def test_void_pointers() -> None:
    """A variable that is declared as `void *` holds pointers of all types, and gives them to all others."""
    assert not Typed("begin { let $p: void * = (int16 *)64; $p = (int8 *)64; let $q: int8 * = $p; }").errors
    assert Typed("begin { let $p: int8 * = (int16 **)64; }").errors
    assert Typed("begin { $p = (int16 *)64; $p = (void *)64; }").errors


def test_pointer_arithmetic_is_scaled() -> None:
    """`p + n` adds n elements."""
    value = value_of("$p + 3", "$p = (int32 *)64;")
    assert isinstance(value, core.Convert) and isinstance(value.value, core.Arith)
    assert isinstance(value.value.right, core.Const) and value.value.right.value == 12


def test_bool_arithmetic_gives_whether_not_zero() -> None:
    """Two booleans are added as numbers, and the sum is a boolean."""
    value = value_of("$b + $b", "$b = true;")
    assert isinstance(value, core.Convert) and value.type == BOOL


def test_tuples_are_compared_in_their_common_type() -> None:
    """Members of different width are widened before tuples are compared."""
    value = value_of("($v, pid) == ($v, 5)", "$v = 1;")
    assert isinstance(value, core.Equal) and value.left.type == value.right.type


def test_long_chains_do_not_nest() -> None:
    """A sum of hundreds of terms takes no stack."""
    terms = " + ".join(["pid"] * 400)
    assert type_of(terms) == "uint64"
