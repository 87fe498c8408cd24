"""Which definition of a macro a call means, and what to say when it means none (LANGUAGE 7.1, 7.2)."""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics, Span
from pytrace.hints import Iterable, Sequence
from pytrace.syntax import tree

Argument = tree.Expr | tree.Typeof

_KINDS = {"$": "variable", "@": "map", "": "ident"}


def choose(definitions: Iterable[tree.Macro], args: Sequence[Argument]) -> tree.Macro | None:
    """The first definition whose parameters take the arguments."""
    return next((macro for macro in definitions if _fits(macro, args)), None)


def report_mismatch(
    name: str, span: Span, definitions: Sequence[tree.Macro], args: Sequence[Argument], diagnostics: Diagnostics
) -> None:
    """The error for a call that fits none of the definitions: what the closest one would have needed."""
    closest = min(definitions, key=lambda macro: (abs(len(macro.params) - len(args)), len(_misfits(macro, args))))
    notes = []
    if len(closest.params) != len(args):
        notes.append((
            header(closest),
            f"The closest definition of {name}() has a different number of arguments. "
            f"Expected: {len(closest.params)} but got {len(args)}",
        ))
    else:
        for param, arg in _misfits(closest, args):
            notes.append((
                arg.span,
                f"Mismatched arg. {name}() expects a {_KINDS[param.sigil]} for arg {param.sigil}{param.name} "
                f"but got {_kind(arg)}.",
            ))
            notes.append((param.span, "This is the argument in the closest definition."))
    diagnostics.error(span, f"Call to {name}() has arguments that do not match any definition.", notes=notes)


def check_definitions(definitions: Sequence[tree.Macro], diagnostics: Diagnostics) -> None:
    """Errors of the definitions of one name: parameters given twice, and definitions that an earlier one hides."""
    sound: list[tree.Macro] = []
    for macro in definitions:
        seen: set[tuple[str, str]] = set()
        for param in macro.params:
            if (param.sigil, param.name) in seen:
                kind = _KINDS[param.sigil].capitalize()
                diagnostics.error(
                    param.span, f"{kind} for macro argument has already been used: {param.sigil}{param.name}"
                )
            seen.add((param.sigil, param.name))
        earlier = next((one for one in sound if _hides(one, macro)), None)
        if earlier is not None:
            diagnostics.error(
                header(macro),
                f"Redefinition of macro: {macro.name}",
                notes=[(header(earlier), "This is the original definition.")],
            )
        elif len(seen) == len(macro.params):
            sound.append(macro)


def header(macro: tree.Macro) -> Span:
    """The place of `macro name`."""
    span = macro.span
    end = span.source.text.index("(", span.start)
    return Span(span.source, span.start, span.start + len(span.source.text[span.start:end].rstrip()), span.via)


def _fits(macro: tree.Macro, args: Sequence[Argument]) -> bool:
    return len(macro.params) == len(args) and not _misfits(macro, args)


def _misfits(macro: tree.Macro, args: Sequence[Argument]) -> list[tuple[tree.Param, Argument]]:
    return [
        (param, arg)
        for param, arg in zip(macro.params, args, strict=False)
        if (param.sigil == "$" and not isinstance(arg, tree.Var))
        or (param.sigil == "@" and not isinstance(arg, tree.MapRef))
    ]


def _hides(earlier: tree.Macro, later: tree.Macro) -> bool:
    return len(earlier.params) == len(later.params) and all(
        one.sigil in ("", other.sigil) for one, other in zip(earlier.params, later.params, strict=True)
    )


def _kind(arg: Argument) -> str:
    match arg:
        case tree.Var():
            return "a variable"
        case tree.MapRef():
            return "a map"
    return "an expression"
