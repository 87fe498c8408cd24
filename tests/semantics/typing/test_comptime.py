"""What is decided while compiling: type contexts, `sizeof`, `typeinfo`, `if comptime` (LANGUAGE 8, 13)."""

from __future__ import annotations

import pytest

from pytrace.semantics import program as core
from tests.semantics.typing.support import Typed, errors_of, type_of, value_of

TYPEINFO = "config = { unstable_typeinfo=enable } "


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("sizeof(int16)", 2),
        ("sizeof(int64 *[3])", 24),
        ("sizeof(uint8[3][2])", 6),
        ("sizeof(string[9])", 9),
        ("sizeof(struct point)", 8),
        ("sizeof(*$p)", 8),
        ("sizeof($v)", 2),
        ("sizeof(@k)", 4),
        ("sizeof(@k[\"zzz\"])", 8),
        ("sizeof(@s)", 1),
        ("sizeof((1, (int64)2))", 16),
        ("sizeof({ print(1); (int32)1 })", 4),
        ("sizeof(comm())", 16),
        ("sizeof(pid)", 4),
        ("sizeof(RED)", 8),
        ("sizeof(enum lamp)", 8),
        ("sizeof(typeof($v))", 2),
        ("sizeof(int)", 4),
        ("sizeof(node)", 64),
        ("offsetof(struct point, tag)", 4),
        ("offsetof(struct node, at.tag)", 12),
        ("offsetof(*$p, x)", 0),
        ("comptime (sizeof(int32) + 1)", 5),
        ("sizeof(int32) == 4 ? 1 : 2", 1),
        ("(sizeof(int8), 7).1", 7),
    ],
)
def test_constants(expression: str, value: int) -> None:
    """Questions about types have literal answers."""
    before = '$v = 300; $p = (struct point *)1; @k["abc"] = nsecs; @s = 1;'
    found = value_of(expression, before)
    assert isinstance(found, core.Const) and found.value == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("sizeof(nosuch)", "Unknown identifier: 'nosuch'"),
        ("sizeof(struct nosuch)", 'Cannot resolve unknown type "struct nosuch"'),
        ("offsetof(struct point, nosuch)", "'struct point' has no field named 'nosuch'"),
        ("offsetof(struct node, next.pid)", "'struct node *' is not a C type."),
        ("offsetof(int32, x)", "'int32' is not a C type."),
        ("comptime (pid == 1)", "Unable to resolve comptime expression"),
        ("sizeof(@ghost)", "Undefined map: @ghost"),
    ],
)
def test_errors(expression: str, message: str) -> None:
    """Questions without an answer."""
    assert errors_of(expression) == [message]


@pytest.mark.parametrize(
    ("value", "base", "full"),
    [
        ("300", "int", "int16"),
        ("true", "bool", "bool"),
        ('"abc"', "string", "string[4]"),
        ('(1, "ab")', "tuple", "(int8,string[3])"),
        ("(a=1, b=nsecs)", "record", "record { .a = int8, .b = uint64 }"),
        ("(struct point *)1", "pointer", "struct point *"),
        ("*(struct point *)1", "c_type", "struct point"),
        ("(uint8[4])pid", "array", "uint8[4]"),
        ("kstack", "kstack", "kstack_bpftrace_127"),
        ("RED", "int", "enum lamp"),
        ("@c", "count_t", "count_t"),
        ("ksym(1)", "ksym_t", "ksym_t"),
    ],
)
def test_typeinfo(value: str, base: str, full: str) -> None:
    """The names of types."""
    body = Typed(f"{TYPEINFO} begin {{ @c = count(); $x = typeinfo({value}); }}").body
    record = body[-1]
    assert isinstance(record, core.SetVar) and isinstance(record.value, core.MakeTuple)
    names = [item.value for item in record.value.items if isinstance(item, core.Text)]
    assert names == [base.encode(), full.encode()]


def test_only_the_chosen_branch_is_typed() -> None:
    """The other branch of `if comptime` may hold anything that parses."""
    typed = Typed('begin { $n = 7; if comptime (sizeof($n) == 1) { $x = "a"; } else { $x = nosuch(1, 2); } }')
    assert typed.errors == [] and typed.types["$x"] == "string[2]"


def test_types_are_fixed_by_what_stands_outside_of_branches() -> None:
    """A later widening counts before the condition is decided."""
    text = 'begin { $n = 7; if comptime (sizeof($n) == 8) { $r = "wide"; } else { $r = 1; } $n = nsecs; }'
    assert Typed(text).types["$r"] == "string[5]"


@pytest.mark.parametrize(
    "body",
    [
        "$n = 7; if comptime (sizeof($n) == 1) { $n = nsecs; }",
        "$a = 1; $b = 1; if comptime (sizeof($a) == 1) { $b = nsecs; } if comptime (sizeof($b) == 1) { }",
        "@a = 1; if comptime (sizeof(@a) == 1) { @a++; }",
        'let $c; if comptime (typeinfo($c).full_type == "uint32") { $c = (uint64)2; } $c = (uint32)1;',
        'if comptime (typeinfo(@a).full_type == "uint64") { @a = (int64)2; } @a = (uint64)1;',
        'if comptime (typeinfo(@a).base_type == "record") { @a = (a=(int64)2, b="b"); } @a = (a=(uint64)1, b="a");',
    ],
)
def test_types_that_a_condition_relied_on_are_locked(body: str) -> None:
    """A branch cannot change what its condition was decided by."""
    (error,) = Typed(f"{TYPEINFO} begin {{ {body} }}").errors
    assert "this type has been locked because it was used in another part of the type graph" in error


@pytest.mark.parametrize(
    "body",
    [
        "$a = 1; if comptime (sizeof($a) == 1) { $a = -5; }",
        "if comptime (sizeof(@a) == 8) { @a++; } @a++;",
        "@a = 1; if comptime (is_scalar(@a)) { @a = 2; }",
        "$a = 1; if comptime (sizeof($a) == 1) { if comptime (sizeof($a) == 2) { $a = nsecs; } }",
    ],
)
def test_branches_that_fit_are_fine(body: str) -> None:
    """What has the locked type already may be assigned."""
    assert Typed(f"{TYPEINFO} begin {{ {body} }}").errors == []


def test_conditions_of_values_do_not_resolve() -> None:
    """A variable's value is not known while compiling."""
    assert Typed("begin { $n = 7; if comptime ($n == 7) { } }").errors == ["Unable to resolve comptime expression"]


def test_type_contexts_are_not_executed() -> None:
    """`sizeof` leaves nothing of its argument behind."""
    body = Typed("begin { $x = sizeof({ print(1); 2 }); }").body
    assert len(body) == 1


def test_typeof_of_a_map() -> None:
    """Of a keyed map the keys, of a scalar map the value, of an element the value."""
    assert type_of("(typeof(@k))1", "@k[(uint16)1] = nsecs;") == "uint16"
    assert type_of("(typeof(@k[3]))1", "@k[(uint16)1] = nsecs;") == "uint64"
    assert type_of("(typeof(@s))1", "@s = pid;") == "uint32"


def test_folding_goes_on_with_types() -> None:
    """An expression of literals and sizes is a literal, with a literal's type."""
    assert type_of("sizeof(int64) * 100") == "int16"
    assert type_of('"tracer" + sizeof(int16)') == "string[5]"
    assert Typed('begin { $x = "abc" + sizeof(int64); }').warnings == ["literal string will always be empty"]
