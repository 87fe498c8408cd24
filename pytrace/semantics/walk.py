"""Walking and rewriting the syntax tree.

`CHILDREN` says once, for every kind of node, where its parts are, in the order of the text. Chains of binary operators
(`a + b + c + …`), which a script may hold without nesting, are followed by loops, so that only nesting costs Python
stack; the parser bounds it, and so does the expansion of macros.
"""

from __future__ import annotations

import sys

from pytrace.diagnostics import Span
from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING, Callable, Iterator, cast
from pytrace.semantics.unit import Unit
from pytrace.syntax import tree
from pytrace.within import contextmanager

if TYPE_CHECKING:
    from typing import TypeVar

    N = TypeVar("N", bound=tree.Node)

CHILDREN: dict[type[tree.Node], tuple[str, ...]] = {
    tree.TypeName: (),
    tree.Typeof: ("arg",),
    tree.IntLit: (),
    tree.StrLit: (),
    tree.BoolLit: (),
    tree.Ident: (),
    tree.Var: (),
    tree.MapRef: (),
    tree.MapIndex: ("map", "key"),
    tree.Positional: (),
    tree.ParamCount: (),
    tree.Unary: ("operand",),
    tree.IncDec: ("target",),
    tree.Binary: ("left", "right"),
    tree.Ternary: ("cond", "then", "orelse"),
    tree.Cast: ("type", "operand"),
    tree.Member: ("obj",),
    tree.TupleAccess: ("obj",),
    tree.Index: ("obj", "index"),
    tree.Call: ("args",),
    tree.TupleLit: ("items",),
    tree.RecordLit: ("fields",),
    tree.Sizeof: ("arg",),
    tree.Typeinfo: ("arg",),
    tree.Offsetof: ("arg",),
    tree.Comptime: ("expr",),
    tree.Block: ("statements", "value"),
    tree.If: ("cond", "then", "orelse"),
    tree.ExprStmt: ("expr",),
    tree.Discard: ("expr",),
    tree.Let: ("var", "type", "value"),
    tree.Assign: ("target", "value"),
    tree.Range: ("start", "end"),
    tree.For: ("var", "iterable", "body"),
    tree.While: ("cond", "body"),
    tree.Unroll: ("count", "body"),
    tree.Break: (),
    tree.Continue: (),
    tree.Return: ("value",),
    tree.Import: (),
    tree.CLine: (),
    tree.CDef: (),
    tree.MapDecl: (),
    tree.Param: (),
    tree.Macro: ("params", "body"),
    tree.Function: ("params", "returns", "body"),
    tree.AttachPoint: (),
    tree.Probe: ("attach_points", "predicate", "body"),
}
"""The fields of a node that hold nodes: one, perhaps None, a tuple of them, or (for records and functions) a tuple of
pairs of which nodes are members."""


RECURSION_LIMIT = 30_000
"""Enough for the passes, which take some ten frames of Python for each of the hundreds of levels of a script."""


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Raises Python's recursion limit for a compilation. Frames of Python code take no C stack, so the limit, made
    for runaway recursion, is the only thing in the way."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, RECURSION_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def children(node: tree.Node) -> list[tree.Node]:
    """The parts of a node, in the order of the text."""
    found: list[tree.Node] = []
    for name in CHILDREN[type(node)]:
        value = getattr(node, name)
        if isinstance(value, tree.Node):
            found.append(value)
        elif value is not None:
            for item in value:
                if isinstance(item, tuple):
                    found += [part for part in item if isinstance(part, tree.Node)]
                else:
                    found.append(item)
    return found


def walk(*roots: tree.Node | None) -> Iterator[tree.Node]:
    """Every node below the roots and the roots themselves, in the order of the text."""
    stack = [root for root in reversed(roots) if root is not None]
    while stack:
        node = stack.pop()
        yield node
        if CHILDREN[type(node)]:
            stack += reversed(children(node))


def depth(root: tree.Node) -> int:
    """How deep the nodes nest. Left operands of binary operators do not count: they are followed by loops."""
    deepest = 0
    stack = [(root, 1)]
    while stack:
        node, level = stack.pop()
        deepest = max(deepest, level)
        chained = node.left if isinstance(node, tree.Binary) else None
        for child in children(node):
            stack.append((child, level if child is chained else level + 1))
    return deepest


def map_children(node: N, change: Callable[[tree.Node], tree.Node]) -> N:
    """The node with `change` applied to each of its parts; the node itself if none of them changes."""
    changes: dict[str, object] = {}
    for name in CHILDREN[type(node)]:
        value = getattr(node, name)
        if isinstance(value, tree.Node):
            new: object = change(value)
            if new is not value:
                changes[name] = new
        elif value:
            items = [_change_item(item, change) for item in value]
            if any(new is not old for new, old in zip(items, value, strict=True)):
                changes[name] = tuple(items)
    return replace(node, **changes) if changes else node


def _change_item(item: object, change: Callable[[tree.Node], tree.Node]) -> object:
    if isinstance(item, tree.Node):
        return change(item)
    if isinstance(item, tuple):
        parts = tuple(change(part) if isinstance(part, tree.Node) else part for part in item)
        return parts if any(new is not old for new, old in zip(parts, item, strict=True)) else item
    return item


class Rewriter:
    """Rewrites a tree. For a node of class `X` a subclass may define `visit_X(node)`, which gives the new node and
    decides itself what to do with the parts (`self.parts(node)` rewrites them); other nodes just have their parts
    rewritten. `Binary` is the exception: its chain of left operands is followed here, and `visit_Binary` gets the node
    with its operands already rewritten."""

    def __init__(self) -> None:
        self._visitors: dict[type[tree.Node], Callable[[tree.Node], tree.Node] | None] = {}

    def visit(self, node: N) -> N:
        """The rewritten form of a node. It may be of another class where the grammar allows that; the annotation says
        what the caller may count on: the same kind of thing (an expression for an expression)."""
        if isinstance(node, tree.Binary):
            return cast("N", self._binary(node))
        kind = type(node)
        if kind not in self._visitors:
            self._visitors[kind] = getattr(self, f"visit_{kind.__name__}", None)
        visitor = self._visitors[kind]
        return self.parts(node) if visitor is None else cast("N", visitor(node))

    def parts(self, node: N) -> N:
        """The node with its parts rewritten."""
        return map_children(node, self.visit)

    def visit_Binary(self, node: tree.Binary) -> tree.Node:
        return node

    def _binary(self, node: tree.Binary) -> tree.Node:
        chain = [node]
        while isinstance(node.left, tree.Binary):
            node = node.left
            chain.append(node)
        left: tree.Node = self.visit(node.left)
        for at in reversed(chain):
            right = self.visit(at.right)
            if left is not at.left or right is not at.right:
                at = replace(at, left=cast(tree.Expr, left), right=right)
            left = self.visit_Binary(at)
        return left


class Relocation(Rewriter):
    """Copies code to a place where it is brought in: `via` becomes the end of the chain of places that each span
    carries. Where that chain already ends in `within`, the place the code was taken from, `via` takes its position.

    `count` is the number of nodes copied.
    """

    def __init__(self, via: Span | None, within: Span | None = None) -> None:
        super().__init__()
        self.via = via
        self.within = within
        self.count = 0
        self._chains: dict[int, Span | None] = {}

    def visit(self, node: N) -> N:
        node = super().visit(node)
        # The hook below has moved the binary operators, also those inside of a chain.
        return node if isinstance(node, tree.Binary) else self._moved(node)

    def visit_Binary(self, node: tree.Binary) -> tree.Binary:
        return self._moved(node)

    def _moved(self, node: N) -> N:
        self.count += 1
        span = node.span
        return replace(node, span=Span(span.source, span.start, span.end, self._chain(span.via)))

    def _chain(self, via: Span | None) -> Span | None:
        if via is None or via is self.within:
            return self.via
        if id(via) not in self._chains:
            self._chains[id(via)] = Span(via.source, via.start, via.end, self._chain(via.via))
        return self._chains[id(via)]


def rewrite_code(unit: Unit, change: Callable[[tree.Expr], tree.Expr]) -> Unit:
    """The unit with the code of each probe (predicate, then body) and of each function rewritten by `change`, which
    gives a `Block` for a `Block`."""
    probes = []
    for each in unit.probes:
        probe = each.probe
        predicate = None if probe.predicate is None else change(probe.predicate)
        body = cast(tree.Block, change(probe.body))
        if predicate is not probe.predicate or body is not probe.body:
            each = replace(each, probe=replace(probe, predicate=predicate, body=body))
        probes.append(each)
    items = []
    for item in unit.script.items:
        if isinstance(item, tree.Function):
            body = cast(tree.Block, change(item.body))
            if body is not item.body:
                item = replace(item, body=body)
        items.append(item)
    return replace(unit, probes=tuple(probes), script=replace(unit.script, items=tuple(items)))


def code(unit: Unit) -> Iterator[tree.Node]:
    """The roots of all code of a unit: predicates and bodies of probes, then functions, each in the order of the
    text."""
    for each in unit.probes:
        if each.probe.predicate is not None:
            yield each.probe.predicate
        yield each.probe.body
    for item in unit.script.items:
        if isinstance(item, tree.Function):
            yield item
