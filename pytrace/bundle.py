"""The modules of a run from the cache, together in one entry of the cache; and another one for those of the compiler.

A run imports some sixty modules of this package, two hundred if it compiles, and to find, open and read each of them
takes as long as running it. What one run imported, later ones take from the bundle, with a single read; what is not in
it comes from its own file as ever. A bundle is found by a digest of the package's files, so it never outlives a change
of them. As with the files that Python keeps of each module, one is used whenever it is there.
"""

from __future__ import annotations

import marshal
import sys

from pytrace.cache import Cache
from pytrace.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType, ModuleType

    Modules = dict[str, tuple[str, list[str] | None, bytes]]
    """By name: the file, the folders of a package, the code."""

__all__ = ["Bundle", "keep", "use"]

_MANY = 8
"""Modules from which it pays to make the bundle anew."""

_Spec = type(sys.__spec__)  # importlib.machinery has this too, and takes a millisecond to import


class Bundle:
    """Finds and loads modules as `sys.meta_path` wants it."""

    def __init__(self, modules: Modules) -> None:
        self.modules = modules

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        found = self.modules.get(name)
        if found is None:
            return None
        file, folders, _ = found
        # Without a location, or the name of the file with its code would be worked out for each.
        spec = _Spec(name, self, origin=file, is_package=folders is not None)  # type: ignore[arg-type]
        spec.submodule_search_locations = folders
        return spec

    def create_module(self, spec: object) -> None:
        """A module as usual."""

    def get_code(self, name: str) -> CodeType:
        code: CodeType = marshal.loads(self.modules[name][2])
        return code

    def exec_module(self, module: ModuleType) -> None:
        file, _, code = self.modules[module.__name__]
        module.__file__ = file
        exec(marshal.loads(code), module.__dict__)


_used: dict[str, Bundle] = {}
"""Those of this process, by their kinds. They may be empty."""


def _key(cache: Cache, kind: str) -> str:
    return cache.own_key(("bundle", kind, sys.version, sys.flags.optimize))


def use(cache: Cache, kind: str) -> None:
    """Has modules come from a bundle, if there is one of that kind: "run", or "compiler"."""
    if kind not in _used:
        found = cache.load(_key(cache, kind))
        _used[kind] = Bundle(found if isinstance(found, dict) else {})
        sys.meta_path.insert(0, _used[kind])  # type: ignore[arg-type]  # it has what is called


def keep(cache: Cache, kind: str) -> None:
    """Makes a bundle of what was imported and is in none, unless that is little. For the end of a run."""
    if kind not in _used:
        return
    try:
        _keep(cache, kind)
    except (OSError, ImportError, SyntaxError, ValueError, EOFError):
        return  # the package is being changed meanwhile


def _keep(cache: Cache, kind: str) -> None:
    known, modules = {name for each in _used.values() for name in each.modules}, dict(_used[kind].modules)
    specs = {name: module.__spec__ for name, module in list(sys.modules.items()) if name.startswith("pytrace.")}
    fresh = {name: spec for name, spec in specs.items() if name not in known and spec is not None}
    if len(fresh) < _MANY:
        return
    for name, spec in fresh.items():
        code = getattr(spec.loader, "get_code", lambda name: None)(name)
        if code is not None and spec.origin is not None:
            modules[name] = spec.origin, spec.submodule_search_locations, marshal.dumps(code)
    if cache.is_current():
        cache.store(_key(cache, kind), modules)
