"""LLVM through llvmlite: IR text to a BPF object file. With `libllvm.py` the one module that imports llvmlite.

Loading LLVM takes as long as compiling a script; `preload` starts it in a thread, beside parsing and checking: most of
the time is spent in the dynamic loader, without Python's lock.
"""

from __future__ import annotations

import os
from _thread import RLock, get_ident, start_new_thread
from itertools import chain

from pytrace.codegen import libllvm
from pytrace.hints import Any, Callable, Iterable
from pytrace.once import cache

__all__ = ["PackageMachine", "compile_host", "compile_modules", "load", "preload"]

STACK_OPTION = "-bpf-stack-size=1048576"
"""LLVM ends the process when a function needs more stack than this. What the kernel allows is checked afterwards."""


MOST_THREADS = 8
"""How many modules are compiled at once, at most."""

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

    def close(self) -> None:
        """As there; llvmlite frees it by itself."""

    def compile(self, source: str, passes: tuple[str, ...], inspect: Callable[[str, str], None] | None) -> bytes:
        with _alone:
            return self._compile(source, passes, inspect)

    def _compile(self, source: str, passes: tuple[str, ...], inspect: Callable[[str, str], None] | None) -> bytes:
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


_alone = RLock()
"""LLVM must not be set up by two threads at once: it would miss half of its targets now and then. Nor may a machine
compile two modules at once, nor llvmlite's package, which has one context for all."""

_MACHINES: dict[tuple[str, int], libllvm.DirectMachine | PackageMachine] = {}
"""By instruction set and thread: a machine compiles one module at a time."""


def _machine(instruction_set: str, thread: int = 0) -> libllvm.DirectMachine | PackageMachine:
    with _alone:
        machine = _MACHINES.get((instruction_set, thread))
        if machine is None:
            machine = _MACHINES[instruction_set, thread] = _new_machine(instruction_set)
        return machine


def _new_machine(instruction_set: str) -> libllvm.DirectMachine | PackageMachine:
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


_loading: list[int] = []
"""The thread that loads LLVM, once there is one."""


def preload() -> None:
    """Starts loading LLVM in the background, once."""
    if not _loading:
        _loading.append(start_new_thread(load, ()))


def load() -> None:
    """Loads LLVM."""
    try:  # noqa: SIM105  # contextlib takes a millisecond to import
        _machine("v4")
    except ImportError:
        pass  # who needs it will say so


def compile_host(text: str) -> bytes:
    """Optimises a module for this machine's processor and gives the ELF object. Raises `RuntimeError`."""
    with _alone:
        machine = _host()
        triple = f"{os.uname().machine}-unknown-linux-gnu"
        source = f'target datalayout = "{machine.layout}"\ntarget triple = "{triple}"\n{text}'
        return machine.compile(source, _PASSES, None)


def compile_modules(
    texts: Iterable[str], instruction_set: str, inspect: Callable[[str, str], None] | None = None
) -> list[bytes]:
    """Optimises modules and gives their ELF objects. `inspect` gets the stages `codegen` and `codegen-opt` as text.

    Several modules are compiled side by side, and beside making the text of the next: LLVM needs no lock of Python's.
    """
    texts = iter(texts)
    first, second = next(texts), next(texts, None)
    if second is None:
        return [_compile(first, instruction_set, inspect)]
    texts = chain((first, second), texts)
    if inspect is not None or not libllvm.is_known():  # llvmlite's package has one lock for all that it does
        return [_compile(text, instruction_set, inspect) for text in texts]
    from concurrent.futures import ThreadPoolExecutor

    _machine(instruction_set)  # what is set up once is, before threads need it
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool:
        try:
            return list(pool.map(lambda text: _compile(text, instruction_set, None, get_ident()), texts))
        finally:
            for key in [key for key in _MACHINES if key[1]]:
                _MACHINES.pop(key).close()


def _compile(
    text: str, instruction_set: str, inspect: Callable[[str, str], None] | None, thread: int = 0
) -> bytes:
    machine = _machine(instruction_set, thread)
    # Without a layout LLVM takes one in which 8-byte loads are split in two, which the verifier refuses for contexts.
    source = f'target datalayout = "{machine.layout}"\ntarget triple = "bpf"\n{text}'
    if inspect is not None:
        inspect("codegen", source)
    return machine.compile(source, _PASSES, inspect)
