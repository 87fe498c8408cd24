"""The C preamble: structs, unions and enums become types, `#define`s names of expressions (LANGUAGE 21)."""

from __future__ import annotations

import os

from pytrace.diagnostics import CompileError, Diagnostics, Span
from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics.unit import Unit
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.syntax import ctree

KERNEL_TYPES = "/sys/kernel/btf/vmlinux"

STATUS = 2
"""The exit status of a script whose preamble is not C."""


def read(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """The unit with the types and `#define`s of its preamble. A preamble that is not C ends the compilation with
    status 2."""
    parts = [*_included(unit), *unit.script.preamble]
    if not parts:
        return unit
    # Most scripts have no C in them and do without what reads it.
    from pytrace.semantics.headers import Headers
    from pytrace.semantics.script_types import ScriptTypes
    from pytrace.syntax.cdefs import read_preamble

    has_kernel_types = os.path.exists(KERNEL_TYPES)
    headers = Headers(unit.options.directory, unit.options.include_dirs)
    try:
        preamble = read_preamble(headers.splice(parts), {"BPFTRACE_HAVE_BTF": "1"} if has_kernel_types else {})
        for include in preamble.includes:
            _unread(include, headers.problems.get(include.name, ""), has_kernel_types, diagnostics)
        types = ScriptTypes(preamble.definitions, unit.types)
    except CompileError as error:
        for item in error.diagnostics.items:
            diagnostics.add(item)
    if diagnostics.errors:
        diagnostics.error(None, "the C definitions of the script cannot be used")
        raise CompileError(diagnostics, STATUS)
    defines = {
        define.name: define.body for define in preamble.defines if define.params is None and define.body
    }
    return replace(unit, types=types, defines=defines, imported=(*unit.imported, *headers.files))


def _included(unit: Unit) -> list[tree.CLine]:
    """The `--include` files, as lines in front of the script."""
    span = unit.script.span
    start = Span(span.source, span.start, span.start)
    return [
        tree.CLine(start, f'#include "{os.fsencode(os.path.abspath(name)).decode("latin-1")}"')
        for name in unit.options.includes
    ]


def _unread(include: ctree.Include, problem: str, has_kernel_types: bool, diagnostics: Diagnostics) -> None:
    """Report a header that was not read. Those of the system are mostly included for types, which are known without
    them where the kernel has BTF."""
    if include.system and has_kernel_types:
        diagnostics.warning(
            include.span,
            f"<{include.name}> is not read: the types of the kernel are known, its #defines are not.",
        )
    else:
        diagnostics.error(include.span, problem)
