"""The preamble of a script through a C compiler."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence

from pytrace.clang.complaints import Text, report
from pytrace.clang.defines import expansions
from pytrace.clang.library import Library
from pytrace.clang.parsed import Complaint, Parsed, Place
from pytrace.clang.search import arguments, kernel_headers
from pytrace.clang.stand_ins import StandIns
from pytrace.clang.types import CompiledTypes
from pytrace.diagnostics import CompileError, Diagnostics
from pytrace.frozen import record
from pytrace.semantics.types import TypeTable
from pytrace.semantics.unit import Options
from pytrace.syntax import tree

__all__ = ["Preamble", "compile_preamble"]

MAIN, STAND_INS = "/pytrace/definitions.h", "/pytrace/kernel-types.h"
"""Names for what exists in memory only. There is no such folder that an include could be found in by accident."""

_ATTEMPTS = 8
"""How often the compiler is asked again, with more of the kernel's types."""

STATUS = 2

_INCLUDE = re.compile(r'\s*#\s*include\s*[<"]([^>"\n]+)')


@record
class Preamble:
    """What the compiler made of a preamble: its types, the texts that the names asked about expand to, its headers."""

    types: TypeTable
    defines: dict[str, str]
    files: tuple[str, ...]


class _Rejected(Exception):
    """The preamble is no C."""

    def __init__(self, complaints: list[Complaint], files: dict[str, Place | None]) -> None:
        super().__init__(complaints[0].message)
        self.complaints, self.files = complaints, files


@record
class _Compiler:
    """Parses one preamble, with more behind it or other kernel headers, as often as it takes."""

    library: Library
    text: Text
    told: Sequence[str]
    stand_ins: StandIns

    def parse(self, behind: str) -> Parsed:
        """The source. Types of the kernel that it misses are added. Raises `_Rejected`."""
        for _ in range(_ATTEMPTS):
            contents = {MAIN: self.text.text + behind, STAND_INS: self.stand_ins.text}
            parsed = Parsed(self.library, MAIN, contents, (*self.told, "-include", STAND_INS))
            complaints = [each for each in parsed.complaints() if self.text.concerns(each.place)]
            if not complaints:
                return parsed
            files = parsed.files()
            parsed.close()
            if not self.stand_ins.add(complaints, self.text.word):
                break
        raise _Rejected(complaints, files)


def compile_preamble(
    library: Library, parts: Sequence[tree.CLine | tree.CDef], options: Options, types: TypeTable,
    names: Iterable[str], predefined: Mapping[str, str], diagnostics: Diagnostics,
) -> Preamble:  # fmt: skip
    """Read the parts of a preamble. `types` are the kernel's; `names` are those by which the script may mean a macro.

    Raises `CompileError` with status 2 for what is no C, and `OSError` if the compiler itself fails.
    """
    text = Text(parts, MAIN)
    _refuse_devices(parts, options, diagnostics)
    wanted = sorted(names)
    rejected: _Rejected | None = None
    # Headers of the C library and those of the kernel do not always go together.
    for kernel in dict.fromkeys((kernel_headers(options.environment), None)):
        told = arguments(options.directory, options.include_dirs, predefined, kernel)
        try:
            parsed, defines = expansions(wanted, _Compiler(library, text, told, StandIns(types)).parse)
        except _Rejected as error:
            rejected = rejected or error
            continue
        files = (os.fsdecode(name.encode("latin-1")) for name in parsed.files() if name not in (MAIN, STAND_INS))
        real = tuple(sorted({os.path.abspath(name) for name in files}))
        return Preamble(CompiledTypes(parsed, types, MAIN, STAND_INS), defines, real)
    assert rejected is not None
    report(rejected.complaints, text, rejected.files, diagnostics)
    raise CompileError(diagnostics, STATUS)


def _refuse_devices(
    parts: Sequence[tree.CLine | tree.CDef], options: Options, diagnostics: Diagnostics
) -> None:
    """A file without an end would be read for ever."""
    for part in parts:
        found = _INCLUDE.match(part.text)
        if found is None:
            continue
        name = os.fsdecode(found[1].encode("latin-1", "replace"))
        for folder in (options.directory, *options.include_dirs):
            path = os.path.join(folder, name)
            if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
                diagnostics.error(part.span, f"'{found[1]}' is no regular file")
                diagnostics.check(STATUS)
