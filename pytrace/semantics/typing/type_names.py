"""What a type context means: names of types, `typeof`, and expressions that are asked for their type only
(LANGUAGE 13)."""

from __future__ import annotations

from pytrace.builtins.registry import REGISTRY
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    BOOL,
    CGROUP_PATH,
    I8,
    I16,
    I32,
    I64,
    INET,
    MAC,
    TIMESTAMP,
    U8,
    U16,
    U32,
    U64,
    USERNAME,
    VOID,
    Aggregate,
    Array,
    Buffer,
    Pointer,
    Str,
    Type,
    TypeTable,
)
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper

__all__ = ["meant", "resolve", "spelled", "written"]

_NAMED: dict[str, Type] = {
    "bool": BOOL,
    "int8": I8, "int16": I16, "int32": I32, "int64": I64,
    "uint8": U8, "uint16": U16, "uint32": U32, "uint64": U64,
    "void": VOID,
    "string": Str(0), "buffer": Buffer(0), "inet": INET,
    "username_t": USERNAME, "macaddr_t": MAC, "timestamp": TIMESTAMP, "cgroup_path_t": CGROUP_PATH,
    "count_t": Aggregate("count", False),
}  # fmt: skip
_NAMED |= {
    f"{'' if signed else 'u'}{name}_t": Aggregate(name, signed)
    for name in ("sum", "min", "max", "avg", "stats")
    for signed in (True, False)
}

SIZED = ("string", "buffer", "inet")
"""Directly followed by `[n]`, these take n as their capacity."""


def spelled(node: tree.TypeName) -> str:
    """A type as it was written, for diagnostics: `struct task_struct`, without its suffixes."""
    return f"{node.tag} {node.name}" if node.tag else node.name


def resolve(types: TypeTable, node: tree.TypeName) -> Type | None:
    """The type of that name; None if there is none. Reports nothing."""
    suffixes = list(node.suffixes)
    base: Type | None
    if node.tag == "enum":
        base = types.enum(node.name)
    elif node.tag:
        base = types.struct(node.tag, node.name)
    elif node.name in _NAMED:
        base = _NAMED[node.name]
        if node.name in SIZED and suffixes and isinstance(suffixes[0], int):
            capacity = suffixes.pop(0)
            assert isinstance(capacity, int)
            base = Str(capacity) if node.name == "string" else Buffer(capacity) if node.name == "buffer" else base
    else:
        base = types.named(node.name)
    for suffix in suffixes:
        if base is None:
            return None
        base = Pointer(base) if suffix == "*" else Array(base, suffix if isinstance(suffix, int) else 0)
    return base


def written(t: ProbeTyper, node: tree.TypeName | tree.Typeof) -> Type | None:
    """The type of a cast or an annotation, reporting one that does not exist. UNKNOWN if it is not solved yet."""
    if isinstance(node, tree.Typeof):
        return meant(t, node)
    found = resolve(t.types, node)
    if found is not None:
        return found
    t.error(node.span, f'Cannot resolve unknown type "{spelled(node)}"')
    return None


def meant(t: ProbeTyper, node: tree.TypeOrExpr) -> Type | None:
    """What stands in `sizeof`, `typeof`, `typeinfo` or `offsetof`; None after an error."""
    match node:
        case tree.Typeof(arg=arg):
            return meant(t, arg)
        case tree.TypeName():
            return _name(t, node)
        case tree.Ident(name=name):
            return _name(t, tree.TypeName(node.span, "", name))
        case tree.MapRef():
            return _whole_map(t, node)
    return evaluate(t, node).type


def _name(t: ProbeTyper, node: tree.TypeName) -> Type | None:
    """A name by itself: a core builtin, else a type, else an enumerator."""
    plain = not node.tag and not node.suffixes
    if plain and (node.name == "args" or ((builtin := REGISTRY.get(node.name)) is not None and builtin.core)):
        return evaluate(t, tree.Ident(node.span, node.name)).type
    found = resolve(t.types, node)
    if found is not None:
        return found
    if plain:
        enumerator = t.types.enumerator(node.name)
        if enumerator is not None:
            return enumerator[0]
        t.error(node.span, f"Unknown identifier: '{node.name}'")
    else:
        t.error(node.span, f'Cannot resolve unknown type "{spelled(node)}"')
    return None


def _whole_map(t: ProbeTyper, node: tree.MapRef) -> Type | None:
    """A map by its name: the type of its keys if it has any, else of its value."""
    state = t.script.map(node)
    state.known |= state.declared is not None
    if t.final and not state.known:
        t.error(node.span, f"Undefined map: {state.name}")
        return None
    return t.type_in(state.value if state.key is None else state.key)


def evaluate(t: ProbeTyper, node: tree.Expr) -> core.Expr:
    """An expression that is asked for its type and never executed."""
    t.unevaluated += 1
    expr = t.expr(node)
    t.unevaluated -= 1
    return expr
