"""Scratch variables: declared before use, not shadowed, assigned (LANGUAGE 6).

This is also the pass that counts arguments, that looks into type contexts for what may not stand there, and at the
counts of `unroll`.
"""

from __future__ import annotations

from pytrace.builtins.registry import REGISTRY
from pytrace.diagnostics import Diagnostics, Span
from pytrace.semantics import names
from pytrace.semantics.unit import Unit
from pytrace.semantics.walk import Rewriter, children
from pytrace.syntax import tree

MAX_UNROLL = 100
MAX_NODES = 200_000
"""How many nodes the loops of a probe may unroll to: more would not be accepted by the kernel."""


def check(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """Report undefined, shadowing, unassigned variables. Changes nothing."""
    for each in unit.probes:
        scopes = _Scopes(diagnostics)
        scopes.run(each.probe.predicate)
        scopes.run(each.probe.body)
    for item in unit.script.items:
        if isinstance(item, tree.Function):
            _Scopes(diagnostics).function(item)
    return unit


class _Variable:
    """`origin` is what gave the variable its name, and `span` where."""

    def __init__(self, span: Span, origin: str, assigned: bool) -> None:
        self.span = span
        self.origin = origin
        self.assigned = assigned


class _Scopes(Rewriter):
    """The scopes around the place being read, innermost last."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        super().__init__()
        self.diagnostics = diagnostics
        self.scopes: list[dict[str, _Variable]] = []
        self.declared: list[tuple[tree.Var, _Variable]] = []
        self.unrolling = False
        self.context = ""
        """The type context around this place (`sizeof`), or nothing."""

    def run(self, root: tree.Expr | None) -> None:
        """Read a predicate or a body."""
        if root is not None:
            self.visit(root)
        self._report_unassigned()

    def function(self, function: tree.Function) -> None:
        scope: dict[str, _Variable] = {}
        self.scopes.append(scope)
        for var, type_ in function.params:
            scope[var.name] = _Variable(var.span.to(type_.span), "function parameter", True)
        for _, type_ in function.params:
            self.visit(type_)
        self.visit(function.returns)
        self.visit(function.body)
        self.scopes.pop()
        self._report_unassigned()

    def _report_unassigned(self) -> None:
        for var, variable in self.declared:
            if not variable.assigned:
                self.diagnostics.warning(variable.span, f"Variable {var.shown} was never assigned to.")
        self.declared.clear()

    def _find(self, name: str) -> _Variable | None:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def _require(self, node: tree.Var) -> _Variable | None:
        """The variable that is used here; None if there is none (reported)."""
        variable = self._find(node.name)
        if variable is None:
            self.diagnostics.error(node.span, f"Undefined or undeclared variable: {node.shown}")
        return variable

    # uses

    def visit_Var(self, node: tree.Var) -> tree.Var:
        variable = self._require(node)
        if variable is not None and not variable.assigned and not self.context:
            self.diagnostics.warning(node.span, f"Variable used before it was assigned: {node.shown}")
        return node

    def visit_Unary(self, node: tree.Unary) -> tree.Unary:
        if node.op == "&" and isinstance(node.operand, tree.Var):
            self._fill(node.operand)
            return node
        return self.parts(node)

    def visit_Call(self, node: tree.Call) -> tree.Call:
        builtin = names.find(node.name)
        if builtin is not None:
            names.check_count(builtin, node, self.diagnostics)
        for number, arg in enumerate(node.args):
            if node.name == "find" and number == 2 and isinstance(arg, tree.Var):
                self._fill(arg)
            else:
                self.visit(arg)
        return node

    def _fill(self, node: tree.Var) -> None:
        """A use through which the variable may get a value."""
        variable = self._require(node)
        if variable is not None:
            variable.assigned = True

    # assignments and declarations

    def visit_Assign(self, node: tree.Assign) -> tree.Assign:
        target = node.target
        if not isinstance(target, tree.Var):
            if self.context and not _is_map_function(node.value):
                self.diagnostics.error(node.span, f"Map assignments not allowed inside of {self.context}")
            return self.parts(node)
        if node.op != "=":
            self.visit(target)
        self.visit(node.value)
        variable = self._find(target.name)
        if variable is not None:
            variable.assigned = True
        else:
            self.scopes[-1][target.name] = _Variable(node.span, "initial assignment", True)
        return node

    def visit_Let(self, node: tree.Let) -> tree.Let:
        if node.type is not None:
            self.visit(node.type)
        if node.value is not None:
            self.visit(node.value)
        span = node.span.to(node.var.span)
        earlier = self._find(node.var.name)
        if earlier is not None:
            self.diagnostics.error(
                span,
                f"Variable {node.var.shown} was already declared. Variable shadowing is not allowed.",
                notes=[_origin(earlier)],
            )
            return node
        variable = _Variable(span, "initial declaration", node.value is not None)
        self.scopes[-1][node.var.name] = variable
        self.declared.append((node.var, variable))
        return node

    def visit_For(self, node: tree.For) -> tree.For:
        if not isinstance(node.iterable, tree.MapRef):
            self.visit(node.iterable)
        earlier = self._find(node.var.name)
        if earlier is not None:
            self.diagnostics.error(
                node.var.span,
                f"Loop declaration shadows existing variable: {node.var.shown}",
                notes=[_origin(earlier)],
            )
        self.scopes.append({node.var.name: _Variable(node.var.span, "loop variable", True)})
        self.visit(node.body)
        self.scopes.pop()
        return node

    def visit_Block(self, node: tree.Block) -> tree.Block:
        self.scopes.append({})
        self.parts(node)
        self.scopes.pop()
        return node

    # type contexts

    def visit_Sizeof(self, node: tree.Sizeof) -> tree.Sizeof:
        self._in_context("sizeof", node.arg)
        return node

    def visit_Offsetof(self, node: tree.Offsetof) -> tree.Offsetof:
        self._in_context("offsetof", node.arg)
        return node

    def visit_Typeof(self, node: tree.Typeof) -> tree.Typeof:
        self._in_context("typeof or typeinfo", node.arg)
        return node

    def visit_Typeinfo(self, node: tree.Typeinfo) -> tree.Typeinfo:
        self._in_context("typeof or typeinfo", node.arg)
        return node

    def _in_context(self, context: str, arg: tree.TypeOrExpr) -> None:
        outer, self.context = self.context, context
        self.visit(arg)
        self.context = outer

    # unroll

    def visit_Unroll(self, node: tree.Unroll) -> tree.Unroll:
        self.visit(node.count)
        match node.count:
            case tree.IntLit(value=count) if count > MAX_UNROLL:
                self.diagnostics.error(node.span, f"unroll maximum value is {MAX_UNROLL}")
            case tree.IntLit(value=0):
                self.diagnostics.error(node.span, "unroll minimum value is 1")
            case tree.IntLit(value=count) if count > 0:
                pass
            case _:
                self.diagnostics.error(node.span, "invalid unroll value")
        outermost, self.unrolling = not self.unrolling, True
        if outermost and _unrolled(node) > MAX_NODES:
            self.diagnostics.error(node.span, "unroll makes more code than can be compiled")
        self.visit(node.body)
        self.unrolling = not outermost
        return node


def _unrolled(root: tree.Node) -> int:
    """How many nodes there are when each loop is written out; stops counting beyond the limit."""
    total, rest = 0, [(root, 1)]
    while rest and total <= MAX_NODES:
        node, times = rest.pop()
        total += times
        if isinstance(node, tree.Unroll) and isinstance(node.count, tree.IntLit):
            times *= max(node.count.value, 1)
        rest += ((child, times) for child in children(node))
    return total


def _origin(variable: _Variable) -> tuple[Span, str]:
    return variable.span, f"This is the {variable.origin}."


def _is_map_function(node: tree.Expr) -> bool:
    builtin = REGISTRY.get(node.name) if isinstance(node, tree.Call) else None
    return builtin is not None and builtin.map_function
