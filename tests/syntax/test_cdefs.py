"""The C preamble: directives, definitions and their types (LANGUAGE 21)."""

from __future__ import annotations

import random

import pytest

from pytrace.diagnostics import CompileError, Source, render
from pytrace.semantics.script_types import ScriptTypes
from pytrace.semantics.types import I8, I32, I64, U8, U32, U64, VOID, Array, Enum, Field, Pointer, Str, Struct
from pytrace.syntax import ctree
from pytrace.syntax.cdefs import read_preamble
from pytrace.syntax.parser import parse
from tests.semantics.test_ctypes_layout import NoTypes


def preamble(text: str) -> ctree.Preamble:
    return read_preamble(parse(Source("stdin", text)).preamble, {"HAVE": "1"})


def types(text: str) -> ScriptTypes:
    return ScriptTypes(preamble(text).definitions, NoTypes())


def fields(text: str, kind: str = "struct", name: str = "s") -> dict[str, Field]:
    table = types(text)
    struct = table.struct(kind, name)
    assert struct is not None
    definition = table.definition(struct)
    assert definition is not None
    return {field.name: field for field in definition.fields}


def error(text: str) -> str:
    with pytest.raises(CompileError) as caught:
        types(text)
    assert caught.value.status == 2
    (diagnostic,) = caught.value.diagnostics.errors
    assert diagnostic.span is not None and render(diagnostic)
    return f"{diagnostic.span.location().removeprefix('stdin:')} {diagnostic.message}"


# --- directives ---------------------------------------------------------------------------------------------------


def test_defines():
    found = preamble(
        "#define A 1 + 2 // three\n#define B\n# define  C(x, y)  x * y\n#define D (1)\n#define A 5\n#undef D\n"
    )
    assert [(d.name, d.params, d.body) for d in found.defines] == [
        ("A", None, "5"), ("B", None, ""), ("C", ("x", "y"), "x * y"),
    ]  # fmt: skip
    assert found.defines[0].span.text == "5"


def test_includes_are_noted():
    found = preamble('#include <linux/sched.h>\n#include "x.h" // mine\n')
    assert [(i.name, i.system) for i in found.includes] == [("linux/sched.h", True), ("x.h", False)]
    assert found.includes[1].span.text == '"x.h"'


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("#ifdef HAVE", True), ("#ifndef HAVE", False), ("#ifdef NONE", False), ("#if 1", True), ("#if 0", False),
        ("#if defined(HAVE) && !defined NONE", True), ("#if N > 4", True), ("#if N + 1 == 6 && N * 2 / 5 == 2", True),
        ("#if NONE", False), ("#if HAVE ? 0 : 1", False), ("#if -1 < 0u", False), ("#if (1 << 3 | 1) == 0x9", True),
        ("#if 'a' == 97", True), ("#if ~0 == -1", True), ("#if 0 && 1 / 0", False), ("#if M == 5", True),
    ],
)  # fmt: skip
def test_conditions(condition: str, holds: bool):
    text = f"#define N 5\n#define M N\n{condition}\nstruct s {{ int yes; }};\n#else\nstruct s {{ int no; }};\n#endif\n"
    assert list(fields(text)) == ["yes" if holds else "no"]


def test_conditions_nest_and_chain():
    text = (
        "#if 0\n#if 1\nstruct a { int x; };\n#else\nstruct b { int x; };\n#endif\n#error never\n#elif 1\n"
        "struct s { int y; };\n"
        "#elif 1\nstruct s { int z; };\n#else\nstruct s { int w; };\n#endif\n"
    )
    table = types(text)
    assert table.struct("struct", "a") is None and table.struct("struct", "b") is None
    assert list(fields(text)) == ["y"]


def test_directives_inside_of_a_definition():
    text = "struct s {\n#ifdef HAVE\n  int a;\n#else\n  int b;\n#endif\n#define N 3\n  char c[N]; /*\n#endif */\n};\n"
    found = fields(text)
    assert list(found) == ["a", "c"] and found["c"].stored == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#endif\n", "1:2-7 #endif without #if"),
        ("#else\n", "1:2-6 #else without #if"),
        ("#if 1\n", "1:2-4 unterminated conditional directive"),
        ("#if 1\n#else\n#else\n#endif\n", "3:2-6 #else after #else"),
        ("#if\n#endif\n", "1:4-4 expected expression"),
        ("#if 1 +\n#endif\n", "1:8-8 expected expression"),
        ("#if 1 / 0\n#endif\n", "1:5-10 division by zero in constant expression"),
        ("#if defined\n#endif\n", "1:5-12 macro name missing"),
        ("#ifdef\n#endif\n", "1:7-7 macro name missing"),
        ("#define 5\n", "1:9-10 macro name missing"),
        ("#error no way\n", "1:2-7 #error no way"),
        ("#foo\n", "1:2-5 invalid preprocessing directive #foo"),
        ("#include foo\n", '1:2-9 expected "FILENAME" or <FILENAME>'),
    ],
)
def test_malformed_directives(text: str, message: str):
    assert error(text) == message


def test_macros_in_definitions():
    found = fields(
        "#define N 2\n#define SIZE (N * 2)\n#define T unsigned int\n#define LOOP LOOP\nstruct s { T a[SIZE]; };\n"
    )
    assert found["a"].type == Array(U32, 4)


def test_macros_that_double_are_refused():
    lines = ["#define A0 ;"] + [f"#define A{i} A{i - 1} A{i - 1}" for i in range(1, 40)]
    assert "expands to too much" in error("\n".join(lines) + "\nstruct s { A39 };\n")


# --- types --------------------------------------------------------------------------------------------------------


def test_types_of_members():
    found = fields(
        "enum lamp { RED, GREEN };\nstruct other { int x; };\n"
        "struct s { char a[4]; unsigned char b[4]; signed char c[4]; char d[2][4]; char e; char *f; char *g[2];"
        " _Bool h; enum lamp i; long long j; int k : 3; unsigned l : 5; int (*m)(int, char *); void *n; const char *o;"
        " struct task_struct *p; struct unknown *q; struct s *r; struct other t; u32 u; float v; double w; size_t x;"
        " int flex[]; };\n"
    )
    other, task = Struct("other", 4, 4), Struct("task_struct", 9000, 64, source="vmlinux")
    expected = {
        "a": Str(5), "b": Array(U8, 4), "c": Array(I8, 4), "d": Array(Str(4), 2), "e": I8, "f": Pointer(I8),
        "g": Array(Pointer(I8), 2), "h": U8, "i": Enum("lamp"), "j": I64, "k": I32, "l": U32, "m": Pointer(VOID),
        "n": Pointer(VOID), "o": Pointer(I8), "p": Pointer(task),
        "q": Pointer(Struct("unknown", 0, 1)), "t": other, "u": U32, "v": VOID, "w": VOID, "x": U64,
        "flex": Array(I32, 0),
    }  # fmt: skip
    assert {name: field.type for name, field in found.items() if name != "r"} == expected
    pointer = found["r"].type
    assert isinstance(pointer, Pointer) and isinstance(pointer.pointee, Struct) and pointer.pointee.name == "s"
    assert (found["a"].stored, found["b"].stored) == (4, 0)
    assert (found["i"].bit_offset, found["i"].bit_size) == (0, 32)  # four bytes of what is a 64-bit number


def test_anonymous_members_are_in_place():
    found = fields("struct s { char a; struct { short b; union { int c; char d; }; }; struct { int x; } in; };\n")
    assert {name: field.offset for name, field in found.items()} == {"a": 0, "b": 4, "c": 8, "d": 8, "in": 12}


def test_inner_definitions_are_known_outside():
    table = types("struct s { struct inner { int y; enum kind { K = 4 } k; } z; struct { int q; } *p; };\n")
    assert table.struct("struct", "inner") == Struct("inner", 8, 4)
    assert table.enumerator("K") == (Enum("kind"), 4)


def test_enumerations():
    table = types(
        "enum lamp { RED, AMBER = 4, GREEN, LAST = GREEN * 2 + (1 ? 1 : 0), NEG = -1 };\nenum { LOOSE = 'a' };\n"
    )
    assert table.enum("lamp") == Enum("lamp")
    assert table.enumerator("LAST") == (Enum("lamp"), 11)
    assert table.enumerator("NEG") == (Enum("lamp"), 2**64 - 1)
    assert table.variants(Enum("lamp")) == {
        0: "RED",
        4: "AMBER",
        5: "GREEN",
        11: "LAST",
        2**64 - 1: "NEG",
        2**32 - 1: "NEG",
    }
    loose = table.enumerator("LOOSE")
    assert loose is not None and loose[1] == 97 and table.variants(loose[0]) == {97: "LOOSE"}


def test_other_names_are_the_kernels():
    table = types("struct s { int x; };\n")
    assert table.struct("struct", "task_struct") is not None
    assert table.named("u32") == U32
    assert table.named("s") is None  # a script's own struct needs its keyword
    assert table.struct("union", "s") is None


def test_the_scripts_definition_wins():
    assert types("struct task_struct { int pid; };\n").struct("struct", "task_struct") == Struct("task_struct", 4, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("struct s { int x; };\nstruct s { int y; };\n", "2:1-20 redefinition of 's'"),
        ("struct s { int x; char x; };\n", "1:24-25 duplicate member 'x'"),
        ("struct s { int x; struct { int x; }; };\n", "1:32-33 duplicate member 'x'"),
        ("struct s { nosuch x; };\n", "1:12-18 unknown type name 'nosuch'"),
        ("struct s { nosuch *x; };\n", "1:12-18 unknown type name 'nosuch'"),
        ("struct s { struct nosuch x; };\n", "1:12-25 field has incomplete type 'struct nosuch'"),
        ("struct s { struct s x; };\n", "1:12-20 field has incomplete type 'struct s'"),
        ("struct s { int x[NOSUCH]; };\n", "1:18-24 use of undeclared identifier 'NOSUCH'"),
        ("struct s { int x[-1]; };\n", "1:16-21 array declared with a negative size"),
        ("struct s { int x[1 / 0]; };\n", "1:18-23 division by zero in constant expression"),
        ("struct s { int x : 33; };\n", "1:20-22 width of bit-field (33 bits) exceeds the width of its type"),
        ("struct s { int x : 0; };\n", "1:20-21 named bit-field 'x' has zero width"),
        ("struct s { int x : -1; };\n", "1:20-22 bit-field has negative width (-1)"),
        ("struct s { short long x; };\n", "1:12-22 cannot combine 'short long' to a type"),
        ("struct s { unsigned signed x; };\n", "1:12-27 cannot combine 'unsigned signed' to a type"),
        ("struct s { int x; } __attribute__((aligned(3)));\n", "1:36-46 requested alignment is not a power of 2"),
        ("struct s { int x __attribute__((mode(DI))); };\n", "1:33-41 attribute 'mode' is not supported"),
        ("struct s { int f(void); };\n", "1:16-23 field declared as a function"),
        ("enum e { A, A };\n", "1:1-16 redefinition of enumerator 'A'"),
        ("struct s { int 5; };\n", "1:16-17 expected ';'"),
        ("struct s { int x[; };\n", "1:18-19 expected expression"),
        ("struct s { int x y; };\n", "1:18-19 expected ';'"),
        ("struct s { x; };\n", "1:12-13 unknown type name 'x'"),
        ("enum e { 5 };\n", "1:10-11 expected identifier"),
    ],
)
def test_what_is_no_c(text: str, message: str):
    assert error(text) == message


def test_the_last_semicolon_may_be_missing():
    assert fields("struct s { int x, *y }")["y"].type == Pointer(I32)


def test_large_records_are_refused():
    assert "too large" in error("struct s { char x[0x7fffffff][0x7fffffff]; };\n")


def test_deep_definitions_are_refused():
    texts = (
        "struct s { int " + "*" * 3000 + "x; };",
        "struct s { int x" + "[1]" * 3000 + "; };",
        "struct s { " * 600 + "};" * 600,
        "struct s { int x[" + "(" * 5000 + "1" + ")" * 5000 + "]; };",
    )
    for text in texts:
        assert "nested too deeply" in error(text)


def test_any_text_is_c_or_an_error():
    rng = random.Random(5)
    pieces = [
        "struct", "s", "{", "}", ";", "int", "char", "*", "[", "]", "3", "x", ":", ",", "(", ")", "enum", "union", "=",
        "__attribute__((packed))", "unsigned", "sizeof", "'a'", "+", "const", "\n#if 1\n", "\n#endif\n",
        "\n#define x 3\n",
    ]  # fmt: skip
    good = 0
    for _ in range(3000):
        text = "struct s { " + " ".join(rng.choice(pieces) for _ in range(rng.randrange(12))) + " };\n"
        try:
            table = types(text)
            for kind, name in list(table._records):
                struct = table.struct(kind, name)
                assert struct is not None and table.definition(struct) is not None
            good += 1
        except CompileError as failure:
            assert all(map(render, failure.diagnostics.errors))
    assert good > 100
