"""Preambles with headers that need a C compiler (LANGUAGE 21)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytrace.clang import library as library_module
from pytrace.clang import preamble as preamble_module
from pytrace.clang.library import Library
from pytrace.semantics import definitions
from pytrace.semantics.types import Array, Int, Pointer, Str, Struct
from tests.semantics.passes import Outcome

HEADER = """
#ifndef OWN_H
#define OWN_H
#include <stddef.h>
#define SHIFTED (1 << 4)
#define LONG 5UL
#define LONGER 1 + \\
    2
#define CHARACTER 'c'
#define TWICE(x) ((x) * 2)
#define CALLS TWICE(21)
#define TEXTS "a" "b\\n"
#define MINUS_ONE (-1)
#define HUGE_NUMBER 0xffffffffffffffffUL
#define UNBALANCED {
#define DOES do { } while (0)
#define NOTHING
#define ITSELF ITSELF
#if defined(WIDE) && WIDE > 1
typedef unsigned long long number;
#else
typedef unsigned short number;
#endif
typedef struct { int x; char name[8]; } unnamed_t;
static inline int helper(int x) { return unknown_function(x); }
struct rec {
    struct fwd *pointer; void (*call)(struct fwd *, ...); char grid[2][3]; unsigned char bytes[3]; number n;
    float f; long double ld; struct { int deep; struct inner { char c; } in; }; union { int u1; char u2[4]; };
    int low : 3; unsigned long wide : 40; enum color { RED, GREEN = 5, MINUS = -1 } color; enum color *which;
    unnamed_t named; char text[8]; int flex[];
};
#endif
"""


@pytest.fixture
def folder(tmp_path: Path, compiler: Library) -> Path:
    (tmp_path / "own.h").write_text(HEADER)
    return tmp_path


def outcome(folder: Path, text: str, **options: object) -> Outcome:
    return Outcome(text, directory=str(folder), **options)


def test_records_are_laid_out_as_by_the_compiler(folder: Path, tmp_path: Path) -> None:
    found = outcome(folder, '#define WIDE 2\n#include "own.h"\nbegin { }')
    assert not found.errors, found.text
    types = found.unit.types
    rec = types.struct("struct", "rec")
    assert rec is not None and (rec.size, rec.align, rec.source) == (128, 16, "")
    definition = types.definition(rec)
    assert definition is not None
    fields = {field.name: field for field in definition.fields}
    offsets = {name: field.offset for name, field in fields.items()}
    assert offsets == {
        "pointer": 0, "call": 8, "grid": 16, "bytes": 22, "n": 32, "f": 40, "ld": 48, "deep": 64, "in": 68, "u1": 72,
        "u2": 72, "low": 76, "wide": 80, "color": 88, "which": 96, "named": 104, "text": 116, "flex": 124,
    }  # fmt: skip
    assert fields["pointer"].type == Pointer(Struct("fwd", 0, 1))
    assert fields["grid"].type == Array(Str(3), 2)
    assert fields["bytes"].type == Array(Int(1, False), 3)
    assert (fields["text"].type, fields["text"].stored) == (Str(9), 8)
    assert fields["which"].type == Pointer(Int(4, False))
    assert (fields["wide"].bit_offset, fields["wide"].bit_size) == (0, 40)
    assert types.struct("struct", "inner") == Struct("inner", 1, 1)
    assert types.named("number") == Int(8, False)
    unnamed = types.named("unnamed_t")
    assert isinstance(unnamed, Struct) and unnamed.size == 12


def test_enumerations(folder: Path) -> None:
    types = outcome(folder, '#include "own.h"\nbegin { }').unit.types
    constant = types.enumerator("MINUS")
    assert constant is not None and constant[1] == 2**64 - 1
    assert types.variants(constant[0]) == {0: "RED", 5: "GREEN", 2**64 - 1: "MINUS", 2**32 - 1: "MINUS"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SHIFTED", "(1 << 4)"),
        ("LONG", "5"),
        ("LONGER", "1 + 2"),
        ("CHARACTER", "99"),
        ("CALLS", "((21) * 2)"),
        ("TEXTS", '"ab\\n"'),
        ("MINUS_ONE", "(-1)"),
        ("HUGE_NUMBER", "18446744073709551615"),
        ("UNBALANCED", "{"),
        ("DOES", "do { } while (0)"),
        ("NOTHING", None),
        ("ITSELF", None),
        ("TWICE", None),
        ("UNHEARD_OF", None),
    ],
)
def test_macros(folder: Path, name: str, text: str | None) -> None:
    found = outcome(folder, f'#include "own.h"\nbegin {{ {name}; }}', last=definitions.read)
    assert not found.errors, found.text
    assert found.unit.defines.get(name) == text


def test_own_defines_keep_their_meaning(folder: Path) -> None:
    """A body is inserted as a unit, with and without headers."""
    text = "#define SUM 1 + 2\n#define PRODUCT SUM * SHIFTED\nbegin { PRODUCT; }"
    found = outcome(folder, '#include "own.h"\n' + text, last=definitions.read)
    assert found.unit.defines == {"PRODUCT": "SUM * SHIFTED", "SUM": "1 + 2", "SHIFTED": "(1 << 4)"}


def test_mistakes_are_shown_in_place(folder: Path) -> None:
    (folder / "bad.h").write_text("#pragma once\nstruct bad { nothing x; };\n")
    text = '#include <stddef.h>\n#include "bad.h"\nstruct s { int a; nowhere b; };\nstruct s { int c; };\nbegin { }'
    found = outcome(folder, text)
    assert found.status == 2
    lines = found.text.splitlines()
    assert lines[0] == f"{folder}/bad.h:2:14-21: ERROR: unknown type name 'nothing'"
    assert lines[3] == "stdin:2:10-17: ERROR: expanded from"
    assert "stdin:3:19-26: ERROR: unknown type name 'nowhere'" in lines
    assert "stdin:4:8-9: ERROR: redefinition of 's'" in lines
    assert "stdin:3:8-9: ERROR: previous definition is here" in lines
    assert lines[-1] == "ERROR: the C definitions of the script cannot be used"


def test_missing_headers(folder: Path) -> None:
    found = outcome(folder, "#include <linux/no_such_header.h>\nbegin { }")
    assert found.status == 2
    assert found.errors[0] == "'linux/no_such_header.h' file not found"
    hints = " ".join(found.diagnostics.errors[0].hints)
    assert "-I DIR" in hints and "BPFTRACE_HAVE_BTF" in hints
    assert outcome(folder, '#include "/dev/zero"\nbegin { }').errors[0] == "'/dev/zero' is no regular file"


def test_folders_options_and_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    (folder / "deep").mkdir()
    (folder / "deep" / "inner.h").write_text("int function(void);\n#define INNER 7\n")
    (folder / "outer.h").write_text('#include <inner.h>\n')
    dirs = (str(folder), str(folder / "deep"))
    found = Outcome("#include <outer.h>\nbegin { print(INNER); }", include_dirs=dirs)
    assert not found.errors, found.text
    assert set(found.unit.imported) >= {str(folder / "outer.h"), str(folder / "deep" / "inner.h")}
    assert all(os.path.isabs(path) and os.path.exists(path) for path in found.unit.imported)
    found = Outcome("begin { print(INNER); }", includes=(str(folder / "deep" / "inner.h"),))
    assert not found.errors, found.text
    missing = Outcome("begin { }", includes=(str(folder / "none.h"),))
    assert missing.status == 2 and "none.h' file not found" in missing.errors[0]


def test_the_name_of_a_header_may_be_a_macro(folder: Path) -> None:
    found = outcome(folder, '#define NAME "own.h"\n#include NAME\nbegin { print(SHIFTED); }')
    assert not found.errors, found.text
    assert "file not found" in outcome(folder, '#define NAME "none.h"\n#include NAME\nbegin { }').errors[0]


def test_imported_headers(folder: Path) -> None:
    found = outcome(folder, 'import "own.h"; begin { print(LONG); print(sizeof(struct rec)); }')
    assert not found.errors, found.text


def test_kernel_headers(folder: Path) -> None:
    """Those that the environment names are used, with what the kernel's own files are compiled with."""
    for path, text in {
        "include/linux/kconfig.h": "#define CONFIG_HERE 1\n",
        "include/net/thing.h": "#ifdef __KERNEL__\n#define FOUND (CONFIG_HERE + 1)\nint f(void);\n#endif\n",
        "arch/odd/include/asm/thing.h": "#define ODD 9\nint g(void);\n",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    script = "#include <net/thing.h>\n#include <asm/thing.h>\nbegin { print(FOUND + ODD); }"
    for name in ("BPFTRACE_KERNEL_SOURCE", "PYTRACE_KERNEL_BUILD"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ARCH", "odd")
            found = Outcome(script, environment={name: str(folder)})
            assert not found.errors, found.text
            assert found.unit.defines["FOUND"] == "(1 + 1)"
    # What fits the kernel's headers need not fit: the C library is then used without them.
    (folder / "include/linux/types.h").write_text("#error not for programs\n")
    found = Outcome("#include <sys/socket.h>\nbegin { print(AF_INET); }", environment={name: str(folder)})
    assert not found.errors, found.text


def test_without_the_library(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library_module, "library", lambda: None)
    monkeypatch.setattr(definitions, "KERNEL_TYPES", str(tmp_path))
    found = outcome(folder, "#include <linux/sched.h>\nbegin { }")
    assert found.warnings == [
        "<linux/sched.h> is not read: the types of the kernel are known, its #defines are not."
    ]
    assert "install the package libclang" in found.text
    assert set(library_module.places()) <= set(found.unit.imported)  # so that it is compiled anew once there is one
    found = outcome(folder, '#include "own.h"\nbegin { }')
    assert found.status == 2 and "needs a C compiler" in found.errors[0] and "install" in found.text


def test_broken_libraries_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libclang.so").write_text("this is no library")
    monkeypatch.setattr(library_module, "candidates", lambda: [str(tmp_path / "libclang.so"), "libc.so.6"])
    assert library_module.library.__wrapped__() is None


def test_the_compiler_reads_nothing_by_accident(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the current folder nor what a compiler would find relative to it is looked at."""
    (folder / "lib/clang/18/include").mkdir(parents=True)
    (folder / "lib/clang/18/include/stddef.h").write_text("#error found by accident\n")
    (folder / "trap.h").write_text("int trap;\n")
    monkeypatch.chdir(folder)
    assert not Outcome("#include <stddef.h>\nbegin { }", directory="/").errors
    assert "'trap.h' file not found" in Outcome('#include "trap.h"\nbegin { }', directory="/").errors[0]
    assert not os.path.exists(os.path.dirname(preamble_module.MAIN))
