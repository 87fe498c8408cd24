"""The C preamble: structs, unions and enums become types, `#define`s names of expressions (LANGUAGE 21)."""

from __future__ import annotations

import os

from pytrace.diagnostics import CompileError, Diagnostics, Span
from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING, Mapping, Sequence
from pytrace.lazy import pattern
from pytrace.semantics.unit import Unit
from pytrace.semantics.walk import walk
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.syntax import ctree

KERNEL_TYPES = "/sys/kernel/btf/vmlinux"

STATUS = 2
"""The exit status of a script whose preamble is not C."""

_UNUSABLE = "the C definitions of the script cannot be used"
_INCLUDE = pattern(r"\s*#\s*include")
_WORD = pattern(r"[A-Za-z_][A-Za-z0-9_]*")


def read(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """The unit with the types and `#define`s of its preamble. A preamble that is not C ends the compilation with
    status 2."""
    parts = [*_included(unit), *unit.script.preamble]
    if not parts:
        return unit
    # Most scripts have no C in them and do without what reads it.
    from pytrace.clang.library import places as library_places
    from pytrace.semantics.headers import Headers
    from pytrace.semantics.script_types import ScriptTypes
    from pytrace.syntax.cdefs import read_preamble

    has_kernel_types = os.path.exists(KERNEL_TYPES)
    predefined = {"BPFTRACE_HAVE_BTF": "1"} if has_kernel_types else {}
    headers = Headers(unit.options.directory, unit.options.include_dirs)
    preamble = types = failure = None
    try:
        preamble = read_preamble(headers.splice(parts), predefined)
        types = ScriptTypes(preamble.definitions, unit.types)
    except CompileError as error:
        failure = error
    if preamble.includes if preamble is not None else any(_INCLUDE.match(part.text) for part in parts):
        compiled = _compiled(unit, parts, preamble, predefined, diagnostics)
        if compiled is not None:
            return compiled
    files = list(headers.files)
    if preamble is not None:
        for include in preamble.includes:
            _unread(include, headers.problems.get(include.name, ""), has_kernel_types, diagnostics)
            files += library_places()
    for item in failure.diagnostics.items if failure is not None else ():
        diagnostics.add(item)
    if diagnostics.errors or preamble is None or types is None:
        diagnostics.error(None, _UNUSABLE)
        raise CompileError(diagnostics, STATUS)
    return replace(unit, types=types, defines=_objects(preamble), imported=(*unit.imported, *files))


def _objects(preamble: ctree.Preamble) -> dict[str, str]:
    """The object-like macros, by name. An empty one defines nothing."""
    return {define.name: define.body for define in preamble.defines if define.params is None and define.body}


def _compiled(
    unit: Unit,
    parts: Sequence[tree.CLine | tree.CDef],
    preamble: ctree.Preamble | None,
    predefined: Mapping[str, str],
    diagnostics: Diagnostics,
) -> Unit | None:
    """The unit with its preamble read by a C compiler; None where there is none. What the script defines by itself, the
    `preamble`, keeps the meaning that it has without headers: a body is an expression, inserted as a unit."""
    from pytrace.clang.library import library

    compiler = library()
    if compiler is None:
        return None
    from pytrace.clang.preamble import compile_preamble

    own = _objects(preamble) if preamble is not None else {}
    names = _names(unit) | {word for body in own.values() for word in _WORD.findall(body)}
    try:
        result = compile_preamble(compiler, parts, unit.options, unit.types, names, predefined, diagnostics)
    except OSError as error:
        diagnostics.error(None, str(error))
        raise CompileError(diagnostics, STATUS) from error
    except CompileError:
        diagnostics.error(None, _UNUSABLE)
        raise
    defines = result.defines | {name: own[name] for name in own if name in result.defines}
    return replace(unit, types=result.types, defines=defines, imported=(*unit.imported, *result.files))


def _names(unit: Unit) -> set[str]:
    """The bare words of the script's code: any may be a macro of C."""
    code = [part for each in unit.probes for part in (each.probe.predicate, each.probe.body) if part is not None]
    return {
        node.name for node in walk(*code, *unit.map_decls) if isinstance(node, tree.Ident | tree.TypeName)
        and _WORD.fullmatch(node.name)
    }


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
    hints = ["headers are read by libclang: install the package libclang from PyPI, or that of the system"]
    if include.system and has_kernel_types:
        diagnostics.warning(
            include.span,
            f"<{include.name}> is not read: the types of the kernel are known, its #defines are not.",
            hints=hints,
        )
    else:
        diagnostics.error(include.span, problem, hints=hints if "needs a C compiler" in problem else [])
