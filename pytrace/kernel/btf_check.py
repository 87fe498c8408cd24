"""Checks BTF that the kernel has not checked itself: a file that the user names.

Afterwards every reference leads somewhere, and none round in circles, so that readers need not look.
"""

from __future__ import annotations

from pytrace.kernel.btf import Btf
from pytrace.kernel.btf_records import BtfError, BtfType, Kind

__all__ = ["check"]

_REFERS = (
    Kind.PTR, Kind.TYPEDEF, Kind.FUNC, Kind.FUNC_PROTO, Kind.VAR, Kind.DECL_TAG, *Kind.MODIFIERS,
)


def check(btf: Btf) -> None:
    """Raise `BtfError` for damage. Takes a second for a whole kernel."""
    count = btf.count
    by_value: dict[int, list[int]] = {}
    by_name: dict[int, list[int]] = {}
    for id in range(btf.first_id, count):
        type = btf.type(id)
        contained, named = _references(btf, type)
        for other in (*contained, *named):
            if other >= count:
                raise BtfError(f"type {id} refers to type {other}, which does not exist")
        by_value[id] = contained
        # Structs with names may refer to each other by pointers; what else is defined by itself means nothing.
        composite = type.kind in (Kind.STRUCT, Kind.UNION)
        by_name[id] = [] if composite and type.name else [*contained, *named]
    _no_circles(by_value)
    _no_circles(by_name)
    for id in range(btf.first_id, count):
        type = btf.type(id)
        if type.kind in (Kind.STRUCT, Kind.UNION):
            for member in btf.members(type):
                if member.bit_offset + (member.bit_size or 8 * btf.size(member.type)) > 8 * type.value:
                    raise BtfError(f"type {id} is smaller than its members")


def _references(btf: Btf, type: BtfType) -> tuple[list[int], list[int]]:
    """Types that a value contains, and others that are referred to."""
    match type.kind:
        case Kind.STRUCT | Kind.UNION:
            return [m.type for m in btf.members(type)], []
        case Kind.ARRAY:
            return [btf.array(type)[0]], []
        case Kind.TYPEDEF | Kind.CONST | Kind.VOLATILE | Kind.RESTRICT | Kind.TYPE_TAG:
            return [type.value], []
        case Kind.FUNC_PROTO:
            return [], [type.value, *(p.type for p in btf.parameters(type))]
        case Kind.DATASEC:
            return [], [id for id, _, _ in btf.variables(type)]
        case Kind.ENUM | Kind.ENUM64:
            btf.enumerators(type)
            return [], []
        case kind if kind in _REFERS:
            return [], [type.value]
        case _:
            return [], []


def _no_circles(edges: dict[int, list[int]]) -> None:
    done: set[int] = set()
    for start in edges:
        if start in done:
            continue
        path = [(start, iter(edges[start]))]
        active = {start}
        while path:
            id, rest = path[-1]
            following = next((other for other in rest if other not in done), None)
            if following is None:
                path.pop()
                active.discard(id)
                done.add(id)
            elif following in active:
                raise BtfError(f"type {following} is defined by itself")
            else:
                active.add(following)
                path.append((following, iter(edges.get(following, ()))))
