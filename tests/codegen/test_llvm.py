"""LLVM's library called directly makes what llvmlite's package makes."""

from __future__ import annotations

from typing import Any

import pytest

from pytrace import compiler
from pytrace.codegen import libllvm, llvm
from pytrace.codegen.image import Image
from pytrace.codegen.llvm import compile_modules
from pytrace.diagnostics import Diagnostics, Source
from pytrace.semantics.unit import Options
from tests.bench.compile_time import script
from tests.codegen.test_objects import MODULE


@pytest.mark.parametrize("instruction_set", ["v2", "v3", "v4"])
def test_the_direct_way_and_the_package_agree(instruction_set: str) -> None:
    if not libllvm.is_known():
        pytest.skip("this release of llvmlite is used through its package only")
    libllvm.start(llvm.STACK_OPTION)
    direct, package = libllvm.DirectMachine(instruction_set), llvm.PackageMachine(instruction_set)
    assert direct.layout == package.layout
    source = f'target datalayout = "{direct.layout}"\ntarget triple = "bpf"\n{MODULE}'
    shown: dict[str, list[str]] = {"direct": [], "package": []}
    objects = [
        machine.compile(source, llvm._PASSES, lambda _, text, name=name: shown[name].append(text))
        for name, machine in (("direct", direct), ("package", package))
    ]
    assert objects[0].startswith(b"\x7fELF")
    assert objects[0] == objects[1]
    assert shown["direct"] == shown["package"] != [""]


def test_a_bad_module_is_refused() -> None:
    if not libllvm.is_known():
        pytest.skip("this release of llvmlite is used through its package only")
    libllvm.start(llvm.STACK_OPTION)
    with pytest.raises(RuntimeError, match="expected top-level entity"):
        libllvm.DirectMachine("v4").compile("nonsense", (), None)


def image_of(text: str, **how: Any) -> Image:
    return compiler.compile_source(Source("script", text), Options(), Diagnostics(), **how).image


def test_a_large_script_is_compiled_in_parts(monkeypatch: pytest.MonkeyPatch):
    """Its programs are those of the script compiled as a whole, apart from where constants are."""
    whole = image_of(script(6), inspect=lambda stage, text: None)  # who looks at it sees it as one
    monkeypatch.setattr("pytrace.codegen.module.PART_LINES", 1000)
    modules: list[str] = []
    monkeypatch.setattr(
        "pytrace.codegen.driver.compile_modules",
        lambda texts, *rest: compile_modules((modules.append(text) or text for text in texts), *rest),
    )
    parts = image_of(script(6))
    assert len(modules) > 2
    assert [each.code for each in parts.programs] == [each.code for each in whole.programs]
    assert [map_.symbol for map_ in parts.maps] == [map_.symbol for map_ in whole.maps]
    assert parts.actions == whole.actions
    assert [each.lines for each in parts.programs] == [each.lines for each in whole.programs]


def test_other_work_is_done_meanwhile():
    """Once, and the image is the same."""
    done: list[str] = []
    assert image_of("begin { print(1); }", meanwhile=lambda: done.append("")) == image_of("begin { print(1); }")
    assert done == [""]


def test_what_fails_beside_other_work_is_raised():
    with pytest.raises(RuntimeError, match="expected top-level entity"):
        compile_modules(iter([MODULE, "nonsense"]), "v4", None, lambda: None)
