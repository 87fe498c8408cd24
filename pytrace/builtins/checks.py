"""What checkers of builtins have in common: arguments, their types, and the messages about them."""

from __future__ import annotations

from pytrace.builtins.registry import CallSite, Typer
from pytrace.diagnostics import Span
from pytrace.frozen import replace
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    I64,
    U64,
    UNKNOWN,
    VOID,
    Aggregate,
    Array,
    Bool,
    Buffer,
    Enum,
    Int,
    Nothing,
    Opaque,
    Pointer,
    Record,
    Space,
    Stack,
    Str,
    Struct,
    Tuple,
    Type,
    Unknown,
    Void,
)
from pytrace.syntax import tree

TYPE_ARGUMENT = (
    "When used as a call argument, typeof builtin only valid for macro calls that are expecting a type parameter"
)

TRACING = ("fentry", "fexit", "rawtracepoint", "iter")
"""The providers whose programs are of type TRACING."""


def kind(type_: Type) -> str:
    """The kind of a type in one word (LANGUAGE 13, `base_type`)."""
    match type_:
        case Int() | Enum():
            return "int"
        case Bool():
            return "bool"
        case Str():
            return "string"
        case Buffer():
            return "buffer"
        case Pointer():
            return "pointer"
        case Array():
            return "array"
        case Tuple():
            return "tuple"
        case Record():
            return "record"
        case Struct():
            return "c_type"
        case Stack(kind=name) | Opaque(name=name):
            return name
        case Aggregate():
            return f"{type_.name}_t"
        case Void():
            return "void"
        case Nothing():
            return "none"
    return str(type_)


def unknown(expr: core.Expr) -> bool:
    """Whether nothing can be said about an expression: not solved yet, or reported already."""
    return isinstance(expr.type, Unknown)


def erroneous(span: Span) -> core.Expr:
    """What stands for an expression that was reported."""
    return core.Zero(UNKNOWN, span)


def nothing(span: Span) -> core.Expr:
    """An action that does nothing."""
    return core.Zero(VOID, span)


def argument(t: Typer, site: CallSite, index: int) -> core.Expr:
    """An argument as a value: castable aggregations are read as integers. `typeof(…)` is reported."""
    node = site.given[index]
    if isinstance(node, tree.Typeof):
        return t.error(node.span, TYPE_ARGUMENT)
    return t.value(node)


def only(t: Typer, site: CallSite, expr: core.Expr, wanted: str, *types: type[Type]) -> bool:
    """Whether an argument has one of the types; reports it otherwise. `wanted` names them in the message."""
    if isinstance(expr.type, (*types, Unknown)):
        return True
    t.error(site.span, f"{site.name}() only supports {wanted} arguments ({kind(expr.type)} provided)")
    return False


def as_u64(expr: core.Expr) -> core.Expr:
    """An integer, bool, enum or pointer in 64 bits, extended by its own sign. A number that is an address keeps its
    space."""
    match expr.type:
        case Int(size=8) | Unknown():
            return expr
        case Int(signed=signed, space=space):
            wide = replace(I64 if signed else U64, space=space)
        case Pointer(space=space):
            wide = replace(U64, space=space)
        case _:
            wide = U64
    if isinstance(expr, core.Const):
        return core.Const(wide, expr.span, expr.value)
    return core.Convert(wide, expr.span, expr)


def space_of(type_: Type) -> Space:
    """Where a pointer, or a number used as an address, points to."""
    return type_.space if isinstance(type_, Int | Pointer) else Space.NONE


def address_space(t: Typer, expr: core.Expr) -> Space:
    """The same for memory that is going to be read there; nothing known about it is noted."""
    space = space_of(expr.type)
    if space is Space.NONE and not unknown(expr):
        t.unknown_space()
    return space


def text(t: Typer, site: CallSite, index: int) -> bytes | None:
    """A string literal argument; None after reporting that it is none."""
    node = site.given[index]
    value = t.literal(node)
    if isinstance(value, bytes):
        return value
    _not_a_literal(t, site, index, "string")
    return None


def number(t: Typer, site: CallSite, index: int) -> int | None:
    """An integer literal argument; None after reporting that it is none."""
    value = t.literal(site.given[index])
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    _not_a_literal(t, site, index, "int")
    return None


def _not_a_literal(t: Typer, site: CallSite, index: int, wanted: str) -> None:
    node = site.given[index]
    typed = argument(t, site, index)
    if unknown(typed):
        return
    written = node.span.text
    hints = [f"the text of a parameter is str({written})"] if wanted == "string" and written.startswith("$") else []
    t.error(site.span, f"{site.name}() expects a {wanted} literal ({kind(typed.type)} provided)", hints=hints)


def provider(t: Typer) -> str:
    """The provider of the probe."""
    return t.targets[0].provider if t.targets else t.context.probetype


def among(t: Typer, providers: tuple[str, ...]) -> bool:
    """Whether all targets of the probe belong to these providers."""
    return all(target.provider in providers for target in t.targets)


def kernel_function_exists(name: str) -> bool:
    """Whether the kernel's type information describes a function of that name."""
    from pytrace.kernel.btf import Kind, kernel_btf

    btf = kernel_btf()
    return btf is not None and btf.find(name, Kind.FUNC) is not None


def warn_at_run_time(span: Span, message: str, value: core.Expr) -> core.Expr:
    """`value`, after a warning with a fixed text each time it is evaluated."""
    warning = core.Emit(VOID, span, "warnf", ((message.encode(),), ()))
    return core.Do(value.type, span, (core.Evaluate(span, warning),), value)
