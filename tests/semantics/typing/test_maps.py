"""Maps: keys, values, aggregations, declarations (LANGUAGE 18)."""

from __future__ import annotations

import pytest

from pytrace.semantics import program as core
from pytrace.semantics.types import I64, Aggregate
from tests.semantics.typing.support import EVENT, Typed


@pytest.mark.parametrize(
    ("script", "types"),
    [
        ("begin { @ = 1; }", {"@": "int8"}),
        ("begin { @m[1] = 2; @m[300] = nsecs; }", {"@m": "uint64", "@m[]": "int16"}),
        ('begin { @m["a", 1] = 2; @m["longer", 70000] = 3; }', {"@m[]": "(string[7],int32)"}),
        ('begin { @m[("a", 1)] = 2; @m["b", 2] = 3; }', {"@m[]": "(string[2],int8)"}),
        ("begin { @m = 1; } end { @m = -300; }", {"@m": "int16"}),
        ("begin { $v = @m; } end { @m = pid; }", {"$v": "uint32", "@m": "uint32"}),
        ("begin { @m++; } end { @m = nsecs; }", {"@m": "uint64"}),
        ("begin { @m++; }", {"@m": "int64"}),
        ("begin { @m = (uint8)1; @m--; }", {"@m": "int64"}),
        ("begin { $g = @ghost; }", {"$g": "int8", "@ghost": "int8"}),
        ("begin { @c = count(); }", {"@c": "count_t"}),
        ("begin { @s = sum(pid); } end { @s = sum(-1); }", {"@s": "sum_t"}),
        ("begin { @s = sum(pid); }", {"@s": "usum_t"}),
        ("begin { @s = sum(1); }", {"@s": "sum_t"}),
        ("begin { @c = count(); @p = 5; @p = @c; }", {"@p": "uint64"}),
        ("begin { @c = count(); @m[@c] = 1; }", {"@m[]": "uint64"}),
        ("begin { @c = count(); @m = (1, @c); }", {"@m": "(int8,uint64)"}),
        ("begin { @m[RED] = 1; }", {"@m[]": "enum lamp"}),
        ("begin { @m[true] = 1; @m[pid == 1] = 2; }", {"@m[]": "bool"}),
        ("begin { @m = { print(1); count() }; }", {"@m": "count_t"}),
        ("begin { @m = (a=1, b=2); @m = (b=300, a=4); }", {"@m": "record { .a = int8, .b = int16 }"}),
    ],
)
def test_types(script: str, types: dict[str, str]) -> None:
    """Key and value types are joined over all probes."""
    found = Typed(script).types
    assert {name: found[name] for name in types} == types


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (
            '@m[1] = 2; @m["x"] = 3;',
            "20-27 Argument mismatch for @m: trying to access with arguments: 'string[2]' when map expects arguments: "
            "'int8'",
        ),
        (
            '@m[1,"a",kstack] = 0; $x = @m["b", 2, kstack];',
            "36-54 Argument mismatch for @m: trying to access with arguments: '(string[2],int8,kstack_bpftrace_127)' "
            "when map expects arguments: '(int8,string[2],kstack_bpftrace_127)'",
        ),
        (
            "@x = 1; @x = \"s\";",
            "17-25 Type mismatch for @x: trying to assign value of type 'string[2]' when map already has a type "
            "'int8'",
        ),
        (
            "@c = count(); @c = 1;",
            "23-29 Type mismatch for @c: trying to assign value of type 'int8' when map already has a type "
            "'count_t'",
        ),
        (
            "@c = 1; @c = count();",
            "22-29 Type mismatch for @c: trying to assign value of type 'count_t' when map already has a type "
            "'int8'",
        ),
        (
            "@c = count(); @c = sum(1);",
            "28-34 Type mismatch for @c: trying to assign value of type 'sum_t' when map already has a type "
            "'count_t'",
        ),
        (
            "@c = count(); @c++;",
            "23-27 Type mismatch for @c: trying to assign value of type 'uint64' when map already has a type "
            "'count_t'",
        ),
        (
            "@c = count(); @c += 1;",
            "23-30 Type mismatch for @c: trying to assign value of type 'uint64' when map already has a type "
            "'count_t'",
        ),
        ("@h = hist(1); @h = hist(2, 3);", "28-38 Different bits in a single hist unsupported"),
        (
            "@h = lhist(1, 1, 10, 1); @h = lhist(1, 1, 11, 1);",
            "39-57 Different lhist bounds in a single map unsupported",
        ),
        ("@f = print(1);", "9-22 Value 'void' cannot be assigned to a map."),
        ("@f[print(1)] = 1;", "9-21 Value 'void' cannot be used as a map key."),
        ("@x = stats(10); @y[@x] = 1;", "25-31 Value 'stats_t' cannot be used as a map key."),
        ("@x[1] = hist(10); $y = (1, @x[1]);", "36-41 Map type hist_t cannot exist inside a tuple."),
        ("print(@ghost);", "15-21 Undefined map: @ghost"),
        ("$x = &@ghost;", "15-21 Undefined map: @ghost"),
        ("for $kv : @ghost { }", "19-25 Undefined map: @ghost"),
        ("@x = if (pid) { count() } else { count() };", "25-32 count() must be assigned directly to a map"),
        (
            "@a = hist(10); @b = @a;",
            "24-31 Map value 'hist_t' cannot be assigned from one map to another. The function that returns this "
            "type must be called directly e.g. `@b = hist(retval);`.",
        ),
    ],
)  # fmt: skip
def test_errors(body: str, place: str) -> None:
    """What a map does not take, and where the message points."""
    assert place in Typed(f"begin {{ {body} }}").places


def test_aggregations_are_not_copied() -> None:
    """A count that is assigned from another map needs a cast, unless the target is an integer otherwise."""
    typed = Typed("begin { @c = count(); @b = @c; }")
    assert "Map value 'count_t' cannot be assigned from one map to another" in typed.errors[0]
    assert "HINT: Add a cast to integer if you want the value of the aggregate, e.g. `@b = (int64)@c;`." in typed.text
    assert Typed("begin { @c = count(); @b = (int64)@c; @b = @c; }").errors == []


def test_the_context_is_no_key() -> None:
    """Pointers to the program's context do not leave it."""
    for key in ("ctx", "args", "(1, ctx)"):
        errors = Typed(f"tracepoint:a:b {{ @m[{key}] = 1; }}", context=EVENT).errors
        assert errors == ["context cannot be part of a map key"]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("let @a = hash(4); begin { @a = count(); }", "declaration: hash. Type from value/key type: percpuhash"),
        ("let @a = percpuhash(4); begin { @a = 1; }", "declaration: percpuhash. Type from value/key type: hash"),
        (
            "let @a = lruhash(4); begin { @a[1] = hist(1); }",
            "declaration: lruhash. Type from value/key type: percpuhash",
        ),
    ],
)
def test_declarations_have_to_suit(script: str, error: str) -> None:
    """Aggregations are kept per CPU, other values are not."""
    (message,) = Typed(script).errors
    assert message == f"Incompatible map types. Type from {error}"


def test_sizes() -> None:
    """A scalar map has one entry, a keyed one as many as configured or declared."""
    text = "config = { max_map_keys = 77 } let @d = lruhash(5); begin { @s = 1; @k[1] = 2; @d[1] = 3; }"
    program = Typed(text).program
    assert program is not None
    assert [(m.name, m.size, m.kind) for m in program.maps] == [("@s", 1, ""), ("@k", 77, ""), ("@d", 5, "lruhash")]


def test_only_read_maps_are_not_written() -> None:
    """A map that nothing stores into is not printed at the end."""
    program = Typed("begin { $g = @ghost; @m = 1; }").program
    assert program is not None
    assert [(m.name, m.written) for m in program.maps] == [("@ghost", False), ("@m", True)]


def test_an_update_in_place() -> None:
    """`@m[k] = sum(x)` is an update with the value in 64 bits."""
    (update,) = Typed("begin { @m[pid] = sum(pid); }").body
    assert isinstance(update, core.Update) and update.map.value == Aggregate("sum", False)
    assert len(update.args) == 1 and update.key is not None


def test_the_key_of_a_compound_assignment_is_evaluated_twice() -> None:
    """`@m[k] += 1` reads with one key and writes with another."""
    (write,) = Typed("begin { @m[{ print(1); 2 }] += 1; }").body
    assert isinstance(write, core.SetMap) and isinstance(write.value, core.Arith)
    assert isinstance(write.key, core.Do) and isinstance(write.value.left, core.ReadMap)
    assert isinstance(write.value.left.key, core.Do)


def test_aggregations_read_as_integers() -> None:
    """In an expression a count is summed up to an integer."""
    stmt = Typed("begin { @s = sum(-1); $x = @s; }").body[-1]
    assert isinstance(stmt, core.SetVar) and isinstance(stmt.value, core.ReadMap)
    assert stmt.value.type == I64 and isinstance(stmt.value.map.value, Aggregate)


def test_record_members_are_stored_in_the_order_of_the_first() -> None:
    """A permuted record is evaluated in written order and stored in the type's."""
    stmt = Typed("begin { @m = (a=1, b=2); @m = (b=3, a=4); }").body[-1]
    assert isinstance(stmt, core.SetMap) and isinstance(stmt.value, core.MakeTuple)
    assert [item.value for item in stmt.value.items if isinstance(item, core.Const)] == [4, 3]
    assert stmt.value.order == (1, 0)
