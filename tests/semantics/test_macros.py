"""Macros: definitions, calls, hygiene, types (LANGUAGE 7)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import pytrace
from pytrace.builtins import REGISTRY
from pytrace.diagnostics import Source
from pytrace.semantics import library, macros
from pytrace.semantics.forecast import Forecast
from pytrace.semantics.walk import Rewriter, deep_recursion, walk
from pytrace.syntax import tree
from pytrace.syntax.parser import parse
from tests.semantics.passes import Outcome


def said(text: str) -> str:
    """The messages of a script, each with its source."""
    return Outcome(text, last=macros.expand).text


class _Readable(Rewriter):
    """Writes the names of a macro's own variables as a script can: `name__n`."""

    def visit_Var(self, node: tree.Var) -> tree.Var:
        return replace(node, name=node.name.replace("'", "__"))


def expands_to(text: str, expected: str) -> None:
    """The probe of the script becomes the code of the other one."""
    outcome = Outcome(text, last=macros.expand)
    assert not outcome.errors, outcome.text
    probe = parse(Source("expected", expected)).items[0]
    assert isinstance(probe, tree.Probe)
    assert _Readable().visit(outcome.body) == probe.body


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("macro m() { 1 } begin { print(m()); print(m); }", "begin { print({ 1 }); print({ 1 }); }"),
        ("macro m($v, by) { $v += by; } begin { $n = 4; m($n, $n * 2); }", "begin { $n = 4; { $n += $n * 2; }; }"),
        ("macro m(@m, k) { @m[k] = 1; } begin { m(@seen, 5); }", "begin { { @seen[5] = 1; }; }"),
        ("macro m(x) { x + x } begin { print(m($a)); }", "begin { print({ { $a } + { $a } }); }"),
        ("macro m(x) { x } begin { print(m(m(2))); }", "begin { print({ { 2 } }); }"),
        ("macro m(x) { let $t = x; $t } begin { _ = m(1); }", "begin { _ = { let $t__1 = 1; $t__1 }; }"),
        ("macro m() { $t = 1; { $t = 2; } } begin { _ = m(); }", "begin { _ = { $t__1 = 1; { $t__1 = 2; } }; }"),
        ("macro m() { print($z); $z = 3; print($z); } begin { m(); }",
         "begin { { print($z); $z__1 = 3; print($z__1); }; }"),
        ("macro m() { for ($i : 0..$i) { print($i); } } begin { m(); }",
         "begin { { for ($i__1 : 0..$i) { print($i__1); } }; }"),
        ("macro m() { $q = 1; n($q); } macro n($y) { $y++; } begin { m(); }",
         "begin { { $q__1 = 1; { $q__1++; }; }; }"),
        ("macro pid() { 3 } begin { print(pid()); print(pid); }", "begin { print({ 3 }); print(pid); }"),
        ("macro comm(x) { x } begin { print(comm(1)); print(comm); }", "begin { print({ 1 }); print(comm); }"),
        ("macro cpu(n) { n } begin { print(cpu(4)); print(cpu()); }", "begin { print({ 4 }); print(cpu()); }"),
        ("macro m(t) { sizeof(t) } begin { print(m(typeof(uint16[3]))); }",
         "begin { print({ sizeof(typeof(uint16[3])) }); }"),
        ("macro m(t) { sizeof(t*) } begin { print(m(typeof(int32[3]))); }", "begin { print({ sizeof(int32[3]*) }); }"),
        ("macro m(t) { (t)3 } begin { print(m(typeof(int8))); }", "begin { print({ (typeof(int8))3 }); }"),
        ("macro m(t) { let $x: t = 3; } begin { m(typeof(int8)); }", "begin { { let $x__1: typeof(int8) = 3; }; }"),
        ("macro m(t) { sizeof(struct t) } begin { print(m(typeof(s))); }", "begin { print({ sizeof(struct s) }); }"),
        ("macro m(x) { sizeof(x) } begin { print(m(7)); }", "begin { print({ sizeof((7)) }); }"),
        ("macro m(t) { n(t) } macro n(t) { sizeof(t) } begin { print(m(typeof(int8*))); }",
         "begin { print({ { sizeof(typeof(int8*)) } }); }"),
        ("macro m(t, f) { offsetof(t, f) } begin { print(m(typeof(struct s), a.b)); }",
         "begin { print({ offsetof(typeof(struct s), a.b) }); }"),
        ("macro m(t, f) { offsetof(t, f) } begin { print(m(typeof(struct s), pid)); }",
         "begin { print({ offsetof(typeof(struct s), pid) }); }"),
        ("macro m(t, f) { n(t, f) } macro n(t, g) { offsetof(t, x.g) } begin { print(m(typeof(struct s), b)); }",
         "begin { print({ { offsetof(typeof(struct s), x.b) } }); }"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    expands_to(text, expected)


def test_overloads() -> None:
    text = 'macro kind($v) { 1 } macro kind(@m) { 2 } macro kind(e) { 3 } macro kind(a, b) { 4 } '
    expands_to(
        text + "begin { print((kind($x), kind(@y), kind(3), kind(1, 2))); }",
        "begin { print(({ 1 }, { 2 }, { 3 }, { 4 })); }",
    )


def test_predicates_and_functions_are_expanded() -> None:
    outcome = Outcome("macro m() { 7 } begin /m/ { } fn f(): int64 { return m(); }", last=macros.expand)
    probe = outcome.unit.probes[0].probe
    assert isinstance(probe.predicate, tree.Block)
    assert "Call" not in repr([item for item in outcome.unit.script.items if isinstance(item, tree.Function)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("macro m($a, $a) { } begin { }",
         "stdin:1:13-15: ERROR: Variable for macro argument has already been used: $a"),
        ("macro m(a, a) { } begin { }", "stdin:1:12-13: ERROR: Ident for macro argument has already been used: a"),
        ("macro m(@a, @a) { } begin { }", "stdin:1:13-15: ERROR: Map for macro argument has already been used: @a"),
        ("macro m(x) { x } macro m($x) { $x } begin { }", "stdin:1:18-25: ERROR: Redefinition of macro: m"),
        ("macro m() { 1 } macro m() { 2 } begin { }", "stdin:1:1-8: ERROR: This is the original definition."),
        ("macro m(x, y) { } macro m($x, @y) { } begin { }", "ERROR: Redefinition of macro: m"),
        ("macro m() { @t = 1; } begin { m(); }",
         "stdin:1:13-15: ERROR: Unhygienic access to map: @t. Maps must be passed into the macro as arguments."),
        ("macro m($x) { let $x = 1; } begin { m($a); }",
         "stdin:1:15-21: ERROR: Variable declaration shadows macro arg $x"),
        ("macro m() { m } begin { m() }", "ERROR: Recursive macro call detected. Call chain: m > m"),
        ("macro a() { b() } macro b() { a() } begin { a() }",
         "stdin:1:31-34: ERROR: Recursive macro call detected. Call chain: a > b > a\n"),
        ("macro m(x) { x } begin { m(typeof(int64)); }",
         "stdin:1:28-41: ERROR: When used as a call argument, `typeof` builtin only valid for macro calls that are "
         "expecting a type parameter"),
        ("begin { printf(typeof(int64)); }", "stdin:1:16-29: ERROR: When used as a call argument, `typeof`"),
        ("macro m(x) { sizeof(x*) } begin { m(typeof(1)); }",
         "stdin:1:37-46: ERROR: Invalid replacement for macro 'm' type parameter 'x' which makes up the type 'x*'"),
        ("macro m(x) { (x)3 } begin { m(5); }", "which makes up the type 'x'"),
        ("macro m(x) { sizeof(struct x) } begin { m(typeof(struct s)); }", "which makes up the type 'struct x'"),
        ("macro m(x) { x } begin { m; }", "stdin:1:26-27: ERROR: Call to m() has arguments that do not match any"),
    ],
)
def test_errors(text: str, message: str) -> None:
    assert message in said(text)


def test_mismatched_argument() -> None:
    text = "macro sum(@n, m) { @n + 2 } begin { sum(3, 4); }"
    assert said(text) == (
        f"stdin:1:37-46: ERROR: Call to sum() has arguments that do not match any definition.\n{text}\n"
        f"{' ' * 36}~~~~~~~~~\n"
        f"stdin:1:41-42: ERROR: Mismatched arg. sum() expects a map for arg @n but got an expression.\n{text}\n"
        f"{' ' * 40}~\n"
        f"stdin:1:11-13: ERROR: This is the argument in the closest definition.\n{text}\n{' ' * 10}~~\n"
    )


def test_mismatched_count() -> None:
    text = "macro sum(n) { n + 2 } macro sum(n, m) { n * m } begin { sum(3, 4, 5); }"
    assert said(text) == (
        f"stdin:1:58-70: ERROR: Call to sum() has arguments that do not match any definition.\n{text}\n"
        f"{' ' * 57}~~~~~~~~~~~~\n"
        "stdin:1:24-33: ERROR: The closest definition of sum() has a different number of arguments. "
        f"Expected: 2 but got 3\n{text}\n{' ' * 23}~~~~~~~~~\n"
    )


def test_places_point_back() -> None:
    """A message inside of nested macros names every level, innermost first."""
    text = "macro m(x) { n(x) } macro n(y) { y + $gone } begin { m(1) }"
    lines = [line for line in Outcome(text).text.splitlines() if line.startswith("stdin")]
    assert lines == [
        "stdin:1:38-43: ERROR: Undefined or undeclared variable: $gone",
        "stdin:1:14-18: ERROR: expanded from",
        "stdin:1:54-58: ERROR: expanded from",
    ]


def test_arguments_point_back_through_their_use() -> None:
    lines = [line for line in Outcome("macro m(x) { x + 1 } begin { m($gone) }").text.splitlines() if "stdin" in line]
    assert lines == [
        "stdin:1:32-37: ERROR: Undefined or undeclared variable: $gone",
        "stdin:1:14-15: ERROR: expanded from",
        "stdin:1:30-38: ERROR: expanded from",
    ]


def test_two_expansions_do_not_share_variables() -> None:
    assert not Outcome("macro m(x) { $t = 1; $t + x } begin { print(m(m(5))); }").errors
    assert not Outcome("macro m() { for ($i : 0..3) { print($i); } } begin { m(); m(); $i = 3; print($i); }").errors


def test_own_variables_keep_their_name_in_messages() -> None:
    outcome = Outcome("macro m() { $z += 1; } begin { $z = 2; m(); print($z); }")
    assert outcome.errors == ["Undefined or undeclared variable: $z"]


def test_library_macros() -> None:
    outcome = Outcome('begin { assert(1 == 1, "never"); print(is_err(-1)); }')
    assert not outcome.errors
    assert set(outcome.unit.macros) == {"assert", "is_err"}
    assert not Outcome("macro is_err(a, b) { a + b } begin { print((is_err(1, 2), is_err(3))); }").errors
    assert not Outcome("macro is_err(a) { 5 } begin { print(is_err(1)); }").errors


def test_a_library_macro_does_not_see_macros_of_the_script() -> None:
    outcome = Outcome('macro errorf(a, b) { 0 } macro is_str(x) { 7 } begin { assert(1, "x"); assert_str("y"); }')
    assert not outcome.errors
    assert "errorf" in repr(outcome.body) and "value=7" not in repr(outcome.body)


def test_growth_is_bounded() -> None:
    """Macros that double their argument end with an error, soon."""
    levels = "".join(f"macro m{n}(x) {{ m{n + 1}(x + x) }} " for n in range(40))
    assert "Macros expand to more code than can be compiled" in said(levels + "macro m40(x) { x } begin { m0(1); }")


def test_growth_is_foreseen() -> None:
    """Code that doubles at every level is refused before any of it is made, at the call; more levels cost no more."""
    levels = "macro m0(x) { x + x } " + "".join(f"macro m{n + 1}(x) {{ m{n}(x) + m{n}(x) }} " for n in range(100))
    assert "m100(1)" in said(levels + "begin { print(m100(1)); }")


def test_forecasts_do_not_exceed_what_is_expanded() -> None:
    """The forecast is the number of nodes of the expanded code, or less where overloads leave it open."""
    for script, exact in (
        ("macro a(x) { x + x } begin { print(a(1)); }", True),
        ("macro a(x) { b(x) + b(x + 1) } macro b(y) { y * y } begin { print(a(2 + 3)); }", True),
        ("macro a(x) { 1 } begin { print(a(1 + 2 + 3)); }", True),
        ("macro a($x) { 1 + 2 + 3 } macro a(x) { x } macro b(y) { a(y) } begin { $v = 1; print(b($v)); }", False),
    ):
        outcome = Outcome(script, last=macros.expand)
        parsed = parse(Source("stdin", script))
        definitions: dict[str, tuple[tree.Macro, ...]] = {}
        for item in parsed.items:
            if isinstance(item, tree.Macro):
                definitions[item.name] = (*definitions.get(item.name, ()), item)
        (probe,) = (item for item in parsed.items if isinstance(item, tree.Probe))
        foreseen, made = Forecast(definitions).size(probe.body), sum(1 for _ in walk(outcome.body))
        assert foreseen <= made + 3 if not exact else made <= foreseen <= made + 3 * len(definitions), script


def test_depth_is_bounded() -> None:
    levels = "".join(f"macro m{n}() {{ m{n + 1}() }} " for n in range(150))
    assert not said(levels + "macro m150() { 1 } begin { print(m0()); }")


def test_long_chains_of_macros() -> None:
    """A macro that calls a macro, and so on by the thousands, is an error and nothing worse."""
    levels = "macro m0(x) { x } " + "".join(f"macro m{n + 1}(x) {{ m{n}(x) }} " for n in range(700))
    with deep_recursion():
        assert "nests deeper than" in said(levels + "begin { print(m700(1)); }")


def test_the_library_has_a_file_for_each_name() -> None:
    """The names are listed in the code so that the folder need not be read; each file defines its name only."""
    folder = Path(pytrace.__file__).parent / "stdlib" / "macros"
    assert {path.stem for path in folder.glob("*.bt")} == library.MACROS
    for name in library.MACROS:
        assert {macro.name for macro in library.macros(name)} == {name}
    assert not library.MACROS & set(REGISTRY)
