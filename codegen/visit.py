"""Walking the checked program: the parts of a node, and what an expression may do besides giving a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytrace.builtins.registry import REGISTRY
from pytrace.semantics import program as core
from pytrace.semantics.types import Nothing, Void

__all__ = ["expressions", "is_pure", "mentions", "parts", "statements"]

Node = core.Expr | core.Stmt

_EFFECTS = frozenset({"skboutput", "debugf", "(imported)"})
"""Functions with a value (or none) that do something, and need no permission for it."""


def _optional(*nodes: core.Expr | None) -> tuple[core.Expr, ...]:
    return tuple(node for node in nodes if node is not None)


def parts(node: Node) -> tuple[Node, ...]:
    """The expressions and statements directly inside a node, in the order of their evaluation."""
    match node:
        case core.Arith() | core.Compare() | core.Equal() | core.Logical():
            return node.left, node.right
        case core.Convert() | core.Not() | core.Part():
            return (node.value,)
        case core.ReadMap() | core.Step():
            return _optional(node.key)
        case core.Select():
            return node.cond, node.then, node.orelse
        case core.MakeTuple():
            return tuple(node.items[i] for i in node.order) if node.order else node.items
        case core.Element():
            return node.value, node.index
        case core.Load():
            return (node.address,)
        case core.Do():
            return (*node.body, *_optional(node.value))
        case core.Call() | core.Emit():
            return node.args
        case core.MapCall():
            return (*_optional(node.key), *node.args)
        case core.Evaluate():
            return (node.expr,)
        case core.SetVar():
            return (node.value,)
        case core.SetMap():
            return (node.value, *_optional(node.key))
        case core.Update():
            return (*node.args, *_optional(node.key))
        case core.Branch():
            return (node.cond, *node.then, *node.orelse)
        case core.WhileLoop():
            return (node.cond, *node.body)
        case core.RangeLoop():
            return (node.start, node.end, *node.body)
        case core.MapLoop():
            return node.body
        case core.Return():
            return _optional(node.value)
    return ()


def nodes(roots: Iterable[Node]) -> Iterator[Node]:
    """All nodes below and including the roots. Not recursive: chains of operators may be thousands long."""
    stack = list(roots)
    while stack:
        node = stack.pop()
        yield node
        stack += parts(node)


def statements(roots: Iterable[Node]) -> Iterator[core.Stmt]:
    return (node for node in nodes(roots) if isinstance(node, core.Stmt))


def expressions(roots: Iterable[Node]) -> Iterator[core.Expr]:
    return (node for node in nodes(roots) if isinstance(node, core.Expr))


def _acts(node: Node) -> bool:
    match node:
        case core.Stmt() | core.Step() | core.Emit() | core.MapCall(name="delete" | "find"):
            return True
        case core.Call(name=name, type=type_):
            builtin = REGISTRY.get(name)
            return isinstance(type_, Void | Nothing) or name in _EFFECTS or (builtin is not None and builtin.unsafe)
    return False


def is_pure(expr: core.Expr) -> bool:
    """Whether evaluating the expression changes nothing and always comes to its end: it may be left out, or done
    later."""
    return not any(map(_acts, nodes((expr,))))


def mentions(expr: core.Expr, of: core.Var | core.Map) -> bool:
    """Whether the value of the expression depends on the variable or map."""

    def same(other: core.Var | core.Map) -> bool:
        return type(other) is type(of) and other.index == of.index

    for node in nodes((expr,)):
        match node:
            case core.ReadVar(var=target) | core.AddressOf(of=target) | core.Step(target=target) if same(target):
                return True
            case core.ReadMap(map=target) | core.MapCall(map=target) if same(target):
                return True
            case core.Load() if isinstance(of, core.Var):
                return True  # through a pointer that may have been made of the variable
    return False
