"""Which maps have keys: looked up once before typing, since a map may be named (`print(@m)`) before it is indexed.

An earlier pass has made sure that no map is used both ways, except in branches of `if comptime`, which may be there
because of the shape, and in type contexts; both count only where nothing else tells.
"""

from __future__ import annotations

from pytrace.hints import Iterable
from pytrace.semantics.map_shapes import WHOLE_MAP
from pytrace.semantics.walk import children
from pytrace.syntax import tree

__all__ = ["keyed_maps"]

_TAKE_KEYS = frozenset({"delete", "find", "has_key"})


def keyed_maps(roots: Iterable[tree.Node]) -> frozenset[str]:
    """The names of maps that are used with an explicit key anywhere below the roots."""
    keyed: set[str] = set()
    scalar: set[str] = set()
    perhaps: set[str] = set()
    stack: list[tuple[tree.Node, bool]] = [(root, True) for root in roots]
    while stack:
        node, sure = stack.pop()
        parts = list(children(node))
        match node:
            case tree.MapIndex(map=tree.MapRef(name=name)) | tree.For(iterable=tree.MapRef(name=name)):
                (keyed if sure else perhaps).add(name)
                parts = parts[1:] if isinstance(node, tree.MapIndex) else [node.body]
            case tree.Call(name=function, args=(tree.MapRef(name=name), *rest)) if function in WHOLE_MAP:
                if rest and function in _TAKE_KEYS:
                    perhaps.add(name)
                parts = parts[1:]
            case tree.MapRef(name=name) if sure:
                scalar.add(name)
            case tree.Unary(op="&", operand=tree.MapRef()):
                parts = []
            case tree.Typeof() | tree.Sizeof() | tree.Typeinfo() | tree.Offsetof():
                stack += [(part, False) for part in parts]
                parts = []
            case tree.If(cond=tree.Comptime() as cond):
                stack += [(part, False) for part in parts if part is not cond]
                parts = [cond]
        stack += [(part, sure) for part in parts]
    return frozenset(keyed | (perhaps - scalar))
