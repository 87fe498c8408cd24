"""Imported files and the library's macros join the script (LANGUAGE 10)."""

from __future__ import annotations

import os
import stat

from pytrace.diagnostics import CompileError, Diagnostics, Source, Span
from pytrace.frozen import replace
from pytrace.hints import Iterator
from pytrace.semantics import library
from pytrace.semantics.unit import Extern, Unit
from pytrace.semantics.walk import Relocation, walk
from pytrace.syntax import tree
from pytrace.syntax.parser import parse


def join(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """The unit with the preamble and items of everything it imports, which come before its own, and with the macros
    that it uses."""
    script = unit.script
    if script.imports:
        loader = _Loader(unit.options.directory, script, diagnostics)
        script = loader.join(script)
        unit = replace(
            unit, imported=tuple(loader.files), objects=tuple(loader.objects), externs=dict(loader.externs)
        )
    macros: dict[str, list[tree.Macro]] = {}
    for item in script.items:
        if isinstance(item, tree.Macro):
            macros.setdefault(item.name, []).append(item)
    _add_library(_names(script, diagnostics), macros)
    return replace(
        unit,
        script=script,
        macros={name: tuple(definitions) for name, definitions in macros.items()},
        map_decls=tuple(item for item in script.items if isinstance(item, tree.MapDecl)),
    )


def _names(script: tree.Script, diagnostics: Diagnostics) -> set[str]:
    """All names that the script's code uses. Reports imports where none may stand."""
    names = set()
    for node in walk(*script.items):
        if isinstance(node, (tree.Call, tree.Ident)):
            names.add(node.name)
        elif isinstance(node, tree.Import):
            diagnostics.error(
                _place(node), "Import statements that are not at the top level are reserved for the standard library."
            )
    return names


def _place(node: tree.Import) -> Span:
    """What messages mark of an import: not its `;`."""
    return replace(node.span, end=node.span.start + len(node.span.text.rstrip("; \t\r\n")))


def _add_library(names: set[str], macros: dict[str, list[tree.Macro]]) -> None:
    """Add the library's definitions of the names in use, and of what those use, after the script's own."""
    pending = names & library.MACROS
    added: set[str] = set()
    while pending:
        name = pending.pop()
        added.add(name)
        definitions = library.macros(name)
        macros.setdefault(name, []).extend(definitions)
        used = {node.name for node in walk(*definitions) if isinstance(node, (tree.Call, tree.Ident))}
        pending |= (used & library.MACROS) - added


class _NotFound(Exception):
    """A path that is no file to import; the message, if there is one, is a warning that says why."""


class _Loader:
    """Reads what a script imports. Paths are bytes, as the file system has them."""

    def __init__(self, directory: str, script: tree.Script, diagnostics: Diagnostics) -> None:
        self.directory = b"" if directory in ("", ".") else os.fsencode(directory)
        self.diagnostics = diagnostics
        self.files: list[str] = []
        self.objects: list[bytes] = []
        self.externs: dict[str, Extern] = {}
        self.imported = {os.path.realpath(script.imports[0].span.source.name.encode("latin-1", "replace"))}

    def join(self, script: tree.Script) -> tree.Script:
        """The script with its imports, and theirs, in place of the `import` lines."""
        preamble: list[tree.CLine | tree.CDef] = []
        items: list[tree.Item] = []
        for node in script.imports:
            for loaded in self._load(replace(node, span=_place(node))):
                preamble += loaded.preamble
                items += loaded.items
        return replace(script, imports=(), preamble=(*preamble, *script.preamble), items=(*items, *script.items))

    def _load(self, node: tree.Import) -> Iterator[tree.Script]:
        path = os.path.join(self.directory, node.path.encode("latin-1", "replace"))
        try:
            if node.path and _mode(path, node.path) == "directory":
                yield from self._load_directory(node, path)
            else:
                yield from self._load_file(node, path, node.path)
        except _NotFound as reason:
            hint = f"checked: {path.decode('latin-1')}"
            self.diagnostics.error(node.span, "Unable to find suitable path for import", hints=[hint])
            if str(reason):
                self.diagnostics.warning(node.span, str(reason))
        except OSError as error:
            self.diagnostics.error(node.span, f'failed to read "{node.path}": {error.strerror}')

    def _load_directory(self, node: tree.Import, path: bytes) -> Iterator[tree.Script]:
        for entry in sorted(os.listdir(path)):
            name = f"{node.path.rstrip('/')}/{entry.decode('latin-1')}"
            if not _supported(name) or not os.path.isfile(os.path.join(path, entry)):
                continue
            try:
                yield from self._load_file(node, os.path.join(path, entry), name)
            except _NotFound:
                self.diagnostics.error(node.span, f'refusing to import a file with global write permissions: "{name}"')

    def _load_file(self, node: tree.Import, path: bytes, name: str) -> Iterator[tree.Script]:
        data = _read(path, name)
        if not _supported(name):
            self.diagnostics.error(node.span, f'unknown import type: "{name}"')
            return
        identity = os.path.realpath(path)
        if identity in self.imported:
            return
        self.imported.add(identity)
        self.files.append(os.fsdecode(identity))
        if name.endswith(".bt"):
            script = self._parse(Source.from_bytes(name, data), node.span)
            if script is not None:
                yield self.join(script)
        elif name.endswith(".h"):
            line = tree.CLine(node.span, f'#include "{identity.decode("latin-1")}"')
            yield tree.Script(node.span, "", (line,), None, (), ())
        else:
            self._add_object(node, data, path, name)

    def _add_object(self, node: tree.Import, data: bytes, path: bytes, name: str) -> None:
        """Make the functions of an object file callable; a C file is compiled to one."""
        from pytrace.semantics.objects import ObjectError, externs

        try:
            if name.endswith(".bpf.c"):
                from pytrace.clang.compile import compile_object

                compiled = compile_object(Source.from_bytes(name, data), path, node.span, self.diagnostics)
                if compiled is None:
                    return
                data = compiled
            found = externs(data, name)
        except ObjectError as error:
            self.diagnostics.error(node.span, f'cannot import "{name}": {error}')
            return
        for function in sorted(found.keys() & self.externs.keys()):
            self.diagnostics.error(node.span, f"function `{function}` is imported twice")
        self.externs |= found
        self.objects.append(data)

    def _parse(self, source: Source, via: Span) -> tree.Script | None:
        """A file of the language, with all its places pointing back at the import."""
        try:
            script = parse(source)
        except CompileError as error:
            for item in error.diagnostics.items:
                span = None if item.span is None else replace(item.span, via=via)
                self.diagnostics.add(replace(item, span=span))
            return None
        if script.config is not None and script.config.settings:
            span = replace(script.config.span, via=via)
            self.diagnostics.error(span, "invalid `config` within import")
        move = Relocation(via).visit
        return replace(
            script,
            preamble=tuple(map(move, script.preamble)),
            imports=tuple(map(move, script.imports)),
            items=tuple(map(move, script.items)),
        )


def _supported(name: str) -> bool:
    return name.endswith((".bt", ".h", ".bpf.c", ".bpf.o"))


def _mode(path: bytes, name: str) -> str:
    """"file" or "directory". Raises `_NotFound` for anything else, and for what everyone may write."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        raise _NotFound from None
    _refuse_writable(mode, name)
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISREG(mode):
        return "file"
    raise _NotFound


def _refuse_writable(mode: int, name: str) -> None:
    if mode & stat.S_IWOTH:
        raise _NotFound(f'skipping due to global write permissions: "{name}"')


def _read(path: bytes, name: str) -> bytes:
    """The bytes of a regular file that only its owner and group may write, as opened: not as it was a moment ago."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise _NotFound from None
    with open(fd, "rb") as file:
        mode = os.fstat(fd).st_mode
        _refuse_writable(mode, name)
        if not stat.S_ISREG(mode):
            raise _NotFound
        return file.read()
