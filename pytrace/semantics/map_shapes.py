"""A map is scalar or keyed throughout a script; its declarations are known kinds (LANGUAGE 18.1, 18.4)."""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics, Span
from pytrace.frozen import replace
from pytrace.semantics.unit import Unit
from pytrace.semantics.walk import Rewriter, code, walk
from pytrace.syntax import tree

KINDS = ("percpulruhash", "percpuhash", "lruhash", "hash")

WHOLE_MAP = frozenset({"clear", "delete", "find", "has_key", "is_scalar", "len", "print", "zero"})
"""Functions whose first argument is a map as such: there, a bare name says nothing about its shape."""


def check(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """Report conflicting uses, unknown kinds and unused declarations. Of several declarations the first one counts."""
    shapes = _Shapes(diagnostics)
    if (around := unit.options.surroundings) is not None:
        shapes.keyed = {name: shared.key is not None for name, shared in around.maps.items()}
    for root in code(unit):
        shapes.visit(root)
    shapes.visit_types()
    declarations: dict[str, tree.MapDecl] = {}
    for declaration in unit.map_decls:
        declarations.setdefault(declaration.name, declaration)
    for declaration in declarations.values():
        if declaration.kind not in KINDS:
            diagnostics.error(
                declaration.span,
                f"Invalid bpf map type: {declaration.kind}",
                hints=[f"Valid map types: {', '.join(KINDS)}"],
            )
        elif declaration.name not in shapes.used:
            diagnostics.warning(declaration.span, f"Unused map: @{declaration.name}")
    return replace(unit, map_decls=tuple(declarations.values()))


class _Shapes(Rewriter):
    """Reads the code in the order of the text; the first use of a map decides. Changes nothing.

    Branches of an `if comptime` that waits for types may be there because of the shape, so they are not held to it.
    Type contexts come last: what only names a map's type does not decide how it is used.
    """

    def __init__(self, diagnostics: Diagnostics) -> None:
        super().__init__()
        self.diagnostics = diagnostics
        self.keyed: dict[str, bool] = {}
        self.used: set[str] = set()
        self._types: list[tree.TypeOrExpr] = []

    def visit_types(self) -> None:
        """What stands in the type contexts seen so far."""
        used = set(self.used)
        while self._types:
            node = self._types.pop(0)
            if not isinstance(node, tree.MapRef):
                self.visit(node)
        self.used = used

    def _use(self, name: str, span: Span, *, keyed: bool) -> None:
        self.used.add(name)
        if self.keyed.setdefault(name, keyed) == keyed:
            return
        shapes = ("without an explicit key (scalar map)", "with an explicit key (non-scalar map)")
        self.diagnostics.error(
            span, f"@{name} used as a map {shapes[keyed]}, previously used {shapes[not keyed]}"
        )

    def visit_MapRef(self, node: tree.MapRef) -> tree.MapRef:
        self._use(node.name, node.span, keyed=False)
        return node

    def visit_MapIndex(self, node: tree.MapIndex) -> tree.MapIndex:
        self._use(node.map.name, node.span, keyed=True)
        self.visit(node.key)
        return node

    def visit_For(self, node: tree.For) -> tree.For:
        iterable = node.iterable
        if not isinstance(iterable, tree.MapRef):
            self.visit(iterable)
        elif self.keyed.get(iterable.name) is False:
            self.used.add(iterable.name)
            self.diagnostics.error(
                iterable.span,
                f"@{iterable.name} has no explicit keys (scalar map), and cannot be used for iteration",
            )
        else:
            self._use(iterable.name, iterable.span, keyed=True)
        self.visit(node.body)
        return node

    def visit_Call(self, node: tree.Call) -> tree.Call:
        for number, arg in enumerate(node.args):
            if number == 0 and node.name in WHOLE_MAP and isinstance(arg, tree.MapRef):
                self.used.add(arg.name)
            else:
                self.visit(arg)
        return node

    def visit_Unary(self, node: tree.Unary) -> tree.Unary:
        if node.op == "&" and isinstance(node.operand, tree.MapRef):
            self.used.add(node.operand.name)
        else:
            self.visit(node.operand)
        return node

    def visit_If(self, node: tree.If) -> tree.If:
        if not isinstance(node.cond, tree.Comptime):
            return self.parts(node)
        self.visit(node.cond)
        self.used |= {each.name for each in walk(node.then, node.orelse) if isinstance(each, tree.MapRef)}
        return node

    def visit_Sizeof(self, node: tree.Sizeof) -> tree.Sizeof:
        self._types.append(node.arg)
        return node

    def visit_Typeinfo(self, node: tree.Typeinfo) -> tree.Typeinfo:
        self._types.append(node.arg)
        return node

    def visit_Typeof(self, node: tree.Typeof) -> tree.Typeof:
        self._types.append(node.arg)
        return node

    def visit_Offsetof(self, node: tree.Offsetof) -> tree.Offsetof:
        self._types.append(node.arg)
        return node
