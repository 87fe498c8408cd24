"""Constant expressions become literals, and `if comptime` on them loses the branch not taken (LANGUAGE 8, 17).

The rules of the operators are in `literals.py`; this pass finds where they apply. What needs types (`sizeof`, type
predicates) stays as it is: the typing pass folds with the same rules once it knows them.
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics
from pytrace.frozen import replace
from pytrace.hints import cast
from pytrace.semantics import literals as rules
from pytrace.semantics.configuration import Config
from pytrace.semantics.unit import Unit
from pytrace.semantics.walk import Rewriter, rewrite_code
from pytrace.syntax import tree


def literals(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """The unit with every expression folded as far as it goes without types."""
    folder = Folder(unit.config, diagnostics)
    return rewrite_code(unit, folder.code)


class Folder(Rewriter):
    """Folds bottom up. Errors (overflow, division by zero) are reported where they are found; the expression stays."""

    def __init__(self, config: Config, diagnostics: Diagnostics) -> None:
        super().__init__()
        self.config = config
        self.diagnostics = diagnostics
        self._comptime = 0

    def code(self, node: tree.Expr) -> tree.Expr:
        """A predicate or a body, folded; a block stays a block."""
        return self.body(node) if isinstance(node, tree.Block) else self.visit(node)

    # operators

    def visit_Binary(self, node: tree.Binary) -> tree.Expr:
        left, right = rules.value_of(node.left), rules.value_of(node.right)
        if left is None or right is None:
            return self._shapes(node)
        try:
            value = rules.binary(node.op, left, right)
        except rules.FoldError as error:
            self.diagnostics.error(node.span, str(error))
            return node
        if value is None:
            return node
        if rules.drops_all(node.op, left, right):
            self.diagnostics.warning(node.span, rules.ALWAYS_EMPTY)
        return rules.node_of(value, node.span)

    def _shapes(self, node: tree.Binary) -> tree.Expr:
        """Tuples written out with different numbers of members are unequal, whatever the members are."""
        match node:
            case tree.Binary(op="==" | "!=" as op, left=tree.TupleLit(items=left), right=tree.TupleLit(items=right)):
                if len(left) != len(right):
                    return tree.BoolLit(node.span, op == "!=")
        return node

    def visit_Unary(self, node: tree.Unary) -> tree.Expr:
        node = self.parts(node)
        value = rules.value_of(node.operand)
        if value is None:
            return node
        try:
            folded = rules.unary(node.op, value)
        except rules.FoldError as error:
            self.diagnostics.error(node.span, str(error))
            return node
        return node if folded is None else rules.node_of(folded, node.span)

    def visit_Cast(self, node: tree.Cast) -> tree.Expr:
        node = self.parts(node)
        if isinstance(node.type, tree.TypeName) and (node.type.name, node.type.suffixes) == ("bool", ()):
            value = rules.value_of(node.operand)
            held = None if value is None else rules.truth(value)
            if held is not None:
                return tree.BoolLit(node.whole, held)
        return node

    # parts of literals

    def visit_Index(self, node: tree.Index) -> tree.Expr:
        node = self.parts(node)
        value, at = rules.value_of(node.obj), rules.value_of(node.index)
        element = None if value is None or at is None else rules.index(value, at)
        return node if element is None else rules.node_of(element, node.span)

    def visit_TupleAccess(self, node: tree.TupleAccess) -> tree.Expr:
        node = self.parts(node)
        value = rules.value_of(node.obj)
        if isinstance(value, tuple) and node.index < len(value):
            return rules.node_of(value[node.index], node.span)
        return node

    def visit_Member(self, node: tree.Member) -> tree.Expr:
        node = self.parts(node)
        if self._comptime and isinstance(node.obj, tree.Ident) and node.obj.name == "config":
            return self._setting(node)
        value = rules.value_of(node.obj)
        if isinstance(value, dict) and node.name in value:
            return rules.node_of(value[node.name], node.span)
        return node

    def _setting(self, node: tree.Member) -> tree.Expr:
        value = getattr(self.config, node.name, None)
        if isinstance(value, str):
            value = value.encode("latin-1", "replace")
        return rules.node_of(value, node.span) if isinstance(value, (bool, int, bytes)) else node

    # choices

    def visit_Comptime(self, node: tree.Comptime) -> tree.Expr:
        self._comptime += 1
        node = self.parts(node)
        self._comptime -= 1
        return node if rules.value_of(node.expr) is None else node.expr

    def visit_Ternary(self, node: tree.Ternary) -> tree.Expr:
        node = self.parts(node)
        held = self._holds(node.cond)
        if held is None:
            return node
        then = node.cond if node.then is None else node.then
        if rules.value_of(then) is not None and rules.value_of(node.orelse) is not None:
            return then if held else node.orelse
        return node if node.then is None else replace(node, cond=tree.BoolLit(node.cond.span, held))

    def visit_If(self, node: tree.If) -> tree.Expr:
        cond = self.visit(node.cond)
        held = self._holds(cond)
        if held is None:
            return replace(node, cond=cond, then=self.body(node.then), orelse=self._otherwise(node.orelse))
        if isinstance(node.cond, tree.Comptime):
            chosen = node.then if held else node.orelse
            return tree.Block(node.span, ()) if chosen is None else self.visit(chosen)
        then, orelse = self.body(node.then), self._otherwise(node.orelse)
        if isinstance(orelse, tree.Block) and _is_literal(then) and _is_literal(orelse):
            return cast(tree.Expr, then.value if held else orelse.value)
        return replace(node, cond=tree.BoolLit(cond.span, held), then=then, orelse=orelse)

    def _otherwise(self, node: tree.Block | tree.If | None) -> tree.Block | tree.If | None:
        if not isinstance(node, tree.If):
            return None if node is None else self.body(node)
        chosen: tree.Expr = self.visit(node)
        return chosen if isinstance(chosen, (tree.Block, tree.If)) else tree.Block(chosen.span, (), chosen)

    @staticmethod
    def _holds(cond: tree.Expr) -> bool | None:
        value = rules.value_of(cond)
        return None if value is None else rules.truth(value)

    # blocks

    def visit_Block(self, node: tree.Block) -> tree.Expr:
        node = self.body(node)
        return cast(tree.Expr, node.value) if _is_literal(node) else node

    def body(self, node: tree.Block) -> tree.Block:
        """A block that has to stay one: what `if comptime` emptied is left out."""
        node = self.parts(node)
        if any(map(_is_empty, node.statements)):
            node = replace(node, statements=tuple(s for s in node.statements if not _is_empty(s)))
        return node

    def visit_For(self, node: tree.For) -> tree.For:
        return replace(node, iterable=self.visit(node.iterable), body=self.body(node.body))

    def visit_While(self, node: tree.While) -> tree.While:
        return replace(node, cond=self.visit(node.cond), body=self.body(node.body))

    def visit_Unroll(self, node: tree.Unroll) -> tree.Unroll:
        return replace(node, count=self.visit(node.count), body=self.body(node.body))

    # text

    def visit_Call(self, node: tree.Call) -> tree.Expr:
        node = self.parts(node)
        if node.name != "str" or not 1 <= len(node.args) <= 2:
            return node
        text = rules.value_of(node.args[0])
        if isinstance(text, int) and not isinstance(text, bool):
            text = b"%d" % text
        if not isinstance(text, bytes):
            return node
        if len(node.args) == 2:
            length = rules.value_of(node.args[1])
            if not isinstance(length, int) or isinstance(length, bool):
                return node
            if length < 0:
                self.diagnostics.error(node.span, f"str() cannot use negative length ({length})")
                return node
            text = text[:length]
        return tree.StrLit(node.span, text)


def _is_literal(block: tree.Block) -> bool:
    return not block.statements and rules.value_of(block.value) is not None


def _is_empty(statement: tree.Statement) -> bool:
    match statement:
        case tree.ExprStmt(expr=tree.Block(statements=(), value=None)):
            return True
    return False
