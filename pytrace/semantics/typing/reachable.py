"""Which structs and enums user space needs to print values: those inside what is printed or stored. The code generator
needs those that are compared.

What is behind a pointer is not followed: a pointer prints as an address.
"""

from __future__ import annotations

from pytrace.frozen import fields
from pytrace.hints import Iterable, Iterator, Mapping
from pytrace.semantics import program as core
from pytrace.semantics.types import Array, Context, Enum, Record, Struct, StructDef, Tuple, Type, TypeTable

__all__ = ["definitions"]

Structs = dict[Struct, StructDef]
Enums = dict[Enum, Mapping[int, str]]


def definitions(probes: Iterable[core.Probe], maps: Iterable[core.Map], types: TypeTable) -> tuple[Structs, Enums]:
    """The definitions that the values of `maps` and the records of `probes` refer to."""
    structs: Structs = {}
    enums: Enums = {}
    seen: set[Type] = set()
    stack = [type_ for map_ in maps for type_ in (map_.key, map_.value) if type_ is not None]
    stack += _emitted(probes)
    while stack:
        type_ = stack.pop()
        if type_ in seen:
            continue
        seen.add(type_)
        match type_:
            case Enum():
                enums[type_] = types.variants(type_)
            case Struct() | Context(struct=Struct()):
                struct = type_.struct if isinstance(type_, Context) else type_
                definition = types.definition(struct)
                if definition is not None:
                    structs[struct] = StructDef(struct, definition.fields)  # plain, however the kernel's are made
                    stack += [field.type for field in definition.fields]
            case Array(elem=elem):
                stack.append(elem)
            case Tuple(elems=elems):
                stack += elems
            case Record(fields=members):
                stack += [member for _, member in members]
    return structs, enums


def _emitted(probes: Iterable[core.Probe]) -> Iterator[Type]:
    """The types of what records carry, and of what is compared."""
    stack: list[object] = [probe.body for probe in probes]
    while stack:
        node = stack.pop()
        if isinstance(node, tuple):
            stack += node
        elif isinstance(node, (core.Expr, core.Stmt)):
            if isinstance(node, core.Emit):
                yield from (arg.type for arg in node.args)
            if isinstance(node, core.Equal):
                yield node.left.type
            kind = type(node)
            parts = _PARTS.get(kind)
            if parts is None:
                parts = _PARTS[kind] = tuple(field.name for field in fields(kind) if field.name not in _PLAIN)
            stack += [getattr(node, name) for name in parts]


_PLAIN = frozenset({"type", "span", "var", "map", "of", "target", "static", "name", "op", "space"})
"""Fields of nodes that hold no nodes."""

_PARTS: dict[type, tuple[str, ...]] = {}
"""The other fields of each class of node, found at its first occurrence."""
