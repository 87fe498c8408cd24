"""Questions about types, the kernel and the command line that are answered while compiling (LIBRARY 7)."""

from __future__ import annotations

from pytrace.builtins.checks import kernel_function_exists
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.hints import Callable
from pytrace.semantics import program as core
from pytrace.semantics.types import BOOL, Aggregate, Array, Int, Pointer, Str, Type, Unknown
from pytrace.syntax import tree

FAMILY = "introspection"


# --- types --------------------------------------------------------------------------------------------------------


def _type_of(t: Typer, site: CallSite) -> Type | None:
    """The type of the argument, an expression or `typeof(…)`; None if it is not known."""
    node = site.given[0]
    type_ = t.type_of(node) if isinstance(node, tree.Typeof) else t.expr(node).type
    return None if isinstance(type_, Unknown) else type_


_QUESTIONS: dict[str, tuple[Callable[[Type], bool], str]] = {
    "is_str": (lambda type_: isinstance(type_, Str), "a string"),
    "is_ptr": (lambda type_: isinstance(type_, Pointer), "a pointer"),
    "is_array": (lambda type_: isinstance(type_, Array), "an array"),
    "is_integer": (lambda type_: isinstance(type_, Int), "an integer"),
    "is_unsigned_integer": (lambda type_: isinstance(type_, Int) and not type_.signed, "an unsigned integer"),
}


def _check_question(site: CallSite, t: Typer) -> core.Expr:
    type_ = _type_of(t, site)
    if type_ is None:
        # Not a constant: a condition that waits for the answer must not be decided yet.
        return core.Zero(BOOL, site.span)
    if isinstance(type_, Aggregate) and type_.castable:
        type_ = type_.as_int
    return core.Const(BOOL, site.span, int(_QUESTIONS[site.name][0](type_)))


for _name, (_, _doc) in _QUESTIONS.items():
    declare(Builtin(
        _name, _check_question, None, (f"{_name}(expression)", f"{_name}(typeof(type))"),
        f"Whether a value, or a type, is {_doc}.", FAMILY, (1, 1),
    ))  # fmt: skip


def _check_is_literal(site: CallSite, t: Typer) -> core.Expr:
    return core.Const(BOOL, site.span, int(t.literal(site.given[0]) is not None))


declare(Builtin(
    "is_literal", _check_is_literal, None, ("is_literal(expression)",),
    "Whether an expression is known while compiling.", FAMILY, (1, 1),
))  # fmt: skip


# --- the kernel ---------------------------------------------------------------------------------------------------


def _check_kfunc(site: CallSite, t: Typer) -> core.Expr:
    value = t.literal(site.given[0])
    if not isinstance(value, bytes):
        return t.error(site.span, f"{site.name}() accepts a string literal only")
    name = value.decode("latin-1")
    known = kernel_function_exists(name)
    if known and site.name == "kfunc_allowed":
        from pytrace.kernel.features import kfunc_allowed

        known = kfunc_allowed(name, t.context.prog_type)
    return core.Const(BOOL, site.span, int(known))


for _name, _doc in (
    ("kfunc_exist", "Whether the kernel has a function."),
    ("kfunc_allowed", "Whether the kernel has a function that programs of this probe's type may call."),
):
    declare(Builtin(_name, _check_kfunc, None, (f'{_name}("function")',), _doc, FAMILY, (1, 1)))


# --- the command line ---------------------------------------------------------------------------------------------


def _check_getopt(site: CallSite, t: Typer) -> core.Expr:
    # Calls that are right were replaced by their values before types are looked at.
    return t.error(site.span, "getopt() takes literals: a name, a default and a description")


declare(Builtin(
    "getopt", _check_getopt, None, ('getopt("name")', 'getopt("name", default)', 'getopt("name", default, "text")'),
    "The value of an option given behind `--` on the command line, else the default (false).", FAMILY, (1, 3),
))  # fmt: skip
