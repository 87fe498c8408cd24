"""Blocks whose value nobody takes: the bodies of probes, loops and functions (LANGUAGE 5.2).

There a trailing expression is a statement, and so is the one at the end of a block or of an `if` that ends the body.
What is executed last is marked without its `;` (LANGUAGE 20.1).
"""

from __future__ import annotations

from pytrace.frozen import replace
from pytrace.syntax import tree

__all__ = ["without_value"]


def without_value(block: tree.Block) -> tree.Block:
    """The block as such a body."""
    statements = block.statements
    if block.value is not None:
        statements = (*statements, tree.ExprStmt(block.value.span, block.value))
    if not statements or not isinstance(last := statements[-1], tree.ExprStmt):
        return block
    return tree.Block(block.span, (*statements[:-1], _last(last.expr)))


def _last(expr: tree.Expr) -> tree.ExprStmt:
    if isinstance(expr, tree.Block):
        expr = without_value(expr)
    elif isinstance(expr, tree.If):
        expr = _branches(expr)
    return tree.ExprStmt(expr.span, expr)


def _branches(chain: tree.If) -> tree.If:
    """An `if` with all of its branches. A chain of `else if` can be long: it is rebuilt from its end."""
    links = [chain]
    while isinstance(links[-1].orelse, tree.If):
        links.append(links[-1].orelse)
    orelse = links[-1].orelse
    rest: tree.Block | tree.If | None = without_value(orelse) if isinstance(orelse, tree.Block) else None
    for link in reversed(links):
        rest = replace(link, then=without_value(link.then), orelse=rest)
    assert isinstance(rest, tree.If)
    return rest
