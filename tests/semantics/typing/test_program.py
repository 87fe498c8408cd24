"""The program as a whole: order, names, filters, definitions, functions, and size."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytrace.semantics import program as core
from pytrace.semantics.types import BOOL
from tests.semantics.typing.support import EVENT, LAMP, NODE, POINT, Typed


def test_programs_are_numbered_and_named() -> None:
    """The name of a BPF program comes from its target, with its number in the script."""
    program = Typed("begin { } interval:ms:5 { }").program
    assert program is not None
    assert [(p.order, p.name) for p in program.probes] == [(1, "begin_1"), (2, "interval_ms_5_2")]


def test_long_names_are_shortened() -> None:
    """A name stays below the limit and keeps apart from others."""
    long = "tracepoint:" + "x" * 200
    program = Typed(f"{long}:a {{ }} {long}:b {{ }}").program
    assert program is not None
    names = [p.name for p in program.probes]
    assert all(len(name) <= 127 for name in names) and names[0] != names[1]


def test_a_predicate_encloses_the_body() -> None:
    """A false predicate skips everything."""
    (branch,) = Typed("begin /pid/ { print(1); }").body
    assert isinstance(branch, core.Branch) and branch.cond.type == BOOL and len(branch.then) == 1
    assert Typed("begin /0/ { print(1); }").body == ()
    assert Typed('begin /(1, 2)/ { }').errors == ["Invalid condition: tuple"]


@pytest.mark.parametrize(
    ("probe", "filtered"),
    [("tracepoint:a:b", True), ("kprobe:f", True), ("interval:ms:1", False), ("begin", False), ("uprobe:/x:f", False)],
)
def test_the_filter_for_a_process(probe: str, filtered: bool) -> None:
    """With -p, probes that see all processes leave at once for the others."""
    body = Typed(f"{probe} {{ print(1); }}", pid=1234, context=EVENT).body
    assert (len(body) == 2) == filtered
    if filtered:
        branch = body[0]
        assert isinstance(branch, core.Branch) and isinstance(branch.then[0], core.Return)
        assert isinstance(branch.cond, core.Compare) and isinstance(branch.cond.right, core.Const)
        assert (branch.cond.op, branch.cond.right.value) == ("ne", 1234)


def test_definitions_of_what_is_printed() -> None:
    """Structs and enums inside printed and stored values are defined; those behind pointers are not."""
    program = Typed("begin { print(*(struct node *)64); @m = RED; }").program
    assert program is not None
    assert set(program.structs) == {NODE, POINT} and dict(program.enums[LAMP]) == {0: "RED", 4: "AMBER"}
    pointer = Typed("begin { print((struct node *)64); }").program
    assert pointer is not None and not pointer.structs


def test_strings_are_numbered_once() -> None:
    """Formats of times are texts of the program."""
    text = 'print(strftime("%H", nsecs)); print(strftime("%M", nsecs)); @ = strftime("%H", 1);'
    program = Typed(f"begin {{ {text} }}").program
    assert program is not None and program.strings == ("%H", "%M")


@pytest.mark.parametrize(
    ("script", "errors"),
    [
        ("fn f(): void { @a = 0; }", []),
        ("fn g(): int64 { @n = 3; return @n + 2; }", []),
        ("fn f($x: typeof($y), $y: int64): typeof($x) { return 0; }", []),
        ("fn f($x: int64): int64 { if ($x > 0) { return 1; } else { return 0; } }", []),
        ("fn f(): void { return 1; }", ["Function f is of type void, cannot return int8"]),
        ("fn f(): int64 { $x = 0; }", ["Function f is of type int64, cannot return void"]),
        ("fn g($n: int64): int64 { if ($n > 9) { return 1; } }", ["Function g is of type int64, cannot return void"]),
        ("fn f($a: int64): string { return $a; }", ["Function f is of type string, cannot return int64"]),
        ("fn f($a: nosuch): void { print($a); }", ['Cannot resolve unknown type "nosuch"']),
        ("fn f($a: int64): void { $b = $a + \"x\"; }", ["Type mismatch for '+': comparing int64 with string[2]"]),
    ],
)
def test_functions_are_checked(script: str, errors: list[str]) -> None:
    """Functions cannot be called, but what they say is held to the rules."""
    assert Typed(script).errors == errors


def test_errors_of_all_probes_are_reported() -> None:
    """An error does not hide those of later probes."""
    typed = Typed('begin { $x = "a" + pid; } end { $y = "b" * 2; }')
    assert len(typed.errors) == 2


def test_an_error_causes_no_others() -> None:
    """What depends on an erroneous value is not reported as well."""
    typed = Typed('begin { $x = "a" + pid; $y = $x + 1; print(($y, 2)); @m[$y] = $x; if ($y) { } }')
    assert len(typed.errors) == 1


def test_time_is_linear_in_the_number_of_probes() -> None:
    """Twice the probes take about twice the time, also when all of them store into one map."""
    statements = '$a = pid + 1; @m[$a] = $a * 2; if ($a > 3) { print(($a, "x")); } @c[comm] = count(); '

    def seconds(probes: int) -> float:
        text = f"interval:ms:5 {{ {statements * 3} }} " * probes
        start = time.process_time()
        assert not Typed(text).errors
        return time.process_time() - start

    seconds(5)
    few, many = seconds(20), seconds(160)
    assert many < 8 * few * 3


def test_deep_nesting() -> None:
    """Blocks and tuples may nest deeply."""
    deep = "(" * 40 + "1" + ",)" * 40
    assert not Typed(f"begin {{ print(sizeof({deep})); }}").errors
    assert not Typed("begin { " + "if (pid) { " * 40 + "print(1); " + "} " * 40 + "}").errors
    assert not Typed("begin { $x = " + "{ " * 40 + "1" + " }" * 40 + "; }").errors


# --- random programs: whatever is accepted keeps the promises of the typed form (Typed validates it)

literals = st.sampled_from(("0", "5", "300", "70000", "-1", "-300", "9223372036854775808", "true", '"a"', '"abcd"'))
names = st.sampled_from(
    ("$a", "$b", "@m", "@k[1]", "@c", "pid", "nsecs", "comm", "RED", "args.id", "args.node", "args.comm")
)
kinds = st.sampled_from(("int8", "uint16", "int64", "uint64", "bool", "int8 *", "struct node *", "enum lamp"))


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(("+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^", "==", "!=", "<", "&&", "||"))
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("(if ({}) {{ {} }} else {{ {} }})".format, inner, inner, inner),
        st.builds("({}, {})".format, inner, inner),
        st.builds("(x={}, y={})".format, inner, inner),
        st.builds("(y={}, x={})".format, inner, inner),
        st.builds("({})({})".format, kinds, inner),
        st.builds("(-({}))".format, inner),
        st.builds("(!({}))".format, inner),
        st.builds("({}).0".format, inner),
        st.builds("({}).x".format, inner),
        st.builds("({}).pid".format, inner),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("{{ let $t = {}; $t }}".format, inner),
        st.builds("sizeof({})".format, inner),
    )


expressions = st.recursive(st.one_of(literals, names), _compound, max_leaves=6)
statements = st.one_of(
    st.builds("$a = {};".format, expressions),
    st.builds("$b = {};".format, expressions),
    st.builds("@m = {};".format, expressions),
    st.builds("@k[{}] = {};".format, expressions, expressions),
    st.builds("$a += {};".format, expressions),
    st.builds("@m -= {};".format, expressions),
    st.builds("@c = sum({});".format, expressions),
    st.builds("print({});".format, expressions),
    st.builds("if ({}) {{ $a = {}; }}".format, expressions, expressions),
    st.builds("if comptime (sizeof($a) == 1) {{ $b = {}; }}".format, expressions),
    st.sampled_from(("$a++;", "--$b;", "@m++;", "@k[2]--;")),
    st.sampled_from(("for $kv : @k { $b = $kv.1; }", "for $i : 0..$b { @m = $i; }")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(statements, min_size=1, max_size=6))
def test_random_programs(body: list[str]) -> None:
    """Typing any program ends, and what it accepts is well formed."""
    Typed(f"tracepoint:a:b {{ let $a; let $b; {' '.join(body)} }}", context=EVENT)
