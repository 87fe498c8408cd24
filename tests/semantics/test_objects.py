"""Functions of imported C files and BPF objects (LANGUAGE 10)."""

from __future__ import annotations

import os
import random
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytrace.clang import compile as compile_module
from pytrace.clang.compile import find_clang
from pytrace.codegen.link import link
from pytrace.semantics.objects import ObjectError, externs
from pytrace.semantics.types import I32, I64, U8, VOID, Pointer
from tests.conftest import Done
from tests.semantics.object_files import CODE, object_file
from tests.semantics.passes import Outcome


@pytest.fixture(scope="module")
def data() -> bytes:
    return object_file()


@pytest.fixture
def folder(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "tiny.bpf.o").write_bytes(data)
    return tmp_path


def run(pytrace: Callable[..., Done], folder: Path, script: str, **options: Any) -> Done:
    path = folder / "script.bt"
    path.write_text(script)
    return pytrace("-q", str(path), **options)


def test_signatures(data: bytes) -> None:
    """Global functions can be called, static ones not."""
    found = externs(data, "tiny.bpf.o")
    assert sorted(found) == ["bump", "is_null", "reset", "sum_of_squares"]
    assert found["sum_of_squares"].params == (("a", I32), ("b", U8))
    assert found["sum_of_squares"].returns == I64
    assert found["reset"].returns == VOID and found["reset"].params == ()
    assert isinstance(found["is_null"].params[0][1], Pointer)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (CODE + '@m = global [4 x ptr] zeroinitializer, section ".maps"', "it defines maps"),
        (CODE + "@p = global ptr @counter", "its section .data holds addresses"),
        (
            CODE + "@gone = external global i32\ndefine ptr @f() {\n ret ptr @gone\n}\n",
            "it uses gone, which it does not define",
        ),
    ],
)
def test_what_the_linker_does_not_know(code: str, reason: str) -> None:
    with pytest.raises(ObjectError, match=reason):
        externs(object_file(code), "x")


def test_objects_without_types() -> None:
    with pytest.raises(ObjectError, match="it has no BTF: compile it with -g"):
        externs(object_file("define i32 @f(i32 %x) {\n ret i32 %x\n}\n", ""), "x")


def test_core_relocations_are_refused(data: bytes) -> None:
    """Their number stands in the header of .BTF.ext (struct btf_ext_header)."""
    at = data.rindex(struct.pack("<HBBI", 0xEB9F, 1, 0, 32))
    with pytest.raises(ObjectError, match="CO-RE"):
        externs(data[: at + 28] + struct.pack("<I", 16) + data[at + 32 :], "x")


CALLER = """
declare i64 @imported.bump(i64)
declare i64 @imported.sum_of_squares(i64, i64)
define i64 @main(ptr %ctx) section "test" {
  %a = call i64 @imported.bump(i64 1)
  %b = call i64 @imported.sum_of_squares(i64 %a, i64 1)
  ret i64 %b
}
"""


def test_linking(data: bytes) -> None:
    """What is called comes along, with what it calls and the data it uses, and nothing else."""
    (linked,) = link(object_file(CALLER, ""), ["test"], bytearray().find, [data])
    assert [name for name, _ in linked.functions] == ["main", "bump", "sum_of_squares", "square"]
    assert {(each.kind, each.symbol) for each in linked.relocations} == {("data", "object1.data")}


def test_damaged_objects_are_refused(data: bytes) -> None:
    """Whatever is wrong with an object, there is a message about it, or it is not wrong for us."""
    chance = random.Random(7)
    caller = object_file(CALLER, "")
    for _ in range(1000):
        broken = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        if chance.random() < 0.3:
            del broken[chance.randrange(len(broken)) :]
        try:
            found = externs(bytes(broken), "x")
            if "bump" in found:
                link(caller, ["test"], bytearray().find, [bytes(broken)])
        except ObjectError as error:
            assert str(error)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("bump()", "Function `bump` requires 1 arguments, got only 0"),
        ("bump(1, 2)", "Function `bump` requires 1 arguments, got 2"),
        ('bump("a")', "Expected int32 for argument `by` got string[2]"),
        ('bump("a")', "Function `bump` requires arguments (int32)"),
        ("sum_of_squares(1, 300)", "Expected uint8 for argument `b` got int16"),
        ("is_null(0)", "Expected struct task_struct * for argument `task` got int8"),
        ("print(reset())", "none type passed to print() is not printable"),
        ("square(1)", "Unknown function: 'square'"),
        ("bumb(1)", "did you mean 'bump'?"),
    ],
)
@pytest.mark.live
def test_calls_are_checked(pytrace: Callable[..., Done], folder: Path, call: str, message: str) -> None:
    done = run(pytrace, folder, f'import "tiny.bpf.o"; begin {{ {call}; }}', status=1)
    assert message in done.stderr


@pytest.mark.live
def test_calls(pytrace: Callable[..., Done], folder: Path) -> None:
    """Functions keep their data between calls and programs; narrow results are extended by their sign."""
    script = (
        'import "tiny.bpf.o"; begin { print(sum_of_squares(3, 4)); print(sum_of_squares(-3, 255)); print(bump(1)); '
        "print(bump(-7)); reset(); print(bump(true)); print(is_null(curtask)); @[bump(1)] = count(); } "
        "interval:ms:10 { print(bump(40)); exit(); }"
    )
    expected = ["25", "65034", "6", "-1", "1", "0", "42", "@[2]:", "1"]
    for _ in range(2):  # the second comes from the cache
        assert run(pytrace, folder, script).stdout.split() == expected


@pytest.mark.live
def test_what_is_missing_or_open_to_all(pytrace: Callable[..., Done], folder: Path) -> None:
    (folder / "text.bpf.o").write_text("no object")
    done = run(pytrace, folder, 'import "text.bpf.o"; begin { }', status=1)
    assert 'cannot import "text.bpf.o": not a 64-bit little-endian ELF file' in done.stderr
    (folder / "again.bpf.o").write_bytes((folder / "tiny.bpf.o").read_bytes())
    done = run(pytrace, folder, 'import "."; begin { }', status=1)
    assert "function `bump` is imported twice" in done.stderr
    (folder / "tiny.bpf.o").chmod(0o666)
    done = run(pytrace, folder, 'import "tiny.bpf.o"; begin { bump(1); }', status=1)
    assert "skipping due to global write permissions" in done.stderr


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.bpf.c").write_text("int f(void) { return 1; }\n")
    monkeypatch.setattr(compile_module, "find_clang", lambda: None)
    found = Outcome('import "x.bpf.c"; begin { f(); }', directory=str(tmp_path))
    assert "C files are compiled by clang, and there is none" in found.errors[0]
    assert "clang -target bpf -g" in found.text


def test_a_compiler_that_others_can_change_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "clang"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_clang() == str(program)
    for path in (program, tmp_path):
        before = stat.S_IMODE(path.stat().st_mode)
        path.chmod(before | 0o002)
        assert find_clang() != str(program)
        path.chmod(before)
    monkeypatch.setenv("PATH", os.path.relpath(tmp_path))
    assert find_clang() != os.path.relpath(program)


@pytest.mark.live
@pytest.mark.skipif(find_clang() is None, reason="no clang")
def test_c_files(pytrace: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "step.h").write_text("#define STEP 2\n")
    source = tmp_path / "count.bpf.c"
    source.write_text(
        '#include "step.h"\nstatic int total = 1;\nconst char names[2][8] = {"one", "two"};\nenum e { A = 3, B = 7 };\n'
        "int step(void) { return total += STEP; }\n_Bool big(long x) { return x > 1000; }\n"
        "int letter(int i) { return names[i & 1][0]; }\nenum e other(enum e x) { return x == A ? B : A; }\n"
    )
    script = (
        'import "count.bpf.c"; begin { _ = step(); print(step()); print(big(1001)); print(letter(1)); '
        "print(other(3)); }"
    )
    done = run(pytrace, tmp_path, script)
    assert done.stdout.split() == ["5", "true", "116", "B"]
    (tmp_path / "step.h").write_text("#define STEP 10\n")
    done = run(pytrace, tmp_path, script)
    assert done.stdout.split()[0] == "21"
    source.write_text("int f(int a) { return a + missing; }\n")
    done = run(pytrace, tmp_path, 'import "count.bpf.c"; begin { f(1); }', status=1)
    assert done.stderr.startswith("count.bpf.c:1:27-34: ERROR: use of undeclared identifier 'missing'\n")
    assert "script.bt:1:1-21: ERROR: expanded from" in done.stderr
