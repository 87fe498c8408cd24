"""Modules of this package, from the files of compiled code that Python keeps of them, without the search.

To import a module Python asks five finders, looks at the folder, at what kinds of files there are, and puts together
what is known of the file: twice what it takes to read and check its code. A compilation without a bundle (see there)
imports two hundred. What is not as usual is left to Python: no compiled code yet, or older than the source.
"""

from __future__ import annotations

import marshal
import os
import sys

from pytrace.bundle import Bundle
from pytrace.hints import TYPE_CHECKING, Sequence

if TYPE_CHECKING:
    from types import CodeType, ModuleType

__all__ = ["Files", "use"]

_Spec = type(sys.__spec__)
_TAG = f".{sys.implementation.cache_tag}.pyc"
_HEADER = 16
"""Bytes before the code: the version's number, flags, and time and size of the source (PEP 552)."""


class Files:
    """Finds and loads modules as `sys.meta_path` wants it."""

    def __init__(self, magic: bytes) -> None:
        self._start = magic + bytes(4)
        self._found: dict[str, bytes] = {}

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> object:
        if not path or not name.startswith("pytrace."):
            return None
        folder, own = path[0], name.rpartition(".")[2]
        file = f"{folder}/{own}.py"
        code = self._code(file, f"{folder}/__pycache__/{own}{_TAG}")
        folders = None
        if code is None:
            file = f"{folder}/{own}/__init__.py"
            code = self._code(file, f"{folder}/{own}/__pycache__/__init__{_TAG}")
            folders = [f"{folder}/{own}"]
            if code is None:
                return None
        self._found[name] = code
        spec = _Spec(name, self, origin=file, is_package=folders is not None)  # type: ignore[arg-type]
        spec.submodule_search_locations = folders
        return spec

    def _code(self, source: str, compiled: str) -> bytes | None:
        """The contents of a file of compiled code if it belongs to the source as that is now."""
        try:
            status = os.stat(source)
            file = os.open(compiled, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            size = os.fstat(file).st_size
            data = os.read(file, size)
        finally:
            os.close(file)
        modified, length = int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF
        head = self._start + modified.to_bytes(4, "little") + length.to_bytes(4, "little")
        return data if len(data) == size and data.startswith(head) else None

    def create_module(self, spec: object) -> None:
        """A module as usual."""

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__file__ = module.__spec__.origin
        exec(_loaded(self._found.pop(module.__name__)), module.__dict__)

    def get_code(self, name: str) -> CodeType | None:
        """The code of a module that was imported; None if its files have changed since."""
        spec = sys.modules[name].__spec__
        source = spec.origin if spec is not None else None
        if source is None:
            return None
        folder, _, own = source.rpartition("/")
        code = self._code(source, f"{folder}/__pycache__/{own.removesuffix('.py')}{_TAG}")
        return _loaded(code) if code is not None else None


def _loaded(data: bytes) -> CodeType:
    code: CodeType = marshal.loads(memoryview(data)[_HEADER:])
    return code


def use() -> None:
    """Has modules that are in no bundle come from their files."""
    if sys.pycache_prefix is not None or sys.flags.optimize or any(isinstance(each, Files) for each in sys.meta_path):
        return
    try:
        from _frozen_importlib_external import MAGIC_NUMBER
    except ImportError:
        return
    bundles = sum(isinstance(each, Bundle) for each in sys.meta_path)
    sys.meta_path.insert(bundles, Files(MAGIC_NUMBER))  # type: ignore[arg-type]  # it has what is called
