"""Names of `#define`s become the expressions they stand for (LANGUAGE 21).

A body is parsed at its first use, as one expression; that it may not be one concerns only those who use it.
"""

from __future__ import annotations

from pytrace.builtins.registry import REGISTRY
from pytrace.diagnostics import CompileError, Diagnostics, Source, Span
from pytrace.frozen import replace
from pytrace.hints import Mapping, Sequence
from pytrace.semantics import fold
from pytrace.semantics.parameters import Substitution
from pytrace.semantics.unit import Unit
from pytrace.semantics.walk import Relocation, Rewriter, rewrite_code
from pytrace.syntax import tree

MAX_NODES = 200_000
"""How much all expansions of a script may add."""


def expand(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """The unit without names of `#define`s; what they bring in is folded."""
    if not unit.defines:
        return unit
    expansion = Expansion(unit.defines, unit.options.positional, diagnostics)
    expanded = rewrite_code(unit, expansion.visit)
    return fold.literals(expanded, diagnostics) if expansion.nodes and not diagnostics.errors else expanded


class Expansion(Rewriter):
    def __init__(self, defines: Mapping[str, str], positional: Sequence[str], diagnostics: Diagnostics) -> None:
        super().__init__()
        self.defines = defines
        self.diagnostics = diagnostics
        self.parameters = Substitution(positional, diagnostics)
        self.active: list[str] = []
        self.nodes = 0
        self._parsed: dict[str, tree.Expr | None] = {}

    def visit_Ident(self, node: tree.Ident) -> tree.Expr:
        builtin = REGISTRY.get(node.name)
        if node.name not in self.defines or (builtin is not None and builtin.bare):
            return node
        return self._expand(node.name, node.span) or node

    def visit_TypeName(self, node: tree.TypeName) -> tree.TypeOrExpr:
        """A bare name in a type context, where an expression is as good as its type. A name by itself is a type there,
        also when a `#define` brings it in."""
        if node.tag or node.suffixes or node.name not in self.defines:
            return node
        expanded = self._expand(node.name, node.span)
        if isinstance(expanded, tree.Ident):
            return tree.TypeName(expanded.span, "", expanded.name)
        return expanded or node

    def visit_Cast(self, node: tree.Cast) -> tree.Cast:
        return replace(node, type=self._declared(node.type), operand=self.visit(node.operand))

    def visit_Let(self, node: tree.Let) -> tree.Let:
        declared = None if node.type is None else self._declared(node.type)
        return replace(node, type=declared, value=None if node.value is None else self.visit(node.value))

    def _declared(self, node: tree.TypeName | tree.Typeof) -> tree.TypeName | tree.Typeof:
        return self.visit(node) if isinstance(node, tree.Typeof) else node

    def _expand(self, name: str, use: Span) -> tree.Expr | None:
        """A copy of the expression for one use; None after an error."""
        if name in self.active:
            shown = "->".join(self.active[self.active.index(name) :])
            self.diagnostics.error(use, f"Macro recursion: {shown}")
            return None
        body = self._body(name)
        if body is None:
            self.diagnostics.error(use, f"unable to expand macro as an expression: {self.defines[name]}")
            return None
        relocation = Relocation(use)
        copy = relocation.visit(body)
        self.nodes += relocation.count
        if self.nodes > MAX_NODES:
            self.diagnostics.fail(use.root, "Macros expand to more code than can be compiled")
        self.active.append(name)
        expanded = self.visit(self.parameters.visit(copy))
        self.active.pop()
        return expanded

    def _body(self, name: str) -> tree.Expr | None:
        if name not in self._parsed:
            # The parser is needed for scripts that use a #define only.
            from pytrace.syntax.parser import parse_expression

            text = self.defines[name]
            try:
                self._parsed[name] = parse_expression(text, Span(Source(name, text), 0, len(text)))
            except CompileError:
                self._parsed[name] = None
        return self._parsed[name]
