"""Control flow, unstable features, names, map shapes, C macros, imports (LANGUAGE 5.11, 9, 10, 18, 20.5, 21)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.semantics.passes import Outcome


def said(text: str, **options: object) -> list[str]:
    """The first lines of all messages, with their places in `stdin` shortened."""
    lines = Outcome(text, **options).text.splitlines()
    return [line.removeprefix("stdin:1:") for line in lines if "ERROR: " in line or "WARNING: " in line]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("begin { break; }", ["9-15: ERROR: 'break' statement is not allowed in a probe"]),
        ("begin { if (1) { continue; } }", ["18-27: ERROR: 'continue' statement is not allowed in a probe"]),
        ("begin { unroll(2) { break; } }", ["21-27: ERROR: 'break' statement is not allowed in a probe"]),
        ("begin { for ($i : 0..3) { unroll(2) { break; } } }", []),
        ("begin { for ($i : 0..3) { if (1) { break; } } }", []),
        ("begin { for ($i : { break; 1 }..3) { } }",
         ["21-27: ERROR: 'break' statement is not allowed in a probe",
          "28-29: WARNING: Unreachable expression; block type is implicitly none."]),
        ("macro m() { return; } begin { }", ["13-20: ERROR: 'return' statement is not allowed in a macro"]),
        ("macro m() { while (1) { return; } } begin { }",
         ["25-32: ERROR: 'return' statement is not allowed in a while-loop"]),
        ("macro m() { while (1) { break; } } begin { }", []),
        ("fn f(): int64 { break; return 1; } begin { }",
         ["17-23: ERROR: 'break' statement is not allowed in a function", "24-33: WARNING: Unreachable statement."]),
        ("begin { for ($i : 0..5) { return; } for ($i : 0..5) { return 5; } }",
         ["55-64: ERROR: Return value used in loop is inconsistent"]),
        ("begin { for ($i : 0..5) { return; } return 5; }", []),
        ("begin { for ($i : 0..5) { return 5; } } end { for ($i : 0..5) { return; } }", []),
        ("begin { return; print(1); print(2); }", ["17-26: WARNING: Unreachable statement."]),
        ("begin { exit(); print(1); }", ["17-26: WARNING: Unreachable statement."]),
        ("begin { if (1) { return; } else { exit(); } print(1); }", ["45-54: WARNING: Unreachable statement."]),
        ("begin { if (1) { return; } print(1); }", []),
        ("begin { for ($i : 0..5) { break; print(1); } print(2); }", ["34-43: WARNING: Unreachable statement."]),
        ("begin { unroll(2) { return; } print(1); }", ["31-40: WARNING: Unreachable statement."]),
        ("begin { { return; } print(1); }", ["21-30: WARNING: Unreachable statement."]),
        ("begin { _ = exit(); print(1); }", ["21-30: WARNING: Unreachable statement."]),
        ("begin { $a = { return; 5 }; }", ["24-25: WARNING: Unreachable expression; block type is implicitly none."]),
        ("macro m() { exit(); print(1); } begin { m(); }", []),
        ("begin { if comptime (true) { return; } print(1); }", []),
    ],
)
def test_control_flow(text: str, messages: list[str]) -> None:
    assert said(text) == messages


def test_unreachable_values_become_statements() -> None:
    assert "value=None" in repr(Outcome("begin { $a = { return; 5 }; }").body.statements[0])


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("begin { @ = tseries(4, 1s, 10); @ = tseries(4, 1s, 10); }",
         ["WARNING: Script is using an unstable feature: tseries. To prevent this warning you must explicitly enable "
          "it in the config e.g. unstable_tseries=enable"]),
        ("config={unstable_tseries=enable} begin { @ = tseries(4, 1s, 10); }", []),
        ("begin { print(typeinfo(1)); }",
         ["15-26: ERROR: typeinfo feature is not enabled by default. To enable this unstable feature, set the config "
          "flag to enable. unstable_typeinfo=enable"]),
        ("config={unstable_dw_ustack=error} begin { print(dw_ustack); }",
         ["49-58: ERROR: dw_ustack (DWARF stack unwinding) feature is not enabled by default. To enable this unstable "
          "feature, set the config flag to enable. unstable_dw_ustack=enable"]),
        ("macro m() { typeinfo(3) } begin { _ = m(); }", []),
        ("begin { while (1) { } }",
         ["9-22: WARNING: While loops are deprecated and may be removed in the future."]),
        ("begin { sarg0 }",
         ["9-14: ERROR: sarg* is deleted. This was deprecated in v0.21 and was last available in v0.24."]),
        ("begin { print(is_str(1)); }", []),
    ],
)
def test_unstable(text: str, messages: list[str]) -> None:
    assert said(text) == messages


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("begin { nowhere(); }", ["9-18: ERROR: Unknown function: 'nowhere'"]),
        ("begin { print(nsec); }", ["15-19: ERROR: Unknown identifier: 'nsec'"]),
        ("begin { print; }", ["9-14: ERROR: Unknown identifier: 'print'"]),
        ("begin { args(); }", ["9-15: ERROR: Unknown function: 'args'"]),
        ("begin { print(RED); }", []),
        ("begin { print(nsecs(boot)); print(kstack(perf, 3)); print(pid(init)); }", []),
        ("begin { print(__builtin_cpu); }", []),
        ("fn f(): void { } begin { f(); }", ["26-29: ERROR: Unknown function: 'f'"]),
        ("begin { str(); }", ["9-14: ERROR: str() requires at least one argument (0 provided)"]),
        ("begin { print(1, 2, 3, 4); }", ["9-26: ERROR: print() takes up to 3 arguments (4 provided)"]),
        ("begin { strftime(1); }", ["9-20: ERROR: strftime() requires 2 arguments (1 provided)"]),
        ("begin { ksym(); }", ["9-15: ERROR: ksym() requires one argument (0 provided)"]),
        ("begin { @ = count(1); }", ["13-21: ERROR: count() requires no arguments (1 provided)"]),
        ("begin { if comptime (sizeof(1) == 2) { str(); } }",
         ["40-45: ERROR: str() requires at least one argument (0 provided)"]),
    ],
)
def test_names(text: str, messages: list[str]) -> None:
    assert said(text) == messages


def test_hints() -> None:
    assert "HINT: did you mean 'strftime'?\n" in Outcome('begin { strtfime("x"); }').text
    assert "HINT: did you mean 'nsecs'?\n" in Outcome("begin { print(nsec); }").text


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("begin { @x[1] = 2; @x = 3; }",
         ["20-22: ERROR: @x used as a map without an explicit key (scalar map), previously used with an explicit key "
          "(non-scalar map)"]),
        ("begin { @x = 0; @x[1]; }",
         ["17-22: ERROR: @x used as a map with an explicit key (non-scalar map), previously used without an "
          "explicit key (scalar map)"]),
        ("begin { @x = 0; } end { print(@x[3]); }",
         ["31-36: ERROR: @x used as a map with an explicit key (non-scalar map), previously used without an "
          "explicit key (scalar map)"]),
        ("begin { print(@x); clear(@x); zero(@x); print(len(@x)); &@x; @x[1] = 1; }", []),
        ("begin { print((@x, 1)); @x[1] = 1; }",
         ["25-30: ERROR: @x used as a map with an explicit key (non-scalar map), previously used without an "
          "explicit key (scalar map)"]),
        ("begin { @x = 1; for ($k : @x) { } }",
         ["27-29: ERROR: @x has no explicit keys (scalar map), and cannot be used for iteration"]),
        ("begin { for ($k : @x) { } @x = 1; }",
         ["27-29: ERROR: @x used as a map without an explicit key (scalar map), previously used with an explicit key "
          "(non-scalar map)"]),
        ("begin { print(sizeof(@x)); @x[1] = 1; }", []),
        ("begin { print(sizeof(@x[1])); @x = 1; }",
         ["22-27: ERROR: @x used as a map with an explicit key (non-scalar map), previously used without an "
          "explicit key (scalar map)"]),
        ("begin { if comptime (sizeof(1) == 2) { @x = 1; } else { @x[1] = 1; } }", []),
        ("let @x = foo(5); begin { @x = 1; }", ["1-17: ERROR: Invalid bpf map type: foo"]),
        ("let @x = hash(5); begin { print(sizeof(@x)); }", ["1-18: WARNING: Unused map: @x"]),
        ("let @x = hash(5); let @x = lruhash(5); begin { clear(@x); }", []),
    ],
)
def test_map_shapes(text: str, messages: list[str]) -> None:
    assert said(text) == messages


@pytest.mark.parametrize(
    ("defines", "text", "found"),
    [
        ({"X": "1 + 2"}, "X * 2", "IntLit(value=6,"),
        ({"A": "B + 1", "B": "3"}, "A", "IntLit(value=4,"),
        ({"A": "B", "B": "(C)", "C": "5"}, "A", "IntLit(value=5,"),
        ({"L": '"io"'}, "L", "b'io'"),
        ({"P": "(1, 2)"}, "P.1", "IntLit(value=2,"),
        ({"S": "5"}, "sizeof(S)", "Sizeof(arg=IntLit(value=5,"),
        ({"N": "if (1) { 2 } else { 3 }"}, "N", "IntLit(value=2,"),
        ({"cpu": "5"}, "cpu", "Ident(name='cpu')"),
        ({"f": "5"}, "(f=1).f", "IntLit(value=1,"),
    ],
)
def test_defines(defines: dict[str, str], text: str, found: str) -> None:
    outcome = Outcome(f"begin {{ print({text}); }}", defines=defines)
    assert not outcome.errors
    assert found in repr(outcome.body)


@pytest.mark.parametrize(
    ("defines", "messages"),
    [
        ({"M": "M+1"}, ["M:1:1-2: ERROR: Macro recursion: M", "9-10: ERROR: expanded from"]),
        ({"M": "A+1", "A": "M+1"},
         ["A:1:1-2: ERROR: Macro recursion: M->A", "M:1:1-2: ERROR: expanded from", "9-10: ERROR: expanded from"]),
        ({"M": "{"}, ["9-10: ERROR: unable to expand macro as an expression: {"]),
        ({"M": "5UL"}, ["9-10: ERROR: unable to expand macro as an expression: 5UL"]),
        ({"M": "nowhere"}, ["M:1:1-8: ERROR: Unknown identifier: 'nowhere'", "9-10: ERROR: expanded from"]),
        ({"M": "1/0"},
         ["M:1:1-4: ERROR: unable to fold literals due to overflow or underflow", "9-10: ERROR: expanded from"]),
    ],
)
def test_bad_defines(defines: dict[str, str], messages: list[str]) -> None:
    assert said("begin { M; }", defines=defines) == messages


def test_defines_count_for_unroll() -> None:
    assert not Outcome("begin { unroll(N) { } }", defines={"N": "1 + 1"}).errors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lib.bt").write_text(
        "#define SEVEN 7\nstruct s { int a; };\nlet @lm = hash(5);\nmacro twice(x) { x * 2 }\nbegin { print(1); }\n"
    )
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.bt").write_text('import "lib.bt"; macro four() { twice(2) }')
    (tmp_path / "more" / "note.txt").write_text("not code")
    (tmp_path / "set.bt").write_text("config = { max_strlen = 64 }")
    (tmp_path / "bad.bt").write_text("macro c() { 1 ")
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o022)
    return tmp_path


def test_imports(folder: Path) -> None:
    outcome = Outcome('import "more"; import "lib.bt"; begin { print(four()); @lm[1] = 1; }', directory=str(folder))
    assert not outcome.errors and not outcome.warnings
    assert [len(p.probe.body.statements) for p in outcome.unit.probes] == [1, 2]
    assert [d.name for d in outcome.unit.map_decls] == ["lm"]
    assert next(line.text for line in outcome.unit.script.preamble) == "#define SEVEN 7"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('import "none.bt"; begin { }',
         ["1-17: ERROR: Unable to find suitable path for import", "HINT: checked: FOLDER/none.bt"]),
        ('import "more/note.txt"; begin { }', ['1-23: ERROR: unknown import type: "more/note.txt"']),
        ('import "set.bt"; begin { }',
         ["set.bt:1:1-29: ERROR: invalid `config` within import", "1-16: ERROR: expanded from"]),
        ('import "lib.bt"; begin { }', ["lib.bt:3:1-19: WARNING: Unused map: @lm", "1-16: WARNING: expanded from"]),
        ('begin { import "lib.bt"; }',
         ["9-24: ERROR: Import statements that are not at the top level are reserved for the standard library."]),
    ],
)
def test_import_messages(folder: Path, text: str, lines: list[str]) -> None:
    found = [
        line.removeprefix("stdin:1:").replace(str(folder), "FOLDER")
        for line in Outcome(text, directory=str(folder)).text.splitlines()
        if ": " in line and not line.startswith(("import", "begin", "config", "let"))
    ]
    assert found == lines


def test_syntax_errors_of_imports_point_back(folder: Path) -> None:
    text = Outcome('import "bad.bt"; begin { }', directory=str(folder)).text
    assert text.startswith("bad.bt:1:") and "stdin:1:1-16: ERROR: expanded from" in text


def test_what_everyone_may_write_is_not_imported(folder: Path) -> None:
    (folder / "lib.bt").chmod(0o666)
    assert said('import "lib.bt"; begin { }', directory=str(folder)) == [
        "1-16: ERROR: Unable to find suitable path for import",
        '1-16: WARNING: skipping due to global write permissions: "lib.bt"',
    ]
    (folder / "more").chmod(0o777)
    assert "Unable to find suitable path for import" in said('import "more"; begin { }', directory=str(folder))[0]


def test_a_script_that_imports_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "ring.bt").write_text('import "ring.bt"; macro ring() { 1 }')
    (folder / "ring.bt").chmod(0o644)
    assert not Outcome('import "ring.bt"; begin { print(ring()); }').errors
