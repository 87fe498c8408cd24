"""Expressions that stand for a value directly: literals, names, tuples, blocks, and choices between values."""

from __future__ import annotations

from pytrace.builtins.registry import REGISTRY, CallSite
from pytrace.diagnostics import Span
from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING, Iterable
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    NOTHING,
    VOID,
    Aggregate,
    Bool,
    Enum,
    Int,
    Nothing,
    Pointer,
    Record,
    Str,
    Tuple,
    Type,
    Unknown,
    Void,
    members_of,
)
from pytrace.semantics.typing import arguments, externs, keys
from pytrace.semantics.typing.cells import Pending
from pytrace.semantics.typing.constants import constant, literal_of
from pytrace.semantics.typing.convert import as_bool, convert, settle
from pytrace.semantics.typing.lattice import join, known
from pytrace.semantics.typing.spelling import base_type
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper


def integer(t: ProbeTyper, node: tree.IntLit) -> core.Expr:
    return constant(node.value, node.span)


def boolean(t: ProbeTyper, node: tree.BoolLit) -> core.Expr:
    return constant(node.value, node.span)


def string(t: ProbeTyper, node: tree.StrLit) -> core.Expr:
    limit = t.config.max_strlen
    if len(node.value) >= limit:
        text = node.value.decode("latin-1")
        return t.error(node.span, f"String is too long (over {limit} bytes): {text}")
    return constant(node.value, node.span)


def identifier(t: ProbeTyper, node: tree.Ident) -> core.Expr:
    if node.name == "args":
        return arguments.args(t, node.span)
    builtin = REGISTRY.get(node.name)
    if builtin is not None and builtin.bare:
        return t.apply(builtin, CallSite(node.name, None, node.span, node))
    found = t.types.enumerator(node.name)
    if found is not None:
        return core.Const(found[0], node.span, found[1])
    return t.error(node.span, f"Unknown identifier: '{node.name}'")


def call(t: ProbeTyper, node: tree.Call) -> core.Expr:
    if node.name == "args" and not node.args:
        return arguments.args(t, node.span)
    builtin = REGISTRY.get(node.name)
    if builtin is None and (extern := t.script.unit.externs.get(node.name)) is not None:
        return externs.call(t, node, extern)
    if builtin is None:
        return t.error(node.span, f"Unknown function: '{node.name}'")
    if builtin.map_function:
        return t.error(node.span, f"{node.name}() must be assigned directly to a map")
    return t.apply(builtin, CallSite(node.name, node.args, node.span, node))


def variable(t: ProbeTyper, node: tree.Var) -> core.Expr:
    found = t.lookup(node.name)
    if found is None:
        return t.error(node.span, f"Undefined or undeclared variable: {node.shown}")
    var = t.place(found)
    if t.final and not known(var.type):
        if not found.excused:
            return t.error(node.span, "Could not resolve the type of this variable")
        return core.Zero(var.type, node.span)
    return core.ReadVar(var.type, node.span, var)


def scalar_map(t: ProbeTyper, node: tree.MapRef) -> core.Expr:
    state = t.script.map(node)
    state.known = True
    if state.key is not None:
        return t.error(
            node.span,
            f"{state.name} used as a map without an explicit key (scalar map), "
            "previously used with an explicit key (non-scalar map)",
        )
    return _read(t, t.map_of(state), None, node.span)


def keyed_map(t: ProbeTyper, node: tree.MapIndex) -> core.Expr:
    state = t.script.map(node.map)
    state.known = True
    key = keys.key_of(t, state, node.key, node.span)
    return _read(t, t.map_of(state), key, node.span)


def _read(t: ProbeTyper, map_: core.Map, key: core.Expr | None, span: Span) -> core.Expr:
    if t.final and not known(map_.value):
        return core.Zero(map_.value, span)
    return core.ReadMap(map_.value, span, map_, key)


def tuple_(t: ProbeTyper, node: tree.TupleLit) -> core.Expr:
    if not node.items and t.final:
        return t.error(node.span, "An empty tuple has no type")
    items = tuple(member(t, item) for item in node.items)
    if _too_large(items):
        return t.error(node.span, _TOO_LARGE)
    return core.MakeTuple(Tuple(tuple(item.type for item in items)), node.span, items)


def record(t: ProbeTyper, node: tree.RecordLit) -> core.Expr:
    items = tuple(member(t, item) for _, item in node.fields)
    if _too_large(items):
        return t.error(node.span, _TOO_LARGE)
    names = (name for name, _ in node.fields)
    return core.MakeTuple(Record(tuple((n, i.type) for n, i in zip(names, items, strict=True))), node.span, items)


MAX_MEMBERS = 2000
"""Of a tuple or record, those of its members included: pairs of pairs of pairs … are soon more than can be handled."""
_TOO_LARGE = f"A tuple or record has at most {MAX_MEMBERS} members, in all its depth"


def _too_large(items: Iterable[core.Expr]) -> bool:
    count, rest = 0, [item.type for item in items]
    while rest and count <= MAX_MEMBERS:
        type_ = rest.pop()
        count += 1
        if isinstance(type_, Tuple | Record):
            rest += members_of(type_)
    return count > MAX_MEMBERS


def member(t: ProbeTyper, node: tree.Expr) -> core.Expr:
    """A value that becomes part of a tuple or record."""
    item = t.value(node)
    match item.type:
        case Aggregate():
            return t.error(node.span, f"Map type {item.type} cannot exist inside a tuple.")
        case Void() | Nothing():
            return t.error(node.span, f"Value '{item.type}' cannot exist inside a tuple.")
    return item


_REPORTING = (core.Arith, core.Element, core.Load, core.ReadMap)
"""What may send a warning at run time: it names its own place, within a macro too."""


def block(t: ProbeTyper, node: tree.Block) -> core.Expr:
    """A block used as an expression."""
    t.scopes.append({})
    body = tuple(stmt for statement in node.statements for stmt in t.statement(statement))
    value = None if node.value is None else t.expr(node.value)
    t.scopes.pop()
    if value is None:
        return core.Do(NOTHING, node.span, body, None)
    if not body:
        return value if isinstance(value, _REPORTING) else replace(value, span=node.span)
    return core.Do(value.type, node.span, body, value)


# --- choices


def condition(t: ProbeTyper, node: tree.Expr, span: Span) -> core.Expr:
    """A condition as a `Bool`; `span` is the construct that it belongs to."""
    expr = t.expr(node)
    match expr.type:
        case Int() | Bool() | Enum() | Pointer():
            return as_bool(expr)
        case Str() if isinstance(expr, core.Text):
            return as_bool(expr)
        case Unknown():
            return constant(False, node.span)
    t.error(span, f"Invalid condition: {base_type(expr.type)}")
    return constant(False, node.span)


def if_(t: ProbeTyper, node: tree.If) -> core.Expr:
    """An `if` whose value is wanted."""
    if isinstance(node.cond, tree.Comptime):
        chosen = decide(t, node, node.cond)
        if chosen is None:
            return core.Zero(VOID if t.final else Unknown(), node.span)
        return block(t, chosen) if isinstance(chosen, tree.Block) else if_(t, chosen)
    cond = condition(t, node.cond, node.span)
    then = block(t, node.then)
    if node.orelse is None:
        return core.Select(NOTHING, node.span, cond, effects_only(then), core.Do(NOTHING, node.span, (), None))
    orelse = block(t, node.orelse) if isinstance(node.orelse, tree.Block) else if_(t, node.orelse)
    return select(t, cond, then, orelse, node.span)


def ternary(t: ProbeTyper, node: tree.Ternary) -> core.Expr:
    cond = condition(t, node.cond, node.span)
    # `a ?: b` evaluates `a` twice, like `a ? a : b`.
    then = t.expr(node.cond if node.then is None else node.then)
    return select(t, cond, then, t.expr(node.orelse), node.span)


def select(t: ProbeTyper, cond: core.Expr, then: core.Expr, orelse: core.Expr, span: Span) -> core.Expr:
    """The value of one of two branches, in their common type."""
    held = literal_of(cond)
    if held is not None and literal_of(then) is not None and literal_of(orelse) is not None:
        return then if held else orelse
    type_ = common(settle(then).type, settle(orelse).type)
    if type_ is None:
        return t.error(
            span,
            "Branches must return the same type or compatible types: "
            f"have '{then.type}' and '{orelse.type}'",
        )
    return core.Select(type_, span, cond, convert(t, then, type_), convert(t, orelse, type_))


def common(a: Type, b: Type) -> Type | None:
    """The type of a choice between two values."""
    if isinstance(a, Aggregate) or isinstance(b, Aggregate):
        return None
    return join(a, b)


def effects_only(expr: core.Expr) -> core.Expr:
    """The expression without its value."""
    match expr:
        case core.Do(body=body, value=None):
            return expr
        case core.Do(body=body, value=core.Expr() as value):
            return core.Do(NOTHING, expr.span, (*body, core.Evaluate(value.span, value)), None)
    return core.Do(NOTHING, expr.span, (core.Evaluate(expr.span, expr),), None)


def decide(t: ProbeTyper, node: tree.If, cond: tree.Comptime) -> tree.Block | tree.If | None:
    """The branch that a compile-time condition chooses; None while it is undecided.

    A condition that depends on types is left pending until all types stand; `ScriptTyper` decides it then.
    """
    held = t.decisions.get(id(node))
    if held is None:
        outer, t.watch = t.watch, []
        value = literal_of(t.expr(cond.expr))
        cells, t.watch = t.watch, outer
        if outer is not None:
            outer += cells
        if value is not None and not cells and not isinstance(value, (tuple, dict)):
            held = t.decisions[id(node)] = bool(value)
        else:
            if t.final:
                t.error(cond.span, "Unable to resolve comptime expression")
            t.pending[id(node)] = Pending(value, cells)
            return None
    chosen = node.then if held else node.orelse
    return tree.Block(node.span, ()) if chosen is None else chosen
