"""`#include` of headers that hold nothing but directives and definitions: their lines take the place of the line.

Other headers (prototypes, typedefs: those of the system) need a C compiler and are left for the caller to judge, since
a line that is left out by an `#if` asks for nothing.
"""

from __future__ import annotations

import os

from pytrace.diagnostics import CompileError, Source, Span
from pytrace.hints import Sequence
from pytrace.lazy import pattern
from pytrace.semantics.walk import Relocation
from pytrace.syntax import tree
from pytrace.syntax.parser import parse

Part = tree.CLine | tree.CDef

_INCLUDE = pattern(r'\s*#\s*include\s*(?:<([^>\n]+)>|"([^"\n]+)")')


class Headers:
    """Finds and reads the headers of one script. `files` are those that were read; `problems` says why a header,
    by its name as written, was not."""

    def __init__(self, directory: str, include_dirs: Sequence[str]) -> None:
        self.directory = directory
        self.include_dirs = include_dirs
        self.files: list[str] = []
        self.problems: dict[str, str] = {}
        self._open: list[str] = []
        self._once: set[str] = set()

    def splice(self, parts: Sequence[Part], directory: str | None = None) -> list[Part]:
        """The parts of a preamble that lies in `directory`, with the headers it includes in place."""
        spliced: list[Part] = []
        for part in parts:
            found = _INCLUDE.match(part.text) if isinstance(part, tree.CLine) else None
            inner = None if found is None else self._header(found[1], found[2], directory or self.directory, part.span)
            spliced += [part] if inner is None else inner
        return spliced

    def _header(self, system: str | None, own: str | None, directory: str, line: Span) -> list[Part] | None:
        name = system or own or ""
        path = self._find(name, self.include_dirs if system else (directory, *self.include_dirs))
        if path is None:
            self.problems.setdefault(name, f"'{name}' file not found")
            return None
        if path in self._open or path in self._once:
            # Its guard would leave it out.
            return []
        try:
            with open(path, "rb") as file:
                source = Source.from_bytes(name, file.read())
            script = parse(source)
        except OSError as error:
            self.problems[name] = f"cannot read '{name}': {error.strerror}"
            return None
        except CompileError as error:
            self.problems[name] = f"'{name}' needs a C compiler: {_first(error)}"
            return None
        if script.items or script.imports or script.config is not None:
            self.problems[name] = f"'{name}' is no C header"
            return None
        if "#pragma once" in source.text:
            self._once.add(path)
        self.files.append(path)
        self._open.append(path)
        move = Relocation(line).visit
        parts = self.splice([move(part) for part in script.preamble], os.path.dirname(path))
        self._open.pop()
        return parts

    @staticmethod
    def _find(name: str, directories: Sequence[str]) -> str | None:
        relative = os.fsdecode(name.encode("latin-1", "replace"))
        for directory in directories:
            path = os.path.join(directory, relative)
            if os.path.isfile(path):
                return os.path.realpath(path)
        return None


def _first(error: CompileError) -> str:
    item = error.diagnostics.errors[0]
    place = "" if item.span is None else f"{item.span.location()}: "
    return f"{place}{item.message}"
