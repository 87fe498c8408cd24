"""The C preamble on its way to types and names (LANGUAGE 21)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytrace.clang import library
from pytrace.semantics import definitions
from tests.semantics.passes import Outcome


def said(text: str, **options: object) -> list[str]:
    return [line for line in Outcome(text, **options).text.splitlines() if "ERROR" in line or "WARNING" in line]


def test_types_and_names() -> None:
    preamble = "struct s { int a; char b; };\n#define N 2 + 1\n#define F(x) x\n#define EMPTY\n"
    outcome = Outcome(preamble + "begin { print(N); }")
    struct = outcome.unit.types.struct("struct", "s")
    assert struct is not None and struct.size == 8
    assert outcome.unit.defines == {"N": "2 + 1"}
    assert not outcome.errors and "IntLit(value=3," in repr(outcome.body)


def test_no_preamble_costs_nothing() -> None:
    outcome = Outcome("begin { }")
    assert type(outcome.unit.types).__name__ == "NoTypes"


def test_btf_is_announced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "#ifdef BPFTRACE_HAVE_BTF\n#define B 1\n#else\n#define B 2\n#endif\nbegin { print(B); }"
    monkeypatch.setattr(definitions, "KERNEL_TYPES", str(tmp_path))
    assert Outcome(text).unit.defines["B"] == "1"
    monkeypatch.setattr(definitions, "KERNEL_TYPES", str(tmp_path / "none"))
    assert Outcome(text).unit.defines["B"] == "2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("struct s { int a; }\nstruct s { int b; }\nbegin { }", "redefinition of 's'"),
        ("struct s { foo b; };\nbegin { }", "unknown type name 'foo'"),
        ("#error boo\nbegin { }", "#error boo"),
        ("#if 1\nbegin { }", "unterminated conditional directive"),
        ('#include "none.h"\nbegin { }', "'none.h' file not found"),
    ],
)
def test_what_is_not_c_ends_with_status_2(text: str, message: str) -> None:
    outcome = Outcome(text)
    assert outcome.status == 2
    assert message in outcome.errors[0]
    assert outcome.errors[-1] == "the C definitions of the script cannot be used"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    guarded = '#include "inner/b.h"\nstruct a { struct b b; long n; };\n'
    (tmp_path / "a.h").write_text(f"#ifndef A_H\n#define A_H\n{guarded}#endif\n")
    (tmp_path / "inner").mkdir()
    again = '#include "../a.h"\nstruct b { int x; };\n#define SEVEN 7\n'
    (tmp_path / "inner" / "b.h").write_text(f"#pragma once\n{again}")
    (tmp_path / "proto.h").write_text("int f(int);\n")
    (tmp_path / "code.h").write_text("begin { }\n")
    return tmp_path


def test_headers_of_definitions(folder: Path) -> None:
    text = '#include "a.h"\n#include "inner/b.h"\n#include "a.h"\nbegin { print(SEVEN); }'
    for options in ({"directory": str(folder)}, {"include_dirs": (str(folder),)}):
        outcome = Outcome(text, **options)
        assert not outcome.errors, outcome.text
        struct = outcome.unit.types.struct("struct", "a")
        assert struct is not None and struct.size == 16
        assert set(outcome.unit.imported) == {str(folder / "a.h"), str(folder / "inner" / "b.h")}
    assert not Outcome(text.replace('"a.h"', "<a.h>"), include_dirs=(str(folder),), directory=str(folder)).errors


def test_header_options_and_imports(folder: Path) -> None:
    assert not Outcome("begin { print(SEVEN); }", includes=(str(folder / "a.h"),)).errors
    (folder / "a.h").chmod(0o644)
    outcome = Outcome('import "a.h"; begin { print(SEVEN); }', directory=str(folder))
    assert not outcome.errors, outcome.text


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "library", lambda: None)


def test_headers_that_need_a_compiler(folder: Path, no_compiler: None) -> None:
    assert "'proto.h' needs a C compiler: proto.h:1:" in said('#include "proto.h"\nbegin { }', directory=str(folder))[0]
    assert "'code.h' is no C header" in said('#include "code.h"\nbegin { }', directory=str(folder))[0]
    assert not said('#ifdef NEVER\n#include "proto.h"\n#include "none.h"\n#endif\nbegin { }', directory=str(folder))


def test_system_headers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_compiler: None) -> None:
    """Where the kernel's types are known without them, they are worth a warning only if no compiler reads them."""
    monkeypatch.setattr(definitions, "KERNEL_TYPES", str(tmp_path))
    assert said("#include <linux/sched.h>\nbegin { }") == [
        "stdin:1:10-25: WARNING: <linux/sched.h> is not read: the types of the kernel are known, its #defines are not."
    ]
    monkeypatch.setattr(definitions, "KERNEL_TYPES", str(tmp_path / "none"))
    assert "'linux/sched.h' file not found" in said("#include <linux/sched.h>\nbegin { }")[0]


def test_errors_in_headers_point_back(folder: Path) -> None:
    (folder / "bad.h").write_text("struct bad { nothing x; };\n")
    lines = said('#include "bad.h"\nbegin { }', directory=str(folder))
    assert lines[0].startswith("bad.h:1:") and lines[1].startswith("stdin:1:1-17: ERROR: expanded from")
