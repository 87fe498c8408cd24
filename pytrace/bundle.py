"""The modules of a run from the cache, together in a few entries of the cache.

A run imports some eighty modules of this package, two hundred if it compiles, and to find, open and read each of them
takes as long as running it. What one run imported, later ones take from a bundle, with a single read; what is not in
it comes from its own file as ever. There is a bundle of what is needed until the probes are attached ("start"), one of
what is needed then ("results"), and one of the compiler's modules.

A bundle is found by a digest of the package's files, so it never outlives a change of them. As with the files that
Python keeps of each module, one is used whenever it is there.
"""

from __future__ import annotations

import marshal
import sys

from pytrace.cache import Cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType, ModuleType

    Modules = dict[str, tuple[str, list[str] | None, bytes]]
    """By name: the file, the folders of a package, the code."""

__all__ = ["Bundle", "attached", "begin", "keep", "proceed", "use"]

_Module = type(sys)
_Spec = type(sys.__spec__)  # importlib.machinery has this too, and takes a millisecond to import


class Bundle:
    """Finds and loads modules as `sys.meta_path` wants it. `always` are those that every run had imported, each behind
    those that it imports."""

    def __init__(self, modules: Modules, always: Iterable[str] = ()) -> None:
        self.modules = modules
        self.always = tuple(always)

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

    def import_always(self, until: str = "") -> None:
        """Imports what every run does, all or as far as one of them, without the search, the locks and the checks that
        an `import` takes for each: only while no other thread imports."""
        loaded = sys.modules
        always = self.always
        for name in always[: always.index(until) + 1] if until in always else always:
            parent, _, own = name.rpartition(".")
            if name in loaded or parent not in loaded:
                continue
            spec = self.find_spec(name)
            module = _Module(name)
            folders = self.modules[name][1]
            module.__spec__, module.__loader__ = spec, self  # type: ignore[assignment]
            module.__package__ = parent if folders is None else name
            if folders is not None:
                module.__path__ = folders
            loaded[name] = module
            try:
                self.exec_module(module)
            except BaseException:
                del loaded[name]
                raise
            setattr(loaded[parent], own, module)


_used: dict[str, Bundle] = {}
"""Those of this process, by their kinds. They may be empty."""
_before: frozenset[str] = frozenset()
"""Modules that were there before any bundle."""
_at_start: list[str] | None = None
"""The package's modules that had been imported when the probes were attached."""


def _key(cache: Cache, kind: str) -> str:
    return cache.own_key(("bundle", kind, sys.version, sys.flags.optimize))


def use(cache: Cache, kind: str) -> None:
    """Has modules come from a bundle, if there is one of that kind: "start", "results", or "compiler"."""
    global _before
    if kind in _used:
        return
    if not _used:
        _before = frozenset(sys.modules)
    found = cache.load(_key(cache, kind))
    _used[kind] = Bundle(*found) if isinstance(found, tuple) else Bundle({})
    sys.meta_path.insert(0, _used[kind])  # type: ignore[arg-type]  # it has what is called


def begin(cache: Cache) -> None:
    """For the start of a run: imports what every run needs until it has an image, and its maps can be made."""
    use(cache, "start")
    _used["start"].import_always(until="pytrace.runtime.making")


def proceed() -> None:
    """Imports the rest of what every run needs."""
    if "start" in _used:
        _used["start"].import_always()


def _own_modules() -> list[str]:
    # Python moves a module to the end of `sys.modules` when it has run, so each comes behind those that it imports.
    return [name for name in sys.modules if name.startswith("pytrace.") and name not in _before]


def attached(cache: Cache) -> None:
    """For a run whose probes are attached: what it imports from now on is for results."""
    global _at_start
    _at_start = _own_modules()
    use(cache, "results")


def keep(cache: Cache) -> None:
    """Makes bundles of what was imported and is in none. For the end of a run."""
    if _at_start is None or "start" not in _used:
        return
    try:
        if "compiler" in _used:
            _keep(cache, "compiler", _own_modules())
        else:
            _keep(cache, "start", _at_start)
            _keep(cache, "results", [name for name in _own_modules() if name not in _at_start])
    except (OSError, ImportError, SyntaxError, ValueError, EOFError):
        return  # the package is being changed meanwhile


def _keep(cache: Cache, kind: str, names: list[str]) -> None:
    used = _used[kind]
    known = {name for each in _used.values() for name in each.modules}
    modules, fresh = dict(used.modules), [name for name in names if name not in known]
    for name in fresh:
        spec = sys.modules[name].__spec__
        code = getattr(spec and spec.loader, "get_code", lambda name: None)(name)
        if spec is not None and code is not None and spec.origin is not None:
            modules[name] = spec.origin, spec.submodule_search_locations, marshal.dumps(code)
    if fresh and cache.is_current():
        always = [name for name in names if name in modules and (not used.modules or name in used.always)]
        cache.store(_key(cache, kind), (modules, always))
