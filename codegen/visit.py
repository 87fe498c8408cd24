"""Walking the checked program: the parts of a node, and what an expression may do besides giving a value."""

from __future__ import annotations

from pytrace.builtins.registry import REGISTRY
from pytrace.hints import Any, Callable, Iterable, Iterator
from pytrace.semantics import program as core
from pytrace.semantics.types import Nothing, Void

__all__ = ["expressions", "is_pure", "mentions", "parts", "statements"]

Node = core.Expr | core.Stmt

_EFFECTS = frozenset({"skboutput", "debugf", "(imported)"})
"""Functions with a value (or none) that do something, and need no permission for it."""


def _optional(*nodes: core.Expr | None) -> tuple[core.Expr, ...]:
    return tuple(node for node in nodes if node is not None)


_PARTS: dict[type[Node], Callable[[Any], tuple[Node, ...]]] = {
    **dict.fromkeys((core.Arith, core.Compare, core.Equal, core.Logical), lambda node: (node.left, node.right)),
    **dict.fromkeys((core.Convert, core.Not, core.Part, core.SetVar), lambda node: (node.value,)),
    **dict.fromkeys((core.ReadMap, core.Step), lambda node: _optional(node.key)),
    **dict.fromkeys((core.Call, core.Emit), lambda node: node.args),
    core.Select: lambda node: (node.cond, node.then, node.orelse),
    core.MakeTuple: lambda node: tuple(node.items[i] for i in node.order) if node.order else node.items,
    core.Element: lambda node: (node.value, node.index),
    core.Load: lambda node: (node.address,),
    core.Do: lambda node: (*node.body, *_optional(node.value)),
    core.MapCall: lambda node: (*_optional(node.key), *node.args),
    core.Evaluate: lambda node: (node.expr,),
    core.SetMap: lambda node: (node.value, *_optional(node.key)),
    core.Update: lambda node: (*node.args, *_optional(node.key)),
    core.Branch: lambda node: (node.cond, *node.then, *node.orelse),
    core.WhileLoop: lambda node: (node.cond, *node.body),
    core.RangeLoop: lambda node: (node.start, node.end, *node.body),
    core.MapLoop: lambda node: node.body,
    core.Return: lambda node: _optional(node.value),
}
"""The parts of those nodes that have some. A table, as a chain of `case` takes ten times as long at its end."""


def parts(node: Node) -> tuple[Node, ...]:
    """The expressions and statements directly inside a node, in the order of their evaluation."""
    of = _PARTS.get(type(node))
    return of(node) if of is not None else ()


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
