"""What can be done with maps besides reading and assigning (LIBRARY 8.1).

Operations that happen in the probe are `core.MapCall` nodes, which the code generator knows since it knows how maps
are stored: `has_key` and `delete` (bool), `len` (int64), `find` (bool: copies the value, converted to the variable's
type, into the variable that is its only argument, a `ReadVar`). `clear` and `zero` are left to user space.
"""

from __future__ import annotations

from pytrace.builtins.checks import argument, kind, unknown
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.semantics import program as core
from pytrace.semantics.types import BOOL, I64, VOID, Aggregate, Stack, Type
from pytrace.syntax import tree

FAMILY = "maps"


def _map(t: Typer, site: CallSite, *, keyed: bool | None, with_: str = "") -> core.Map | None:
    """The map that is the first argument; None after reporting that it is none, or not of the right shape."""
    node = site.given[0]
    if not isinstance(node, tree.MapRef):
        t.error(node.span, f"{site.name}() expects a map argument")
        return None
    map_ = t.map(node)
    if map_ is None or keyed is None or (map_.key is not None) == keyed:
        return map_
    shape = "with explicit keys (non-scalar map)" if keyed else "without explicit keys (scalar map)"
    t.error(site.span, f"call to {site.name}(){with_} expects a map {shape}")
    return None


def _key(t: Typer, site: CallSite) -> core.Expr:
    """The second argument as a key of the map that is the first."""
    node, key = site.given[:2]
    assert isinstance(node, tree.MapRef)
    if isinstance(key, tree.Typeof):
        return t.error(key.span, "a key is expected here, not a type")
    return t.map_key(node, key)


def _check_len(site: CallSite, t: Typer) -> core.Expr:
    node = site.given[0]
    if isinstance(node, tree.MapRef):
        map_ = _map(t, site, keyed=True)
        return core.Zero(I64, site.span) if map_ is None else core.MapCall(I64, site.span, "len", map_)
    value = argument(t, site, 0)
    if unknown(value):
        return core.Zero(I64, site.span)
    if not isinstance(value.type, Stack):
        return t.error(site.span, f"len() expects a map or a stack ({kind(value.type)} provided)")
    return core.Part(I64, site.span, value, 0)


declare(Builtin(
    "len", _check_len, None, ("len(@m)", "len(stack)"), "The number of entries of a map, or of frames of a stack.",
    FAMILY, (1, 1),
))  # fmt: skip


def _check_has_key(site: CallSite, t: Typer) -> core.Expr:
    map_ = _map(t, site, keyed=True)
    if map_ is None:
        return core.Zero(BOOL, site.span)
    return core.MapCall(BOOL, site.span, "has_key", map_, _key(t, site))


declare(Builtin(
    "has_key", _check_has_key, None, ("has_key(@m, key)",), "Whether a map has a key.", FAMILY, (2, 2),
))  # fmt: skip


def _check_find(site: CallSite, t: Typer) -> core.Expr:
    target = site.given[2]
    if not isinstance(target, tree.Var):
        return t.error(target.span, "find() expects a variable for its third argument")
    map_ = _map(t, site, keyed=True)
    if map_ is None:
        return core.Zero(BOOL, site.span)
    key = _key(t, site)
    value: Type = map_.value
    if isinstance(value, Aggregate):
        if not value.castable:
            return t.error(site.span, f"find() does not support maps of type {value}")
        value = value.as_int
    var = t.assign(target, value, site.span)
    if var is None:
        return core.Zero(BOOL, site.span)
    return core.MapCall(BOOL, site.span, "find", map_, key, (core.ReadVar(var.type, target.span, var),))


declare(Builtin(
    "find", _check_find, None, ("find(@m, key, $v)",), "Whether a map has a key; if so, its value is copied into $v.",
    FAMILY, (3, 3),
))  # fmt: skip


def _check_delete(site: CallSite, t: Typer) -> core.Expr:
    node = site.given[0]
    if isinstance(node, tree.MapIndex):
        if len(site.given) > 1:
            return t.error(node.span, "delete() expects a map argument")
        # The older spelling.
        map_ = t.map(node.map)
        if map_ is None:
            return core.Zero(BOOL, site.span)
        return core.MapCall(BOOL, site.span, "delete", map_, t.map_key(node.map, node.key))
    if len(site.given) == 1:
        map_ = _map(t, site, keyed=False, with_=" with a single argument")
        return core.Zero(BOOL, site.span) if map_ is None else core.MapCall(BOOL, site.span, "delete", map_)
    map_ = _map(t, site, keyed=True, with_=" with two arguments")
    if map_ is None:
        return core.Zero(BOOL, site.span)
    return core.MapCall(BOOL, site.span, "delete", map_, _key(t, site))


declare(Builtin(
    "delete", _check_delete, None, ("delete(@m, key)", "delete(@m)"),
    "Removes an entry of a map, or the value of a map without keys; whether it was there.", FAMILY, (1, 2),
))  # fmt: skip


def _check_emptying(site: CallSite, t: Typer) -> core.Expr:
    map_ = _map(t, site, keyed=None)
    if map_ is None:
        return core.Zero(VOID, site.span)
    return core.Emit(VOID, site.span, site.name, (map_.name,), urgent=True)


declare(Builtin(
    "clear", _check_emptying, None, ("clear(@m)",), "Removes all entries of a map.", FAMILY, (1, 1),
))  # fmt: skip
declare(Builtin(
    "zero", _check_emptying, None, ("zero(@m)",), "Sets all values of a map to zero and keeps its keys.", FAMILY,
    (1, 1),
))  # fmt: skip


def _check_is_scalar(site: CallSite, t: Typer) -> core.Expr:
    node = site.given[0]
    if not isinstance(node, tree.MapRef):
        return t.error(site.span, "is_scalar() expects a map for the first argument")
    map_ = t.map(node)
    return core.Zero(BOOL, site.span) if map_ is None else core.Const(BOOL, site.span, int(map_.key is None))


declare(Builtin(
    "is_scalar", _check_is_scalar, None, ("is_scalar(@m)",), "Whether a map has no keys.", FAMILY, (1, 1),
))  # fmt: skip
