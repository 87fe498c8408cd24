"""Types of headers beside those of the running kernel."""

from __future__ import annotations

import os

import pytest

from pytrace.clang.library import Library
from pytrace.clang.preamble import compile_preamble
from pytrace.clang.types import CompiledTypes
from pytrace.diagnostics import CompileError, Diagnostics, Source, render
from pytrace.kernel.btf_types import KernelTypes
from pytrace.semantics.types import VOID, Pointer, TypeTable
from pytrace.semantics.unit import Options
from pytrace.syntax.parser import parse

pytestmark = pytest.mark.skipif(not os.path.exists("/sys/kernel/btf/vmlinux"), reason="the kernel has no BTF")


def read(compiler: Library, text: str) -> TypeTable:
    script = parse(Source("stdin", text))
    diagnostics = Diagnostics()
    try:
        return compile_preamble(compiler, script.preamble, Options(), KernelTypes(), (), {}, diagnostics).types
    except CompileError:
        pytest.fail("".join(map(render, diagnostics.items)))


def test_what_is_missing_is_the_kernels(compiler: Library) -> None:
    kernel = KernelTypes()
    types = read(
        compiler,
        "struct own { u32 a; struct list_head list; int ids[PIDTYPE_MAX]; enum pid_type kind; spinlock_t lock;\n"
        "struct task_struct *task; struct path where; atomic_t count; u64 (*call)(u64); bool yes; };\n",
    )
    own = types.struct("struct", "own")
    definition = None if own is None else types.definition(own)
    assert definition is not None
    fields = {field.name: field.type for field in definition.fields}
    assert fields["list"] == kernel.struct("struct", "list_head")
    assert fields["where"] == kernel.struct("struct", "path")
    assert fields["lock"] == kernel.named("spinlock_t")
    assert fields["count"] == kernel.named("atomic_t")
    assert fields["kind"] == kernel.enum("pid_type")
    constant = kernel.enumerator("PIDTYPE_MAX")
    assert constant is not None and str(fields["ids"]) == f"int32[{constant[1]}]"
    assert fields["task"] == Pointer(kernel.struct("struct", "task_struct") or VOID)
    assert types.enumerator("PIDTYPE_MAX") == constant


def test_the_same_in_a_header_is_the_kernels(compiler: Library) -> None:
    types = read(compiler, "#include <linux/if_ether.h>\nstruct path { int a; };\n")
    ethhdr, path = types.struct("struct", "ethhdr"), types.struct("struct", "path")
    assert ethhdr == KernelTypes().struct("struct", "ethhdr")
    assert path is not None and (path.size, path.source) == (4, "")


def test_kernel_types_do_not_clash_with_those_of_headers(compiler: Library) -> None:
    """The header defines what the kernel knows too, and is used together with what only the kernel knows."""
    types = read(
        compiler, "#include <sys/socket.h>\n#include <stdint.h>\nstruct s { struct sk_buff_head h; uint8_t b; };\n"
    )
    constant = types.enumerator("SOCK_STREAM")
    assert constant is not None and constant[1] == 1
    assert types.struct("struct", "s") is not None


def test_what_was_asked_is_known_when_the_compiler_is_gone(compiler: Library) -> None:
    types = read(compiler, "#include <stddef.h>\nstruct s { int a; };\nstruct t { int b; };\nenum e { ONE = 1 };\n")
    assert isinstance(types, CompiledTypes)
    one, constant = types.struct("struct", "s"), types.enumerator("ONE")
    assert one is not None and constant is not None
    definition = types.definition(one)
    types.close()
    assert types.struct("struct", "s") == one and types.definition(one) == definition is not None
    assert types.enumerator("ONE") == constant and types.variants(constant[0]) == {1: "ONE"}
    assert types.struct("struct", "t") is None and types.named("no_such_type") is None
