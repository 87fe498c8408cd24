"""Positional parameters become literals: `$1`, `$#` (LANGUAGE 12.1)."""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics, Span
from pytrace.frozen import replace
from pytrace.hints import Sequence
from pytrace.semantics.numbers import fits, parse_integer
from pytrace.semantics.unit import Unit
from pytrace.semantics.walk import Rewriter, rewrite_code
from pytrace.syntax import tree


def substitute(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """The unit with its positional parameters replaced by what was given for them."""
    return rewrite_code(unit, Substitution(unit.options.positional, diagnostics).visit)


class Substitution(Rewriter):
    def __init__(self, given: Sequence[str], diagnostics: Diagnostics) -> None:
        super().__init__()
        self.given = given
        self.diagnostics = diagnostics

    def visit_Positional(self, node: tree.Positional) -> tree.Expr:
        text = self._text(node)
        if not text:
            self.diagnostics.warning(node.span, f"Positional parameter ${node.index} is empty or not provided.")
            return tree.IntLit(node.span, 0)
        number = parse_integer(text)
        if number is not None and fits(number):
            return tree.IntLit(node.span, number)
        return _string(text, node.span)

    def visit_ParamCount(self, node: tree.ParamCount) -> tree.IntLit:
        return tree.IntLit(node.span, len(self.given))

    def visit_Call(self, node: tree.Call) -> tree.Call:
        if node.name == "str" and node.args and not isinstance(node.args[0], tree.Typeof):
            node = replace(node, args=(self._as_text(node.args[0]), *node.args[1:]))
        return self.parts(node)

    def _as_text(self, node: tree.Expr) -> tree.Expr:
        """The argument of `str()`: a parameter in it is text even where it looks like a number, alone or as the left
        operand of operators (`str($1 + 2)`)."""
        chain = []
        while isinstance(node, tree.Binary):
            chain.append(node)
            node = node.left
        if isinstance(node, tree.Positional):
            node = _string(self._text(node), node.span)
        for binary in reversed(chain):
            node = binary if binary.left is node else replace(binary, left=node)
        return node

    def _text(self, node: tree.Positional) -> str:
        return self.given[node.index - 1] if node.index <= len(self.given) else ""


def _string(text: str, span: Span) -> tree.StrLit:
    return tree.StrLit(span, text.encode("latin-1", "replace"))
