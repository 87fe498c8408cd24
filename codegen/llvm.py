"""LLVM through llvmlite: IR text to a BPF object file. With `libllvm.py` the one module that imports llvmlite.

Loading LLVM takes as long as compiling a script; `preload` starts it in a thread, beside parsing and checking: most of
the time is spent in the dynamic loader, without Python's lock.
"""

from __future__ import annotations

import os
import sys
from _thread import LockType, RLock, allocate_lock, start_new_thread
from itertools import chain

from pytrace.codegen import libllvm
from pytrace.hints import TYPE_CHECKING, Any, Callable, Iterable
from pytrace.once import cache, deque

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

_HOST_PASSES = ("sroa", "instruction_combine", "simplify_cfg")
"""Of the code for this processor the other passes make nothing smaller, and take a quarter of the time."""


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


if TYPE_CHECKING:
    Machine = libllvm.DirectMachine | PackageMachine

_alone = RLock()
"""LLVM must not be set up by two threads at once: it would miss half of its targets now and then. Nor may llvmlite's
package compile two modules at once, for it has one context for all."""

_idle: dict[str, list[Machine]] = {}
"""Machines that compile nothing at the moment, by instruction set: each compiles one module at a time."""


def _machine(instruction_set: str) -> Machine:
    """A machine, to be given back to `_idle`."""
    with _alone:
        idle = _idle.setdefault(instruction_set, [])
        return idle.pop() if idle else _new_machine(instruction_set)


def _new_machine(instruction_set: str) -> Machine:
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
def _host() -> Machine:
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
        _idle.setdefault("v4", []).append(_machine("v4"))
    except ImportError:
        pass  # who needs it will say so


def compile_host(text: str) -> bytes:
    """Optimises a module for this machine's processor and gives the ELF object. Raises `RuntimeError`."""
    with _alone:
        machine = _host()
        triple = f"{os.uname().machine}-unknown-linux-gnu"
        source = f'target datalayout = "{machine.layout}"\ntarget triple = "{triple}"\n{text}'
        return machine.compile(source, _HOST_PASSES, None)


def compile_modules(
    texts: Iterable[str],
    instruction_set: str,
    inspect: Callable[[str, str], None] | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> list[bytes]:
    """Optimises modules and gives their ELF objects. `inspect` gets the stages `codegen` and `codegen-opt` as text.

    Modules are compiled side by side, beside making the text of the next, and beside `meanwhile`: LLVM needs no lock of
    Python's.
    """
    if inspect is not None or (os.cpu_count() or 1) < 2 or not libllvm.is_known():
        return [_compile(text, instruction_set, inspect) for text in texts]
    texts = iter(texts)
    first, second = next(texts), next(texts, None)
    if second is None and meanwhile is None:
        return [_compile(first, instruction_set, inspect)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH)
    try:
        jobs = _Jobs(instruction_set)
        for text in chain((first,), () if second is None else (second,), texts):
            jobs.add(text)
        if meanwhile is not None:
            meanwhile()
        return jobs.results()
    finally:
        sys.setswitchinterval(interval)


_SWITCH = 1e-4
"""Seconds after which who wants Python's lock gets it. With the default of 5 ms, a thread that calls LLVM a few times
would wait for the others most of the time."""


class _Jobs:
    """Modules that are being compiled in threads, `MOST_THREADS` at once."""

    def __init__(self, instruction_set: str) -> None:
        self._set = instruction_set
        self._lock = allocate_lock()
        self._waiting: deque[tuple[str, list[bytes | BaseException], LockType]] = deque()
        self._all: list[tuple[list[bytes | BaseException], LockType]] = []
        self._threads = 0
        self._most = min(os.cpu_count() or 1, MOST_THREADS)

    def add(self, text: str) -> None:
        done = allocate_lock()
        done.acquire()
        result: list[bytes | BaseException] = []
        self._all.append((result, done))
        with self._lock:
            self._waiting.append((text, result, done))
            if self._threads == self._most:
                return
            self._threads += 1
        start_new_thread(self._work, ())

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                text, result, done = self._waiting.popleft()
            try:
                result.append(_compile(text, self._set, None))
            except BaseException as error:  # for who waits for it
                result.append(error)
            finally:
                done.release()

    def results(self) -> list[bytes]:
        """The objects, in order. Raises what compiling one of them raised."""
        objects = []
        for result, done in self._all:
            done.acquire()
            if isinstance(result[0], BaseException):
                raise result[0]
            objects.append(result[0])
        return objects


def _compile(text: str, instruction_set: str, inspect: Callable[[str, str], None] | None) -> bytes:
    machine = _machine(instruction_set)
    try:
        # Without a layout LLVM takes one in which loads of 8 bytes are split; the verifier refuses that for contexts.
        source = f'target datalayout = "{machine.layout}"\ntarget triple = "bpf"\n{text}'
        if inspect is not None:
            inspect("codegen", source)
        return machine.compile(source, _PASSES, inspect)
    finally:
        _idle[instruction_set].append(machine)
