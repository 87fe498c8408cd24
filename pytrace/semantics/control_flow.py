"""Where `break`, `continue` and `return` may stand, and what they leave unreachable (LANGUAGE 5.10, 5.11, 7.3)."""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics, Span
from pytrace.frozen import replace
from pytrace.semantics.unit import Unit
from pytrace.semantics.walk import Rewriter, map_children, rewrite_code
from pytrace.syntax import tree


def check(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """Report misplaced jumps everywhere and unreachable code in probes and functions; the value of a block that is
    never reached becomes a statement."""
    for item in unit.script.items:
        if isinstance(item, tree.Macro):
            _Jumps("macro", diagnostics).visit(item.body)
    functions = [item for item in unit.script.items if isinstance(item, tree.Function)]
    for function in functions:
        _Jumps("function", diagnostics).visit(function.body)
    for each in unit.probes:
        jumps = _Jumps("probe", diagnostics)
        for part in (each.probe.predicate, each.probe.body):
            if part is not None:
                jumps.visit(part)
    reachability = _Reachability(diagnostics)
    return rewrite_code(unit, reachability.code)


class _Jumps(Rewriter):
    """Checks one probe, function or macro; changes nothing."""

    def __init__(self, place: str, diagnostics: Diagnostics) -> None:
        super().__init__()
        self.place = place
        self.diagnostics = diagnostics
        self.loops: list[str] = []
        self.returns_value: bool | None = None
        """What the first `return` in a loop does; the others have to agree."""

    def visit_For(self, node: tree.For) -> tree.For:
        self.visit(node.iterable)
        self._loop("for-loop", node.body)
        return node

    def visit_While(self, node: tree.While) -> tree.While:
        self.visit(node.cond)
        self._loop("while-loop", node.body)
        return node

    def _loop(self, kind: str, body: tree.Block) -> None:
        self.loops.append(kind)
        self.visit(body)
        self.loops.pop()

    def visit_Break(self, node: tree.Break) -> tree.Break:
        self._jump("break", node)
        return node

    def visit_Continue(self, node: tree.Continue) -> tree.Continue:
        self._jump("continue", node)
        return node

    def _jump(self, word: str, node: tree.Node) -> None:
        if not self.loops:
            self._refuse(word, node, self.place)

    def visit_Return(self, node: tree.Return) -> tree.Return:
        if self.place == "macro":
            self._refuse("return", node, self.loops[-1] if self.loops else self.place)
        elif self.loops:
            if self.returns_value is None:
                self.returns_value = node.value is not None
            elif self.returns_value != (node.value is not None):
                self.diagnostics.error(node.span, "Return value used in loop is inconsistent")
        return self.parts(node)

    def _refuse(self, word: str, node: tree.Node, place: str) -> None:
        self.diagnostics.error(node.span, f"'{word}' statement is not allowed in a {place}")


class _Reachability(Rewriter):
    """Warns once per block, at the first statement that no path reaches."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        super().__init__()
        self.diagnostics = diagnostics

    def code(self, node: tree.Expr) -> tree.Expr:
        """A predicate or the body of a probe, whose trailing expression is a statement anyway."""
        return self._body(node) if isinstance(node, tree.Block) else self.visit(node)

    def visit_For(self, node: tree.For) -> tree.For:
        return replace(node, iterable=self.visit(node.iterable), body=self._body(node.body))

    def visit_While(self, node: tree.While) -> tree.While:
        return replace(node, cond=self.visit(node.cond), body=self._body(node.body))

    def visit_Unroll(self, node: tree.Unroll) -> tree.Unroll:
        return replace(node, count=self.visit(node.count), body=self._body(node.body))

    def _body(self, node: tree.Block) -> tree.Block:
        node = map_children(node, self.visit)
        if not self._statements(node) and node.value is not None and any(map(_ends, node.statements)):
            self.diagnostics.warning(node.value.span, "Unreachable statement.")
        return node

    def visit_Block(self, node: tree.Block) -> tree.Block:
        node = map_children(node, self.visit)
        warned = self._statements(node)
        if node.value is None or not any(map(_ends, node.statements)):
            return node
        if not warned:
            self.diagnostics.warning(
                node.value.span, "Unreachable expression; block type is implicitly none."
            )
        return replace(node, statements=(*node.statements, tree.ExprStmt(node.value.span, node.value)), value=None)

    def _statements(self, node: tree.Block) -> bool:
        """Whether an unreachable statement was found."""
        ended = False
        for statement in node.statements:
            if ended:
                self.diagnostics.warning(_marked(statement), "Unreachable statement.")
                return True
            ended = _ends(statement)
        return False


def _marked(statement: tree.Statement) -> Span:
    """The place of a statement, with its `;` if it is an expression (other than one of a variable or map)."""
    span = statement.span
    if not isinstance(statement, tree.ExprStmt) or span.text[:1] in ("$", "@", "{"):
        return span
    text = span.source.text
    end = span.end
    while end < len(text) and text[end].isspace():
        end += 1
    return Span(span.source, span.start, end + 1, span.via) if text[end : end + 1] == ";" else span


def _ends(node: tree.Node | None) -> bool:
    """Whether nothing after the node runs: it leaves the loop or the program on every path."""
    match node:
        case tree.Break() | tree.Continue() | tree.Return() | tree.Call(name="exit"):
            return True
        case tree.ExprStmt(expr=expr) | tree.Discard(expr=expr):
            return _ends(expr)
        case tree.Let(value=value) | tree.Assign(value=value):
            return _ends(value)
        case tree.Block(statements=statements, value=value):
            return any(map(_ends, statements)) or _ends(value)
        case tree.If(cond=tree.Comptime()):
            return False
        case tree.If(cond=cond, then=then, orelse=orelse) | tree.Ternary(cond=cond, then=then, orelse=orelse):
            return _ends(cond) or (_ends(then) and _ends(orelse))
        case tree.Unroll(body=body):
            return _ends(body)
    return False
