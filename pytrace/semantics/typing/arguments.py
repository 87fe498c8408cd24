"""The probe's arguments: `args` and its fields (PROBES 2)."""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.hints import TYPE_CHECKING
from pytrace.probes.contexts import ContextField
from pytrace.semantics import program as core
from pytrace.semantics.similar import suggestion
from pytrace.semantics.types import U32, U64, Context, Int, Pointer, Record, Space, Struct
from pytrace.semantics.typing.lattice import with_space

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper

__all__ = ["args", "as_record", "context_value", "field"]

_NO_ARGS = (
    "The args builtin can only be used with tracepoint, rawtracepoint, fentry/fexit, and uprobe probes"
)


def args(t: ProbeTyper, span: Span) -> core.Expr:
    """`args` by itself: the context, of which only fields are values."""
    if t.in_loop:
        return t.error(span, "'args' builtin is not allowed in a for-loop")
    if t.context.args is None:
        return t.error(span, t.context.args_error or _NO_ARGS)
    return core.ContextAddress(Context(Struct(t.context.args_name, 0)), span)


def as_record(t: ProbeTyper, span: Span) -> core.Expr:
    """All arguments as one value, where they may be printed together (`ProbeContext.args_printable`), without
    those that cannot be read."""
    fields = [f for f in t.context.args or () if f.name not in t.context.refused and not f.error]
    items = tuple(context_value(f, span) for f in fields)
    names = (f.name for f in fields)
    return core.MakeTuple(Record(tuple((n, i.type) for n, i in zip(names, items, strict=True))), span, items)


def field(t: ProbeTyper, obj: core.Expr, name: str, span: Span) -> core.Expr:
    """`args.name`; `obj` is the context, whose fields the probe's provider knows."""
    type_ = obj.type
    assert isinstance(type_, Context)
    if t.in_loop and isinstance(obj, core.ReadVar):
        return t.error(span, "'args' builtin is not allowed in a for-loop")
    found = next((f for f in t.context.args or () if f.name == name), None)
    if found is None:
        hints = suggestion(name, (f.name for f in t.context.args or ()))
        return t.error(
            span, f"Struct/union of type '{type_.struct}' does not contain a field named '{name}'", hints=hints
        )
    if name in t.context.refused:
        return t.error(span, "BPF does not support accessing common tracepoint fields")
    if found.error:
        return t.error(span, f"args.{name} cannot be read: {found.error}")
    return context_value(found, span)


def context_value(found: ContextField, span: Span) -> core.Expr:
    """A value of the probe's context, wherever it is kept."""
    type_ = with_space(found.type, found.space) if found.space is not Space.NONE else found.type
    if isinstance(type_, Pointer) and found.trusted:
        type_ = Pointer(type_.pointee, type_.space, trusted=True)
    if found.constant is not None:
        return core.Const(type_, span, found.constant)
    stored = type_ if found.stored is None else found.stored
    value: core.Expr
    if found.displacement is not None:
        value = core.Load(stored, span, _user_address(found, span), found.displacement, Space.USER)
    elif found.rel_loc:
        # The low half of the locator counts from the byte behind it.
        locator = core.Convert(U64, span, core.ContextRead(U32, span, found.offset, 4))
        distance = core.Arith(U64, span, "and", locator, core.Const(U64, span, 0xFFFF))
        behind = core.ContextAddress(U64, span, found.offset + 4)
        value = core.Convert(stored, span, core.Arith(U64, span, "add", behind, distance))
    elif found.copied:
        value = core.Load(stored, span, core.ContextAddress(U64, span, found.offset), 0, Space.KERNEL)
    else:
        value = core.ContextRead(stored, span, found.offset, found.size, found.data_loc, found.rest)
    return value if found.stored is None else core.Convert(type_, span, value)


def _user_address(found: ContextField, span: Span) -> core.Expr:
    """What the registers of an argument in memory point to, before its displacement."""
    address = Int(8, False, space=Space.USER)
    base: core.Expr = core.ContextRead(address, span, found.offset, 8)
    if found.index is None:
        return base
    index = core.ContextRead(address, span, found.index, 8)
    step = core.Arith(address, span, "mul", index, core.Const(address, span, found.scale))
    return core.Arith(address, span, "add", base, step)
