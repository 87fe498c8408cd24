"""Calls of functions of imported objects (LANGUAGE 10)."""

from __future__ import annotations

from pytrace.builtins.imported import NAME
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import VOID, Bool, Enum, Int, Pointer, Struct, Type, Unknown, Void
from pytrace.semantics.typing.convert import as_bool, convert, settle
from pytrace.semantics.typing.lattice import integral, join
from pytrace.semantics.unit import Extern
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper

__all__ = ["call"]

MOST_ARGUMENTS = 5
"""MAX_BPF_FUNC_REG_ARGS: those of a call travel in registers."""


def call(t: ProbeTyper, node: tree.Call, function: Extern) -> core.Expr:
    """The call, with its arguments converted to the parameters' types."""
    if len(node.args) != len(function.params):
        return t.error(
            node.span,
            f"Function `{function.name}` requires {len(function.params)} arguments, got only {len(node.args)}"
            if len(node.args) < len(function.params)
            else f"Function `{function.name}` requires {len(function.params)} arguments, got {len(node.args)}",
        )
    if len(function.params) > MOST_ARGUMENTS or not _is_passed(function.returns):
        return t.error(node.span, f"Function `{function.name}` cannot be called: {_why(function)}")
    args: list[core.Expr] = []
    wrong = False
    for arg, (name, wanted) in zip(node.args, function.params, strict=True):
        given = settle(t.expr(arg)) if not isinstance(arg, tree.Typeof) else core.Zero(VOID, arg.span)
        converted = _argument(t, given, wanted)
        if converted is None:
            wrong = True
            t.error(arg.span, f"Expected {wanted} for argument `{name}` got {given.type}")
        else:
            args.append(converted)
    if wrong:
        wanted_types = ", ".join(str(type_) for _, type_ in function.params)
        return t.error(node.span, f"Function `{function.name}` requires arguments ({wanted_types})")
    return core.Call(function.returns, node.span, NAME, tuple(args), (function.name,))


def _is_passed(type_: Type) -> bool:
    return isinstance(type_, (Int, Bool, Enum, Pointer, Void))


def _why(function: Extern) -> str:
    if len(function.params) > MOST_ARGUMENTS:
        return f"it has more than {MOST_ARGUMENTS} parameters"
    return f"it returns a {function.returns}"


def _argument(t: ProbeTyper, given: core.Expr, wanted: Type) -> core.Expr | None:
    """The argument as the parameter's type; None if that is not to be had."""
    source = given.type
    if isinstance(source, Unknown):
        return core.Zero(wanted, given.span)
    whole = integral(source)
    match wanted:
        case Int() if whole is not None:
            literal = t.literal_of(given)
            if isinstance(literal, int) and not _fits(literal, wanted):
                return None
            return convert(t, given, wanted)
        case Bool() if whole is not None:
            return as_bool(given)
        case Enum() if whole is not None:
            return convert(t, given, wanted)
        case Pointer() if isinstance(source, Pointer) and _points(source, wanted):
            return given
    return None


def _fits(value: int, type_: Int) -> bool:
    lowest = -(1 << type_.size * 8 - 1) if type_.signed else 0
    return lowest <= value < lowest + (1 << type_.size * 8)


def _points(given: Pointer, wanted: Pointer) -> bool:
    """Whether one pointer goes for the other: as in C, and for records of the same name."""
    one, other = given.pointee, wanted.pointee
    if isinstance(one, Void) or isinstance(other, Void):
        return True
    if isinstance(one, Struct) and isinstance(other, Struct):
        return (one.kind, one.name) == (other.kind, other.name)
    return join(one, other) is not None and one == other
