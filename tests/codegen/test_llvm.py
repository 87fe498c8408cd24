"""LLVM's library called directly makes what llvmlite's package makes."""

from __future__ import annotations

import pytest

from pytrace.codegen import libllvm, llvm
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
