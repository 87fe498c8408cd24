"""From text to image: the passes, in order.

The order is the order of diagnostics too: a pass that reports an error is the last one run (LANGUAGE 20.2).
"""

from __future__ import annotations

import gc

from pytrace.diagnostics import Diagnostics, Source
from pytrace.frozen import frozen
from pytrace.hints import TYPE_CHECKING, Callable, Iterator
from pytrace.once import imported
from pytrace.probes import PROVIDERS
from pytrace.probes.host import MachineHost
from pytrace.semantics import (
    attach_points,
    config,
    control_flow,
    fold,
    getopt,
    imports,
    macros,
    map_shapes,
    matching,
    names,
    parameters,
    scope,
    typing,
    unstable,
)
from pytrace.semantics.program import Program
from pytrace.semantics.unit import Options, Unit
from pytrace.semantics.walk import deep_recursion
from pytrace.syntax import tree
from pytrace.syntax.parser import parse
from pytrace.within import contextmanager

if TYPE_CHECKING:
    from pytrace.codegen.image import Image

_IN_FILES = frozenset(("uprobe", "uretprobe", "usdt"))
"""Providers whose first part names files."""

Pass = Callable[[Unit, Diagnostics], Unit]
Inspect = Callable[[str, str], None] | None


def _only(needed: Callable[[Unit], object], name: str) -> Pass:
    """A pass that most scripts have no use for: its file is imported for those that do."""
    file, _, function = name.partition(".")

    def run(unit: Unit, diagnostics: Diagnostics) -> Unit:
        if not needed(unit):
            return unit
        after: Unit = getattr(imported(f"pytrace.semantics.{file}"), function)(unit, diagnostics)
        return after

    run.__module__, run.__name__ = f"pytrace.semantics.{file}", function
    return run


def _traces_functions(unit: Unit) -> bool:
    return any(spec.provider in ("kprobe", "kretprobe") for each in unit.probes for spec in each.specs)


def _has_many_targets(unit: Unit) -> bool:
    return any(len(each.targets) > 1 for each in unit.probes)


PASSES: tuple[Pass, ...] = (
    config.read,            # config block and environment → Config
    imports.join,           # imported scripts and the library's macros join
    unstable.check,         # features that must be enabled; deprecations
    attach_points.parse,    # probe specifications → specs of their providers
    control_flow.check,     # break, continue, return where they may stand
    macros.expand,          # macro calls → their bodies
    matching.match,         # specs → targets on this machine
    _only(_traces_functions, "sessions.pair"),  # entry and return of the same kernel functions → one program
    _only(_has_many_targets, "sharing.share"),  # many targets at system calls → one
    _only(lambda unit: unit.options.includes or unit.script.preamble, "definitions.read"),  # C → types and #defines
    parameters.substitute,  # $1, $# → literals
    fold.literals,          # constant expressions → literals
    _only(lambda unit: unit.defines, "c_macros.expand"),  # #define names → their expressions
    map_shapes.check,       # scalar or keyed, throughout
    getopt.substitute,      # getopt("name") → literals
    scope.check,            # scratch variables: declared, not shadowed; argument counts
    names.check,            # unknown functions and identifiers
)


def _unit(source: Source, options: Options) -> Unit:
    host = MachineHost(options)
    return Unit(parse(source), options, host.types, host=host)


def _through_passes(unit: Unit, diagnostics: Diagnostics, last: Pass | None = None, inspect: Inspect = None) -> Unit:
    for run in PASSES:
        unit = run(unit, diagnostics)
        diagnostics.check()
        if inspect is not None:
            inspect("ast", f"AST after {run.__module__.rpartition('.')[2]}.{run.__name__}:\n{unit.script}\n")
        if run is last:
            break
    return unit


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's collector: it would look again and again through trees that are all still needed."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def check(source: Source, options: Options, diagnostics: Diagnostics) -> Program:
    """Everything up to the checked program. Raises `CompileError`; warnings gather in `diagnostics`."""
    with deep_recursion(), _uncollected():
        program = typing.check(_through_passes(_unit(source, options), diagnostics), diagnostics)
    diagnostics.check()
    return program


def matched(source: Source, options: Options, diagnostics: Diagnostics) -> Unit:
    """Only as far as the targets of the probes, for listing them."""
    with deep_recursion():
        return _through_passes(_unit(source, options), diagnostics, matching.match)


def compile_tree(script: tree.Script, options: Options, diagnostics: Diagnostics) -> Image:
    """A syntax tree to an image, for scripts that are put together from pieces. Raises `CompileError`."""
    from pytrace.codegen import generate

    host = MachineHost(options)
    with deep_recursion(), _uncollected():
        unit = _through_passes(Unit(script, options, host.types, host=host), diagnostics)
        program = typing.check(unit, diagnostics)
        diagnostics.check()
        return generate(program)


@frozen
class Compiled:
    """An image and the files that it was made from, apart from the script: imported scripts and traced binaries.

    `lasting` is False when it was also made from what comes and goes without a trace in those files: the binaries
    that a pattern of paths finds, the folders of cgroups, the headers of imported C files.
    """

    image: Image
    files: tuple[str, ...]
    lasting: bool


def compile_source(
    source: Source,
    options: Options,
    diagnostics: Diagnostics,
    *,
    inspect: Inspect = None,
    callbacks: bool = False,
    meanwhile: Callable[[], object] | None = None,
) -> Compiled:
    """A script to an image. Raises `CompileError`; warnings gather in `diagnostics`.

    `inspect` gets the name and the text of each stage: `ast` after each pass, `types`, `codegen` and `codegen-opt` in
    LLVM's language, `dis`. `callbacks` makes functions of loops that would be checked round by round. `meanwhile` is
    called once, while LLVM is at work on another processor.
    """
    from pytrace.codegen import generate
    from pytrace.codegen.this_kernel import ThisKernel

    with deep_recursion(), _uncollected():
        unit = _through_passes(_unit(source, options), diagnostics, inspect=inspect)
        program = typing.check(unit, diagnostics)
        diagnostics.check()
        if any(isinstance(item, tree.Function) for item in unit.script.items):
            from pytrace.semantics.functions import refuse

            refuse(unit, diagnostics)
            diagnostics.check()
        if inspect is not None:
            inspect("types", "".join(f"{part}\n" for part in (*program.probes, *program.maps)))
        image = generate(program, ThisKernel(callbacks=callbacks), inspect, meanwhile)
    close = getattr(unit.types, "close", None)  # of types that a C compiler keeps
    if close is not None:
        close()
    targets = [target for each in image.programs for target, _ in each.targets]
    binaries = {file for target in targets for file in PROVIDERS[target.provider].files(target)}
    patterns = any("*" in spec.parts[0] for each in unit.probes for spec in each.specs if spec.provider in _IN_FILES)
    # Which headers a C file includes is its compiler's affair.
    from_c = any(file.endswith(".bpf.c") for file in unit.imported)
    lasting = not patterns and not from_c and "cgroupid" not in source.text
    return Compiled(image, (*unit.imported, *sorted(binaries)), lasting)
