"""Walking and rewriting trees."""

from __future__ import annotations

import sys
from dataclasses import fields, replace

import pytest

from pytrace.diagnostics import Source, Span
from pytrace.semantics.walk import CHILDREN, Relocation, Rewriter, children, deep_recursion, depth, map_children, walk
from pytrace.syntax import tree
from pytrace.syntax.parser import parse

TEXT = """
macro m(x, $y, @z) { x + 1 }
let @d = hash(5);
fn f($a: int64): void { return; }
i:s:1, begin / pid == $1 / {
  $a = (1, "x", (k=2, l=true)); let $b: typeof($a) = -$#; @d[1] += $a.0; $a[0]; _ = $b ? 1 : 2;
  for ($i : 0..3) { break; } for ($k : @d) { continue; } while (1) { $b++; } unroll(2) { f(typeof(int8)); }
  if comptime (sizeof(int8*) == 8) { offsetof(struct s, a.b) } else if (typeinfo(1)) { (int8)$b } else { curtask.pid; }
}
"""


def script() -> tree.Script:
    return parse(Source("stdin", TEXT))


def nodes_of(value: object) -> list[tree.Node]:
    if isinstance(value, tree.Node):
        return [value]
    return [node for item in value for node in nodes_of(item)] if isinstance(value, tuple) else []


def test_every_kind_of_node_is_known() -> None:
    kinds = {kind for kind in vars(tree).values() if isinstance(kind, type) and issubclass(kind, tree.Node)}
    assert kinds - {tree.Node, tree.Script, tree.Config, tree.Setting} == set(CHILDREN)
    for kind, names in CHILDREN.items():
        assert set(names) <= {each.name for each in fields(kind)}


def test_children_are_all_nodes_inside() -> None:
    """What `CHILDREN` says agrees with what a real tree holds, for every node of a script that has nearly all kinds."""
    seen = set()
    for node in walk(*script().items):
        seen.add(type(node))
        held = [part for each in fields(node) for part in nodes_of(getattr(node, each.name))]
        assert sorted(map(id, held)) == sorted(map(id, children(node)))
    assert len(seen) > 35


def test_rewriting_nothing_keeps_the_tree() -> None:
    for item in script().items:
        assert Rewriter().visit(item) is item
        assert map_children(item, lambda node: node) is item


def test_rewriting_reaches_everything() -> None:
    class Numbers(Rewriter):
        def visit_IntLit(self, node: tree.IntLit) -> tree.IntLit:
            return replace(node, value=7)

    items = [Numbers().visit(item) for item in script().items]
    found = [node.value for node in walk(*items) if isinstance(node, tree.IntLit)]
    assert found and set(found) == {7}


def test_operands_come_before_the_operator() -> None:
    seen = []

    class Order(Rewriter):
        def visit_IntLit(self, node: tree.IntLit) -> tree.IntLit:
            seen.append(str(node.value))
            return node

        def visit_Binary(self, node: tree.Binary) -> tree.Binary:
            seen.append(node.op)
            return node

    Order().visit(parse(Source("stdin", "begin { 1 + 2 - 3 * 4; }")).items[0])
    assert seen == ["1", "2", "+", "3", "4", "*", "-"]


def test_relocation() -> None:
    """A copy says the same and points back at where it was brought in, after what it pointed at before."""
    source = Source("other", "somewhere else")
    inner, outer = Span(source, 0, 4), Span(source, 5, 9)
    for item in script().items:
        move = Relocation(inner)
        moved = move.visit(item)
        assert moved == item and move.count == len(list(walk(item)))
        assert all(node.span.via == inner for node in walk(moved))
        again = Relocation(outer).visit(moved)
        assert all(node.span.via == replace(inner, via=outer) for node in walk(again))
        assert all(node.span.via == outer for node in walk(Relocation(outer, within=inner).visit(moved)))


@pytest.mark.parametrize(
    ("text", "levels"), [("1", 1), ("1 + 2 + 3 + 4", 2), ("1 + (2 + (3 + 4))", 4), ("!(!(!1))", 4)]
)
def test_depth(text: str, levels: int) -> None:
    probe = parse(Source("stdin", f"begin {{ $x = {text}; }}")).items[0]
    assert isinstance(probe, tree.Probe)
    assert depth(probe.body) == 2 + levels


def test_recursion_limit_is_put_back() -> None:
    before = sys.getrecursionlimit()
    with deep_recursion():
        assert sys.getrecursionlimit() >= 30_000
    assert sys.getrecursionlimit() == before
