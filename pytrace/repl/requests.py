"""What the compiling process is asked for: blocks, expressions, lists of probes.

| `do` | further | answer |
|---|---|---|
| "block" | `name`, `text`, `positional`, `definitions`, `around`, `origins` | "image", its plain data, warnings |
| "once" | the same; `text` is an expression or a statement | the same, of a program for `begin` |
| "list" | `pattern`, `verbose` | "lines", the lines |
| "parts" | `texts`, `definitions` | "text", one script out of several blocks |

`around` is the plain data of an image without programs: the session's maps, strings and structures. `origins` says of
its maps by which block they were made. What is rejected is answered by "rejected" and the diagnostics as text, which
holds one character per byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pytrace.codegen.image import Image
from pytrace.codegen.plain import from_plain, to_plain
from pytrace.diagnostics import CompileError, Diagnostic, Diagnostics, Source, Span, render
from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics.unit import Options, SharedMap, Surroundings
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.repl.worker import Answer, Request

__all__ = ["preparations", "serve"]

_SAMPLES = (
    "begin { @a[comm] = count(); @b = hist(nsecs); @c[tid] = nsecs; printf(\"%s %d\\n\", comm, pid); print(@a); }",
    "tracepoint:syscalls:sys_enter_openat /pid > 1/ { @[str(args.filename)] = count(); $x = curtask.pid; }",
)
"""Compiled once, so that what loads at first use is there."""


def preparations(options: Options) -> list[Callable[[], object]]:
    """What to load in advance, most important first."""

    def functions() -> object:
        from pytrace.kernel.functions import traceable

        return traceable(options.traceable_functions)

    return [_load_compiler, *(lambda text=text: _compile(text, options) for text in _SAMPLES), functions]


def _load_compiler() -> None:
    from pytrace.codegen.llvm import load

    load()  # in no thread of its own: a process with threads is not to be forked


def _compile(text: str, options: Options) -> Image:
    from pytrace.compiler import compile_source

    return compile_source(Source("", text), options, Diagnostics()).image


def serve(request: Request, options: Options, colour: bool) -> Answer:
    """The answer to a request. Raises nothing that a user can cause."""
    from pytrace.problem import Problem

    try:
        return _SERVICES[request["do"]](request, options, colour)
    except CompileError as error:
        hints = _Hints(request.get("origins", {}))
        items = [*error.diagnostics.errors, *(error.diagnostics.warnings if options.warnings else ())]
        return "rejected", "".join(render(hints.added(item), colour=colour) for item in items)
    except Problem as problem:
        return "rejected", f"ERROR: {problem}\n"
    except OSError as error:
        return "rejected", f"ERROR: {error.strerror or error}\n"


class _Hints:
    """Says of errors about maps of the session where these come from."""

    def __init__(self, origins: Mapping[str, str]) -> None:
        self.origins = origins

    def added(self, item: Diagnostic) -> Diagnostic:
        from pytrace.lazy import pattern

        names = pattern(r"@\w*").findall(item.message)
        hints = [self.origins[name] for name in dict.fromkeys(names) if name in self.origins]
        return replace(item, hints=(*item.hints, *hints)) if hints else item


def _options(request: Request, options: Options) -> Options:
    around = from_plain(request["around"])
    maps = {
        each.name[1:]: SharedMap(each.name, each.key, each.value, each.kind, each.size) for each in around.script_maps
    }
    return replace(options, positional=request["positional"], surroundings=Surroundings(maps, around.strings))


def _finished(image: Image, diagnostics: Diagnostics, options: Options, colour: bool) -> Answer:
    shown = diagnostics.warnings if options.warnings else ()
    return "image", to_plain(image), tuple(render(item, colour=colour) for item in shown)


def _block(request: Request, options: Options, colour: bool) -> Answer:
    from pytrace.compiler import compile_tree
    from pytrace.repl.definitions import merged
    from pytrace.syntax.parser import parse

    diagnostics = Diagnostics()
    script = merged(request["definitions"], parse(Source(request["name"], request["text"])))
    image = compile_tree(script, _options(request, options), diagnostics)
    return _finished(image, diagnostics, options, colour)


def _once(request: Request, options: Options, colour: bool) -> Answer:
    """A program that prints an expression; one that just does it where it is a statement, or gives nothing."""
    try:
        return _run_once(request, options, colour, printed=True)
    except CompileError as first:
        if not _is_deed(request["text"]):
            raise
        try:
            return _run_once(request, options, colour, printed=False)
        except CompileError as second:
            raise (second if _is_statement(request["text"]) else first) from None


def _is_statement(text: str) -> bool:
    from pytrace.syntax.parser import parse_expression

    try:
        parse_expression(text, Span(Source("", text), 0, len(text)))
    except CompileError:
        return True
    return False


def _is_deed(text: str) -> bool:
    """Whether a text does something even if it gives no value."""
    from pytrace.syntax.parser import parse_expression

    if _is_statement(text):
        return True
    return isinstance(parse_expression(text, Span(Source("", text), 0, len(text))), tree.Call | tree.IncDec)


def _run_once(request: Request, options: Options, colour: bool, *, printed: bool) -> Answer:
    from pytrace.compiler import compile_tree
    from pytrace.repl.definitions import merged
    from pytrace.syntax.parser import parse, parse_expression

    text: str = request["text"]
    diagnostics = Diagnostics()
    if printed:
        source = Source(request["name"], text)
        whole = Span(source, 0, len(text))
        call = tree.Call(whole, "print", (parse_expression(text, whole),))
        body = tree.Block(whole, (tree.ExprStmt(whole, call),))
        probe = tree.Probe(whole, (tree.AttachPoint(whole, "begin"),), None, body)
        script = tree.Script(whole, "", (), None, (), (probe,))
    else:
        script = parse(Source(request["name"], f"begin {{ {text} }}"))
    image = compile_tree(merged(request["definitions"], script), _options(request, options), diagnostics)
    return _finished(image, diagnostics, options, colour)


def _list(request: Request, options: Options, colour: bool) -> Answer:
    from pytrace.probes.host import MachineHost
    from pytrace.probes.listing import list_pattern

    return "lines", tuple(list_pattern(request["pattern"] or None, MachineHost(options), verbose=request["verbose"]))


def _parts(request: Request, options: Options, colour: bool) -> Answer:
    from pytrace.repl.joining import join

    return "text", join(request["texts"], request["definitions"])


_SERVICES: dict[str, Callable[[Request, Options, bool], Answer]] = {
    "block": _block, "once": _once, "list": _list, "parts": _parts,
}  # fmt: skip
