"""LLVM through llvmlite: IR text to a BPF object file. With `libllvm.py` the one module that imports llvmlite.

Loading LLVM takes several times as long as compiling a script; `preload` starts it in a thread, beside parsing and
checking: most of the time is spent in the dynamic loader, without Python's lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from threading import Lock, Thread

from pytrace.codegen import libllvm
from pytrace.hints import Any

__all__ = ["PackageMachine", "compile_host", "compile_module", "preload"]

STACK_OPTION = "-bpf-stack-size=1048576"
"""LLVM ends the process when a function needs more stack than this. What the kernel allows is checked afterwards."""


PLACEMENT_OPTION = "-disable-block-placement"
"""Older verifiers refuse a loop whose last block stands before its first and falls through into it ("back-edge from
insn 127 to 128" on Linux 6.1), which is how LLVM likes to place blocks."""

_PASSES = (
    "sroa", "instruction_combine", "simplify_cfg", "new_gvn", "dead_store_elimination", "aggressive_dce",
)  # fmt: skip


@cache
def _binding() -> Any:
    import llvmlite.binding as binding

    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    binding.set_option("", STACK_OPTION)
    return binding


class PackageMachine:
    """As `libllvm.DirectMachine`, by llvmlite's public interface."""

    def __init__(self, cpu: str, triple: str = "bpf", relocation: str = "default", model: str = "jitdefault") -> None:
        target = _binding().Target.from_triple(triple)
        self._machine = target.create_target_machine(cpu=cpu, opt=2, reloc=relocation, codemodel=model)
        self.layout = str(self._machine.target_data)

    def compile(self, source: str, passes: tuple[str, ...], inspect: Callable[[str, str], None] | None) -> bytes:
        binding = _binding()
        module = binding.parse_assembly(source)
        if inspect is not None:
            module.verify()
        options = binding.create_pipeline_tuning_options(speed_level=2)
        builder = binding.create_pass_builder(self._machine, options)
        manager = binding.create_new_module_pass_manager()
        for name in passes:
            getattr(manager, f"add_{name}_pass")()
        manager.run(module, builder)
        if inspect is not None:
            inspect("codegen-opt", str(module))
        data: bytes = self._machine.emit_object(module)
        return data


@cache
def _machine(instruction_set: str) -> libllvm.DirectMachine | PackageMachine:
    direct = libllvm.is_known()
    if direct:
        libllvm.start(STACK_OPTION)
    if instruction_set != "v4":
        if direct:
            libllvm.set_option(PLACEMENT_OPTION)
        else:
            _binding().set_option("", PLACEMENT_OPTION)
    return libllvm.DirectMachine(instruction_set) if direct else PackageMachine(instruction_set)


@cache
def _host() -> libllvm.DirectMachine | PackageMachine:
    """Compiles for this machine's processor: any of its kind, so that what is kept is valid on all of them."""
    # "generic" is no processor to LLVM's taste on x86-64, where it stands for one of 1995.
    machine = os.uname().machine
    cpu = "x86-64" if machine == "x86_64" else "generic"
    if libllvm.is_known():
        libllvm.start(STACK_OPTION)
        return libllvm.DirectMachine(cpu, f"{machine}-unknown-linux-gnu", "pic", "small")
    return PackageMachine(cpu, f"{machine}-unknown-linux-gnu", "pic", "small")


_loading: list[Thread] = []
_alone = Lock()
"""LLVM's context serves one thread at a time, and so does its setting up: two threads would miss half of its targets
now and then."""


def preload() -> None:
    """Starts loading LLVM in the background, once."""
    if not _loading:
        _loading.append(Thread(target=_machine, args=("v4",), daemon=True, name="llvm"))
        _loading[0].start()


def compile_host(text: str) -> bytes:
    """Optimises a module for this machine's processor and gives the ELF object. Raises `RuntimeError`."""
    for thread in _loading:
        thread.join()
    with _alone:
        machine = _host()
        triple = f"{os.uname().machine}-unknown-linux-gnu"
        source = f'target datalayout = "{machine.layout}"\ntarget triple = "{triple}"\n{text}'
        return machine.compile(source, _PASSES, None)


def compile_module(text: str, instruction_set: str, inspect: Callable[[str, str], None] | None = None) -> bytes:
    """Optimises a module and gives the ELF object. `inspect` gets the stages `codegen` and `codegen-opt` as text."""
    for thread in _loading:
        thread.join()
    with _alone:
        return _compile(text, instruction_set, inspect)


def _compile(text: str, instruction_set: str, inspect: Callable[[str, str], None] | None) -> bytes:
    machine = _machine(instruction_set)
    # Without a layout LLVM takes one in which 8-byte loads are split in two, which the verifier refuses for contexts.
    source = f'target datalayout = "{machine.layout}"\ntarget triple = "bpf"\n{text}'
    if inspect is not None:
        inspect("codegen", source)
    return machine.compile(source, _PASSES, inspect)
