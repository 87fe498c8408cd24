"""What is a script, what is not, and what is said about it: LANGUAGE 2 to 7 and 9 to 13."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest

from pytrace.diagnostics import CompileError, Source, Span, render
from pytrace.syntax import tree
from pytrace.syntax.automaton import MAX_DEPTH
from pytrace.syntax.parser import parse, parse_expression

CASES = [
    line.split("\t", 1)
    for line in (Path(__file__).parent / "cases.txt").read_text().splitlines()
    if not line.startswith("# ")
]


def script(text: str) -> tree.Script:
    return parse(Source("stdin", text))


def errors(text: str) -> list[str]:
    """The errors of a text, as `LINE:COL-COL message`."""
    with pytest.raises(CompileError) as caught:
        script(text)
    found = caught.value.diagnostics.errors
    assert found
    for diagnostic in found:
        assert render(diagnostic).endswith("\n")
    return [f"{d.span.location().removeprefix('stdin:')} {d.message.removeprefix('syntax: ')}" for d in found if d.span]


def statements(body: str) -> tuple[tree.Statement, ...]:
    (probe,) = script(f"begin {{ {body} }}").items
    assert isinstance(probe, tree.Probe)
    return probe.body.statements


def expr(text: str) -> tree.Expr:
    """An expression, where everything may stand."""
    (statement,) = statements(f"$result = {text};")
    assert isinstance(statement, tree.Assign)
    return statement.value


@pytest.mark.parametrize(("expected", "text"), CASES, ids=[text for _, text in CASES])
def test_case(expected: str, text: str):
    if expected == "ok":
        script(text)
    else:
        assert errors(text)[0] == expected


# --- the shape of trees -------------------------------------------------------------------------------------------

ONE, TWO, THREE = (tree.IntLit(Span(Source("", ""), 0, 0), n) for n in (1, 2, 3))
HERE = ONE.span


def binary(left: tree.Expr, op: str, right: tree.Expr) -> tree.Binary:
    return tree.Binary(HERE, op, left, right)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 - 2 - 3", binary(binary(ONE, "-", TWO), "-", THREE)),
        ("1 + 2 * 3", binary(ONE, "+", binary(TWO, "*", THREE))),
        ("1 * 2 + 3", binary(binary(ONE, "*", TWO), "+", THREE)),
        ("1 | 2 & 3", binary(ONE, "|", binary(TWO, "&", THREE))),
        ("1 | 2 ^ 3", binary(ONE, "|", binary(TWO, "^", THREE))),
        ("1 << 2 + 3", binary(ONE, "<<", binary(TWO, "+", THREE))),
        ("1 < 2 << 3", binary(ONE, "<", binary(TWO, "<<", THREE))),
        ("1 == 2 < 3", binary(ONE, "==", binary(TWO, "<", THREE))),
        ("1 & 2 == 3", binary(ONE, "&", binary(TWO, "==", THREE))),
        ("1 || 2 && 3", binary(ONE, "||", binary(TWO, "&&", THREE))),
        ("1 && 2 | 3", binary(ONE, "&&", binary(TWO, "|", THREE))),
        ("(1 - 2) - 3", binary(binary(ONE, "-", TWO), "-", THREE)),
        ("1 - (2 - 3)", binary(ONE, "-", binary(TWO, "-", THREE))),
        ("1 ? 2 : 3 ? 1 : 2", tree.Ternary(HERE, ONE, TWO, tree.Ternary(HERE, THREE, ONE, TWO))),
        ("1 ?: 2 ? : 3", tree.Ternary(HERE, ONE, None, tree.Ternary(HERE, TWO, None, THREE))),
        ("1 + 2 ? 3 : 1", tree.Ternary(HERE, binary(ONE, "+", TWO), THREE, ONE)),
        ("-1 + 2", binary(tree.Unary(HERE, "-", ONE), "+", TWO)),
        ("comptime 1 + 2", binary(tree.Comptime(HERE, ONE), "+", TWO)),
    ],
)
def test_precedence(text: str, expected: tree.Expr):
    assert expr(text) == expected


def test_a_cast_binds_like_a_prefix_operator():
    cast = tree.TypeName(HERE, "", "uint8")
    member = tree.Member(HERE, tree.Var(HERE, "x"), "f")
    assert expr("(uint8)$x.f") == tree.Cast(HERE, cast, member)
    assert expr("(uint8)$x + 1") == binary(tree.Cast(HERE, cast, tree.Var(HERE, "x")), "+", ONE)


@pytest.mark.parametrize("text", ["(foo) - 1", "(foo) * $x", "(foo) & $x", "(foo)(1)", '(foo)"x"', "(if)1", "(foo)\n1"])
def test_what_is_a_cast(text: str):
    assert isinstance(expr(text), tree.Cast)


@pytest.mark.parametrize("text", ["(foo) + 1", "(foo) / 2", "(foo)[1]", "(foo).x", "(pid) - 1", "(arg3) * 2", "(foo)"])
def test_what_is_a_group(text: str):
    assert not isinstance(expr(text), tree.Cast)


def test_type_contexts():
    array = tree.TypeName(HERE, "", "name", (3,))
    index = tree.Index(HERE, tree.Ident(HERE, "name"), THREE)
    assert expr("sizeof(name[3])") == tree.Sizeof(HERE, array)
    assert expr("sizeof((name[3]))") == expr("sizeof((name)[3])") == tree.Sizeof(HERE, index)
    assert expr("sizeof(pid)") == tree.Sizeof(HERE, tree.Ident(HERE, "pid"))
    assert expr("sizeof(comm)") == tree.Sizeof(HERE, tree.TypeName(HERE, "", "comm"))
    assert expr("sizeof(comm())") == tree.Sizeof(HERE, tree.Call(HERE, "comm", ()))
    assert expr("sizeof(a * 3)") == tree.Sizeof(HERE, binary(tree.Ident(HERE, "a"), "*", THREE))
    assert expr("sizeof(a**)") == tree.Sizeof(HERE, tree.TypeName(HERE, "", "a", ("*", "*")))
    assert expr("offsetof(struct s, a.b)") == tree.Offsetof(HERE, tree.TypeName(HERE, "struct", "s"), ("a", "b"))


def test_keys_are_one_tuple():
    assert expr("@m[1, 2]") == expr("@m[(1, 2)]")
    assert expr("@m[1]") == tree.MapIndex(HERE, tree.MapRef(HERE, "m"), ONE)
    assert expr("@m[1][2]") == tree.Index(HERE, tree.MapIndex(HERE, tree.MapRef(HERE, "m"), ONE), TWO)


def test_the_value_of_a_block():
    assert expr("{ 1; 2 }") == tree.Block(HERE, (tree.ExprStmt(HERE, ONE),), TWO)
    assert expr("{ 1; 2; }") == tree.Block(HERE, (tree.ExprStmt(HERE, ONE), tree.ExprStmt(HERE, TWO)))


def test_a_body_has_no_value():
    """LANGUAGE 5.2: neither has a block or an if that ends one."""
    assert statements("1") == statements("1;")
    assert statements("if (1) { 2 } else { { 3 } }") == statements("if (1) { 2; } else { { 3; } }")
    assert statements("if (1) { 2 } 3") != statements("if (1) { 2; } 3")
    assert statements("for ($i : 1..2) { 3 }") == statements("for ($i : 1..2) { 3; }")


def test_an_operator_behind_a_block_goes_on_with_it():
    (statement,) = statements("if (1) { } - 2")
    assert isinstance(statement, tree.ExprStmt) and isinstance(statement.expr, tree.Binary)
    assert len(statements("if (1) { }; - 2")) == 2
    assert len(statements("if (1) { } (2)")) == 2


def test_sections():
    found = script(
        '// first\n#!/usr/bin/x\n#define A 1\nstruct s { int x; } import "a.bt"; config = { b = c; d = "e" }'
        "let @m = hash(5) macro f($a, @b, c) { 1 } begin, end /2/ { } fn g($x: int8) : void { }"
    )
    assert found.shebang == "#!/usr/bin/x"
    assert [part.text for part in found.preamble] == ["#define A 1", "struct s { int x; }"]
    assert [part.path for part in found.imports] == ["a.bt"]
    assert found.config == tree.Config(
        HERE, (tree.Setting(HERE, "b", tree.Ident(HERE, "c")), tree.Setting(HERE, "d", tree.Ident(HERE, "e")))
    )
    assert [type(item) for item in found.items] == [tree.MapDecl, tree.Macro, tree.Probe, tree.Function]
    assert [text for _, text in found.comments] == ["// first"]
    probe = found.items[2]
    assert isinstance(probe, tree.Probe) and [p.text for p in probe.attach_points] == ["begin", "end"]
    assert probe.predicate == TWO


@pytest.mark.parametrize("text", ['u:/x:"a b{,/"', "k:f+0x10", 't:a:"\\" }"', "i:s:$1", "u:a/b:c/d,", "name=begin"])
def test_an_attach_point_is_one_raw_word(text: str):
    (probe,) = script(f"{text} {{ }}").items
    assert isinstance(probe, tree.Probe)
    assert probe.attach_points[0].text == text.rstrip(",")


# --- places -------------------------------------------------------------------------------------------------------


def marked(node: tree.Node) -> str:
    return node.span.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(1 + (2)) * ($x)", "1 + (2)) * ($x)"),
        ("-($x)", "-($x)"),
        ("(uint8)$x", "(uint8)"),
        ("f(1, (2))", "f(1, (2))"),
        ("($x).y", "$x).y"),
        ("($x)[0]", "$x)[0]"),
        ("$x ? 1 : (2)", "$x ? 1 : (2)"),
        ("if ($x) { 1 } else { 2 }", "if ($x) { 1 } else { 2 }"),
        ("@m[1, 2]", "@m[1, 2]"),
        ("(1, 2)", "(1, 2)"),
    ],
)
def test_what_an_expression_marks(text: str, expected: str):
    assert marked(expr(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5; print(1)", ["5;", "print(1)"]),
        ("(5 ); $x; 6", ["(5 );", "$x", "6"]),
        ("$x = (1) ; @y += 2;", ["$x = (1)", "@y += 2"]),
        ("let $x: int8 = 1; return 1 ; 2", ["let $x: int8 = 1", "return 1 ;", "2"]),
        ("_ = 1; while (1) { } 2", ["_ = 1", "while (1) { }", "2"]),
        ("if (1) { } 2", ["if (1) { }", "2"]),
        ("print(1);", ["print(1)"]),
    ],
)
def test_what_a_statement_marks(text: str, expected: list[str]):
    assert list(map(marked, statements(text))) == expected


def test_what_is_executed_last_is_marked_without_its_semicolon():
    (statement,) = statements("if (1) { 5; 6; } else { 7; }")
    assert isinstance(statement, tree.ExprStmt) and isinstance(statement.expr, tree.If)
    assert list(map(marked, statement.expr.then.statements)) == ["5;", "6"]
    assert isinstance(statement.expr.orelse, tree.Block)
    assert list(map(marked, statement.expr.orelse.statements)) == ["7"]


def test_what_items_mark():
    source = "begin , end { } macro f(@a) { } let @m = hash(1); fn g() : void { }"
    assert list(map(marked, script(source).items)) == ["begin , end", "macro f", "let @m = hash(1);", "fn g() : void"]


def test_import_is_passed_on_to_all_places():
    via = Span(Source("main", 'import "x";'), 0, 11)
    imported = parse(Source("x", "begin { print(1); } // c"), via)
    assert imported.items[0].span.via == imported.comments[0][0].via == via
    with pytest.raises(CompileError) as caught:
        parse(Source("x", "begin {"), via)
    assert "expanded from" in render(caught.value.diagnostics.errors[0])


# --- expressions by themselves ------------------------------------------------------------------------------------


def test_an_expression_has_its_places_in_the_line():
    source = Source("stdin", "#define X 1 + $y\n")
    parsed = parse_expression("1 + $y", Span(source, 10, 16))
    assert isinstance(parsed, tree.Binary) and marked(parsed.right) == "$y"
    elsewhere = Span(source, 8, 9)
    parsed = parse_expression("1 + $y", elsewhere)
    assert isinstance(parsed, tree.Binary) and parsed.right.span == elsewhere


@pytest.mark.parametrize("text", ["", "5UL", "'c'", "1 +", "1; 2", "1 2", ")", "}", "1 }", '"', "$", "unsigned int"])
def test_what_is_no_expression(text: str):
    with pytest.raises(CompileError):
        parse_expression(text, Span(Source("stdin", text), 0, len(text)))


# --- any text -----------------------------------------------------------------------------------------------------


def test_all_malformed_literals_are_reported():
    assert errors('begin { "\\q" + 08; 5x }') == [
        "1:11-12 invalid escape character '\\q'",
        "1:16-18 invalid trailing bytes: 08",
        "1:21-22 invalid integer suffix 'x'",
    ]


DEEP = {
    "parentheses": "begin {{ {}1{} }}".format("(" * 5000, ")" * 5000),
    "open parentheses": "begin { " + "(" * 100_000,
    "blocks": "begin " + "{" * 5000 + "}" * 5000,
    "prefixes": "begin { " + "- " * 5000 + "1 }",
    "casts": "begin { " + "(int8)" * 5000 + "1 }",
    "operators": "begin { $x = " + "1+" * 5000 + "1 }",
    "members": "begin { $x" + ".y" * 5000 + " }",
    "calls": "begin {{ {}1{} }}".format("f(" * 5000, ")" * 5000),
    "branches": "begin { if 1 {} " + "else if 1 {} " * 5000 + "}",
    "types": "begin {{ {}1{} }}".format("sizeof(" * 5000, ")" * 5000),
    "typeof casts": "begin {{ {}x{} }}".format("(typeof(" * 5000, "))1" * 5000),
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_deep_nesting_is_an_error(text: str):
    (error,) = errors(text)
    assert "nested too deeply" in error


def test_nesting_that_is_allowed():
    depth = MAX_DEPTH - 10
    script("begin {{ {}1{} }}".format("f(" * depth, ")" * depth))
    script("begin { $x = " + "1 + " * depth + "1 }")


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "text", ["(a* ", "(a[1] /* c */", "(typeof(", "/ ", "/* ", "{ ", '"', "@a[", 'x:"', "struct x {"]
)
def test_repeated_beginnings_take_linear_time(text: str):
    errors("begin { " + text * (300_000 // len(text)))
    with suppress(CompileError):
        script(text * (300_000 // len(text)))


def test_any_bytes_are_a_script_or_an_error():
    rng = random.Random(7)
    pieces = [
        'begin { print("a"); }',
        "@",
        "$",
        '"',
        "/*",
        "//",
        "\n",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "#",
        "struct",
        "1e",
    ]
    for _ in range(1500):
        text = "".join(
            rng.choice(pieces) if rng.random() < 0.4 else chr(rng.randrange(256)) for _ in range(rng.randrange(1, 30))
        )
        for candidate in (text, f"begin {{ {text} }}", f"struct x {{ {text} }}", f"config = {{ {text} }}"):
            try:
                script(candidate)
            except CompileError as error:
                assert error.diagnostics.errors
                for diagnostic in error.diagnostics.errors:
                    render(diagnostic)
