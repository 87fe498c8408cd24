"""`print`: values and maps with their default texts (LIBRARY 2.1)."""

from __future__ import annotations

from pytrace.builtins.checks import TYPE_ARGUMENT, number
from pytrace.builtins.output import FAMILY, is_printable, printable
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.semantics import program as core
from pytrace.semantics.types import NOTHING, VOID, Aggregate, Tuple
from pytrace.syntax import tree

_ASYNCHRONOUS = (
    "Due to its asynchronous nature using 'print()' in a loop can lead to unexpected behavior. "
    "The map will likely be updated before the runtime can 'print' it."
)


def _check_print(site: CallSite, t: Typer) -> core.Expr:
    node = site.given[0]
    if isinstance(node, tree.MapRef):
        return _print_map(t, site, node)
    if len(site.given) > 1:
        return t.error(site.span, f"Non-map print() only takes 1 argument, {len(site.given)} found")
    if isinstance(node, tree.Typeof):
        return t.error(node.span, TYPE_ARGUMENT)
    value = printable(t, t.expr(node))
    if isinstance(value, core.ReadMap) and isinstance(value.type, Aggregate) and not value.type.castable:
        if value.type.name != "stats" or value.key is None:
            message = f"Map type {value.type} cannot print the value of individual keys. You must print the whole map."
            return t.error(site.span, message)
        return core.Emit(VOID, site.span, "print_element", (value.map.name,), (value.key,), urgent=True)
    if value.type in (VOID, NOTHING, Tuple(())):
        return t.error(site.span, "none type passed to print() is not printable")
    if not is_printable(value):
        return t.error(site.span, f"{value.type} type passed to print() is not printable")
    return core.Emit(VOID, site.span, "print", (), (t.value(node) if isinstance(value.type, Aggregate) else value,))


def _print_map(t: Typer, site: CallSite, node: tree.MapRef) -> core.Expr:
    limits = [number(t, site, index) for index in range(1, len(site.given))]
    map_ = t.map(node)
    if map_ is None or None in limits:
        return core.Zero(VOID, site.span)
    if t.looping:
        t.warning(site.span, _ASYNCHRONOUS)
    if limits and isinstance(map_.value, Aggregate) and map_.value.name == "stats":
        t.warning(site.span, "print()'s top and div arguments are ignored when used on stats() maps.")
    # Negative numbers mean what they mean as unsigned ones: more than there is.
    top, div = ([(limit or 0) % (1 << 64) for limit in limits] + [0, 0])[:2]
    return core.Emit(VOID, site.span, "print_map", (map_.name, top, div), urgent=True)


declare(Builtin(
    "print", _check_print, None, ("print(value)", "print(@m)", "print(@m, top)", "print(@m, top, div)"),
    "Prints a value, or a map: all of its entries, or the `top` greatest, numbers divided by `div`.", FAMILY, (1, 3),
))  # fmt: skip
