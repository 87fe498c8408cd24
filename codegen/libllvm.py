"""llvmlite's LLVM library, called directly.

`llvmlite.binding` declares all of its 340 functions, and imports `importlib.resources` and llvmlite's own IR classes:
60 ms, more than the compilation of a small script. Some 30 functions are needed, declared here as llvmlite does. They
are no public interface, so this is for the releases in `KNOWN` only; with any other `llvm.py` uses the package.
"""

from __future__ import annotations

import os

from pytrace.hints import Any, Callable
from pytrace.kernel.clib import c_char_p, c_uint, c_ulong, c_void_p
from pytrace.kernel.dynamic import SharedLibrary, byref, bytes_at

__all__ = ["KNOWN", "DirectMachine", "is_known", "start"]

KNOWN = ("0.50.",)

_REF, _TEXT = c_void_p, c_void_p
_FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "InitializeAllTargetInfos": (None, ()),
    "InitializeAllTargets": (None, ()),
    "InitializeAllTargetMCs": (None, ()),
    "InitializeAllAsmPrinters": (None, ()),
    "SetCommandLine": (None, (c_char_p, c_char_p)),
    "GetTargetFromTriple": (_REF, (c_char_p, _TEXT)),
    "CreateTargetMachine": (
        _REF, (_REF, c_char_p, c_char_p, c_char_p, c_uint, c_char_p, c_char_p, c_uint, c_uint, c_char_p),
    ),
    "CreateTargetMachineData": (_REF, (_REF,)),
    "CopyStringRepOfTargetData": (None, (_REF, _TEXT)),
    "DisposeTargetData": (None, (_REF,)),
    "ContextCreate": (_REF, ()),
    "ContextDispose": (None, (_REF,)),
    "ParseAssembly": (_REF, (_REF, c_char_p, _TEXT)),
    "VerifyModule": (c_uint, (_REF, _TEXT)),
    "PrintModuleToString": (None, (_REF, _TEXT)),
    "DisposeModule": (None, (_REF,)),
    "CreatePipelineTuningOptions": (_REF, ()),
    "DisposePipelineTuningOptions": (None, (_REF,)),
    "CreatePassBuilder": (_REF, (_REF, _REF)),
    "DisposePassBuilder": (None, (_REF,)),
    "CreateNewModulePassManager": (_REF, ()),
    "DisposeNewModulePassManger": (None, (_REF,)),
    "RunNewModulePassManager": (None, (_REF, _REF, _REF)),
    "TargetMachineEmitToMemory": (_REF, (_REF, _REF, c_uint, _TEXT)),
    "GetBufferStart": (c_void_p, (_REF,)),
    "GetBufferSize": (c_ulong, (_REF,)),
    "DisposeMemoryBuffer": (None, (_REF,)),
    "DisposeString": (None, (c_char_p,)),
}  # fmt: skip
_SLOW = frozenset({"InitializeAllTargets", "ParseAssembly", "RunNewModulePassManager", "TargetMachineEmitToMemory"})
"""What is worth handing Python's lock to other threads for: to get it back can take longer than all other calls."""
_ADDS_PASS: tuple[Any, Any] = (None, (_REF,))
_PASSES = {
    "sroa": "SROA", "instruction_combine": "InstCombine", "simplify_cfg": "SimplifyCFG", "new_gvn": "NewGVN",
    "dead_store_elimination": "DSE", "aggressive_dce": "ADCE",
}  # fmt: skip
"""Optimisations by the names of `llvmlite.binding`."""


class _Library:
    """The functions by their names without LLVMPY_."""

    def __init__(self, path: str) -> None:
        self._library = SharedLibrary(path)
        self._functions: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = self._functions.get(name)
        if function is None:
            result, arguments = _FUNCTIONS.get(name, _ADDS_PASS)
            found = self._library.function(f"LLVMPY_{name}", result, arguments, quick=name not in _SLOW)
            function = self._functions[name] = found
        return function

    def text(self, name: str, *args: object) -> tuple[Any, str]:
        """Calls a function whose last parameter takes a text: its result and that text."""
        out = c_char_p(None)
        result = getattr(self, name)(*args, byref(out))
        try:
            return result, (out.value or b"").decode("utf-8", "replace")
        finally:
            if out:
                self.DisposeString(out)


_library: list[_Library] = []


def is_known() -> bool:
    """Whether the installed llvmlite is a release that these declarations are for."""
    import llvmlite

    version: str = llvmlite.__version__
    return version.startswith(KNOWN)


def start(option: str) -> None:
    """Load the library and make its targets known, with a command line option of LLVM's. Raises `OSError`."""
    import llvmlite

    if not _library:
        _library.append(_Library(os.path.join(os.path.dirname(llvmlite.__file__), "binding", "libllvmlite.so")))
        for what in ("TargetInfos", "Targets", "TargetMCs", "AsmPrinters"):
            getattr(_library[0], f"InitializeAll{what}")()
        set_option(option)


def set_option(option: str) -> None:
    """An option of LLVM's command line, for everything from now on."""
    _library[0].SetCommandLine(b"", option.encode())


class DirectMachine:
    """Compiles for a processor: by default BPF, with its instruction sets "v1" … "v4". `relocation` and `model` are how
    code refers to code, `layout` is LLVM's description of its data."""

    def __init__(self, cpu: str, triple: str = "bpf", relocation: str = "default", model: str = "jitdefault") -> None:
        lib = self._lib = _library[0]
        target, error = lib.text("GetTargetFromTriple", triple.encode())
        if not target:
            raise RuntimeError(error)
        self._machine = lib.CreateTargetMachine(
            target, triple.encode(), cpu.encode(), b"", 2, relocation.encode(), model.encode(), 0, 0, b""
        )
        if not self._machine:
            raise RuntimeError(f"LLVM cannot compile for {triple}")
        data = lib.CreateTargetMachineData(self._machine)
        self.layout = lib.text("CopyStringRepOfTargetData", data)[1]
        lib.DisposeTargetData(data)

    def compile(self, source: str, passes: tuple[str, ...], inspect: Callable[[str, str], None] | None) -> bytes:
        """The object file for a module. Raises `RuntimeError` if LLVM rejects it. `inspect` gets the optimised text."""
        lib = self._lib
        context = lib.ContextCreate()
        try:
            return self._compile(context, source, passes, inspect)
        finally:
            lib.ContextDispose(context)

    def _compile(
        self, context: int, source: str, passes: tuple[str, ...], inspect: Callable[[str, str], None] | None
    ) -> bytes:
        lib = self._lib
        module, error = lib.text("ParseAssembly", context, source.encode())
        if error:
            raise RuntimeError(f"LLVM IR parsing error\n{error}")
        try:
            if inspect is not None:
                broken, error = lib.text("VerifyModule", module)
                if broken & 0xFF or error:  # a bool
                    raise RuntimeError(error)
            self._optimise(module, passes)
            if inspect is not None:
                inspect("codegen-opt", lib.text("PrintModuleToString", module)[1])
            return self._emit(module)
        finally:
            lib.DisposeModule(module)

    def _optimise(self, module: int, passes: tuple[str, ...]) -> None:
        lib = self._lib
        options = lib.CreatePipelineTuningOptions()
        builder = lib.CreatePassBuilder(self._machine, options)
        manager = lib.CreateNewModulePassManager()
        for name in passes:
            getattr(lib, f"module_Add{_PASSES[name]}Pass")(manager)
        lib.RunNewModulePassManager(manager, module, builder)
        lib.DisposeNewModulePassManger(manager)
        lib.DisposePassBuilder(builder)
        lib.DisposePipelineTuningOptions(options)

    def _emit(self, module: int) -> bytes:
        lib = self._lib
        buffer, error = lib.text("TargetMachineEmitToMemory", self._machine, module, 1)
        if not buffer:
            raise RuntimeError(error)
        try:
            return bytes_at(lib.GetBufferStart(buffer), lib.GetBufferSize(buffer))
        finally:
            lib.DisposeMemoryBuffer(buffer)
