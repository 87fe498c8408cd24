"""Casts (LANGUAGE 15)."""

from __future__ import annotations

import pytest

from pytrace.semantics import program as core
from pytrace.semantics.types import U8, Pointer
from tests.semantics.typing.support import Typed, errors_of, type_of, value_of

BEFORE = (
    '$v = -2; $b = true; $s = "abc"; $t = (1, 2); $a = (uint8[4])pid; $p = (struct point *)64; '
    "@c = count(); @h = hist(1);"
)


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("(uint16)$v", "uint16"),
        ("(uint8)$b", "uint8"),
        ("(int32)$p", "int32"),
        ("(bool)$s", "bool"),
        ("(bool)$p", "bool"),
        ("(int8 *)$v", "int8 *"),
        ("(int8 *)$s", "int8 *"),
        ("(int8 *)kstack", "int8 *"),
        ("(void *)$p", "void *"),
        ("(struct node *)$p", "struct node *"),
        ("(uint8[4])pid", "uint8[4]"),
        ("(uint16[2])pid", "uint16[2]"),
        ("(uint8[8])pid", "uint8[8]"),
        ("(bool[4])pid", "bool[4]"),
        ("(int8[4])$s", "int8[4]"),
        ("(int8[])$s", "int8[4]"),
        ("(uint16[])nsecs", "uint16[4]"),
        ("(uint32)$a", "uint32"),
        ("(string[10])$s", "string[10]"),
        ("(enum lamp)pid", "enum lamp"),
        ("(enum lamp)4", "enum lamp"),
        ("(int64)RED", "int64"),
        ("(username_t)uid", "username_t"),
        ("(uint8)@c", "uint8"),
        ("(bool)@c", "bool"),
        ("(typeof($v))300", "int8"),
        ("(int)3", "int32"),
        ("(u8)3", "uint8"),
        ("(int64 *[2])nsecs", None),
    ],
)
def test_types(expression: str, type_: str | None) -> None:
    """What can be cast to what."""
    if type_ is None:
        assert errors_of(expression, BEFORE)
    else:
        assert type_of(expression, BEFORE) == type_


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(int32)$t", 'Cannot cast from "(int8,int8)" to "int32"'),
        ("(int32)$s", 'Cannot cast from "string[4]" to "int32"'),
        ("(string[3])$s", 'Cannot cast from "string[4]" to "string[3]"'),
        ("(int8[5])$s", 'Cannot cast from "string[4]" to "int8[5]"'),
        ("(uint8[3])pid", 'Cannot cast from "uint32" to "uint8[3]"'),
        ("(uint8[16])nsecs", 'Cannot cast from "uint64" to "uint8[16]"'),
        ("(uint64)$a", 'Cannot cast from "uint8[4]" to "uint64"'),
        ("(uint16[2])$a", 'Cannot cast from "uint8[4]" to "uint16[2]"'),
        ("(bool)$a", 'Cannot cast from "uint8[4]" to "bool"'),
        ("(uint8 *)$a", 'Cannot cast from "uint8[4]" to "uint8 *"'),
        ("(int64)kstack", 'Cannot cast from "kstack_bpftrace_127" to "int64"'),
        ("(username_t)$s", 'Cannot cast from "string[4]" to "username_t"'),
        ("(int64)*$p", 'Cannot cast from C type "struct point"'),
        ("(struct point)pid", 'Cannot cast from "uint32" to "struct point"'),
        ("(int64)@h", 'Cannot cast from "hist_t" to "int64"'),
        ("(int64)print(1)", 'Cannot cast from "void" type'),
        ("(enum nosuch)1", "Unknown enum: nosuch"),
        ("(enum lamp)1", "Enum: lamp doesn't contain a variant value of 1"),
        ("(struct nosuch *)1", 'Cannot resolve unknown type "struct nosuch"'),
        ("(nosuch)pid", 'Cannot resolve unknown type "nosuch"'),
        ("(uint64[])pid", "Cannot determine array size: the element size is incompatible with the cast integer size"),
    ],
)
def test_errors(expression: str, message: str) -> None:
    """Casts that do not exist."""
    assert errors_of(expression, BEFORE) == [message]


@pytest.mark.parametrize(
    "expression",
    ["(int32)(int32)1", "(uint32)pid", "(int8)-3", "(uint64)9223372036854775808", "(struct point *)$p"],
)
def test_unnecessary(expression: str) -> None:
    """A cast to the same type is worth a warning."""
    warnings = Typed(f"begin {{ {BEFORE} $x = {expression}; }}").warnings
    assert any(w.startswith("Unnecessary cast: expression is already of type ") for w in warnings)


def test_a_cast_silences_the_conversion() -> None:
    """An explicit cast may lose bits without a warning."""
    assert Typed("begin { let $x: uint8 = (uint8)nsecs; }").warnings == []


def test_a_cast_literal_is_no_literal() -> None:
    """`(uint8)1` keeps its type in arithmetic and is not flexible."""
    assert type_of("(int8)1 + pid") == "int64"
    assert type_of("(uint8)1 + 1") == "uint64"


def test_a_cast_to_bool_is_folded() -> None:
    """The truth of a literal is a literal."""
    value = value_of("(bool)sizeof(int32)")
    assert isinstance(value, core.Const) and value.value == 1


def test_addresses_are_not_sign_extended() -> None:
    """A narrow signed integer becomes an address by its own bits."""
    value = value_of("(int8 *)$v", "$v = (int8)-3;")
    assert isinstance(value, core.Convert) and isinstance(value.type, Pointer)
    assert isinstance(value.value, core.Convert) and value.value.type == U8


def test_casts_mark_their_type() -> None:
    """A diagnostic about a cast marks `(T)` only."""
    assert Typed("begin { $x = (int32)(1, 2); }").places == ['14-21 Cannot cast from "(int8,int8)" to "int32"']
