"""One probe while it is typed: where its variables live, what its maps are, and what checkers may ask.

A `ProbeTyper` elaborates a body into its typed form anew in each round. What outlives a round are the cells of its
variables and the decisions of its compile-time conditions; both are found by the identity of the tree's node, which
is the same in all rounds.

Handlers of nodes are functions in the other modules of this package; `dispatch.py` lists them.
"""

from __future__ import annotations

from pytrace.builtins.registry import Builtin, CallSite
from pytrace.diagnostics import Diagnostics, Span
from pytrace.hints import TYPE_CHECKING, Iterable
from pytrace.probes.contexts import ProbeContext
from pytrace.probes.provider import Host, Target
from pytrace.semantics import program as core
from pytrace.semantics.types import UNKNOWN, Type, TypeTable, Unknown
from pytrace.semantics.typing import keys, sources, type_names
from pytrace.semantics.typing.cells import Cell, Pending
from pytrace.semantics.typing.constants import constant, literal_of
from pytrace.semantics.typing.convert import convert, settle
from pytrace.semantics.typing.dispatch import EXPRESSIONS, STATEMENTS
from pytrace.semantics.typing.lattice import exact, known
from pytrace.semantics.unit import Options
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.script import MapState, ScriptTyper

__all__ = ["ProbeTyper", "Variable"]


class Variable:
    """A scratch variable of a probe. `excused`: its type is unknown because of an error that was reported."""

    __slots__ = ("cell", "excused", "index", "name", "span")

    def __init__(self, index: int, node: tree.Var) -> None:
        self.index = index
        self.name = node.shown
        self.span = node.span
        self.cell = Cell(self.name)
        self.excused = False


class ProbeTyper:
    """Types one probe; implements `builtins.registry.Typer`."""

    def __init__(
        self, script: ScriptTyper, number: int, context: ProbeContext, targets: tuple[Target, ...] = ()
    ) -> None:
        self.script = script
        self.number = number
        self.context = context
        self.targets = targets
        self.types: TypeTable = script.unit.types
        self.config: core.Config = script.unit.config
        self.options: Options = script.unit.options
        self.host: Host | None = script.host
        self.unsafe = script.unit.options.unsafe
        self.final = False
        # what outlives a round
        self.variables: dict[int, Variable] = {}
        self.decisions: dict[int, bool] = {}
        self.cells: dict[Cell, None] = {}
        self.undecided = False
        """Whether the sign of a sum was left open (`ScriptTyper.solve`)."""
        # the present round
        self.diagnostics = Diagnostics()
        self.scopes: list[dict[str, Variable]] = []
        self.pending: dict[int, Pending] = {}
        self.read: dict[Cell, Type] = {}
        self.unsteady = False
        self.watch: list[Cell] | None = None
        self.loops: list[str] = []
        self.used: dict[int, core.Var] = {}
        self.unevaluated = 0
        """How many type contexts the place is inside of, where nothing is executed."""
        self.returns: tuple[str, Type] | None = None
        """The name and type of the function whose body this is."""

    # --- rounds

    def begin(self, final: bool) -> None:
        """Start a round: forget what the previous one found on its way."""
        self.final = final
        self.diagnostics = Diagnostics()
        self.scopes = [{}]
        self.pending = {}
        self.read = {}
        self.unsteady = False
        self.watch = None
        self.loops = []
        self.used = {}
        self.unevaluated = 0
        for variable in self.variables.values():
            variable.excused = False
        if not final:
            for cell in self.cells:
                cell.begin(self.number)

    def settled(self) -> bool:
        """Whether all types that the round has read are those that it ended with."""
        return not self.unsteady and all(exact(cell.final, seen) for cell, seen in self.read.items())

    def type_in(self, cell: Cell) -> Type:
        """What a cell reads as at this place."""
        if self.watch is not None:
            self.watch.append(cell)
        if self.final:
            return cell.final
        type_ = cell.read(self.number)
        cell.readers.add(self.number)
        before = self.read.setdefault(cell, type_)
        if before is not type_ and not exact(before, type_):
            self.unsteady = True
        return type_

    def contributes(self, cell: Cell) -> bool:
        """Enter a cell that the probe stores into; False in the final round, where types stand."""
        if self.final:
            return False
        if cell not in self.cells:
            self.cells[cell] = None
            cell.begin(self.number)
        return True

    # --- expressions

    def expr(self, node: tree.Expr) -> core.Expr:
        return EXPRESSIONS[type(node)](self, node)

    def value(self, node: tree.Expr) -> core.Expr:
        return settle(self.expr(node))

    def literal(self, node: tree.Expr | tree.Typeof) -> int | bytes | bool | None:
        if isinstance(node, (tree.IntLit, tree.StrLit, tree.BoolLit)):
            return node.value
        if isinstance(node, (tree.Typeof, tree.Ident, tree.Var, tree.MapRef, tree.MapIndex)):
            return None
        return self.literal_of(self.expr(node))

    def literal_of(self, expr: core.Expr) -> int | bytes | bool | None:
        value = literal_of(expr)
        return value if isinstance(value, (int, bytes)) else None

    def constant(self, value: int | bytes | bool, span: Span) -> core.Expr:
        return constant(value, span)

    def type_of(self, node: tree.TypeOrExpr) -> Type | None:
        type_ = type_names.meant(self, node)
        return None if isinstance(type_, Unknown) else type_

    def convert(self, expr: core.Expr, to: Type, span: Span | None = None) -> core.Expr:
        return convert(self, expr, to, span)

    def statement(self, node: tree.Statement) -> tuple[core.Stmt, ...]:
        return STATEMENTS[type(node)](self, node)

    def apply(self, builtin: Builtin, site: CallSite) -> core.Expr:
        """Check a use of a builtin."""
        if builtin.needs_context and self.in_loop:
            return self.error(site.span, f"'{site.name}' builtin is not allowed in a for-loop")
        if builtin.unsafe and not self.unsafe:
            return self.error(site.span, f"{site.name}() is an unsafe function being used in safe mode")
        return builtin.check(site, self)

    @property
    def in_loop(self) -> bool:
        return "for" in self.loops

    @property
    def looping(self) -> bool:
        return bool(self.loops)

    # --- variables

    def lookup(self, name: str) -> Variable | None:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def declare(self, node: tree.Var) -> Variable:
        """A new variable in the innermost scope; the same one in every round."""
        variable = self.variables.get(id(node))
        if variable is None:
            variable = self.variables[id(node)] = Variable(len(self.variables), node)
        self.scopes[-1][node.name] = variable
        return variable

    def place(self, variable: Variable) -> core.Var:
        """The variable as code uses it, with the type known so far."""
        var = core.Var(variable.index, variable.name, self.type_in(variable.cell))
        if self.final:
            self.used[variable.index] = var
        return var

    def variable(self, node: tree.Var) -> core.Var | None:
        variable = self.lookup(node.name)
        if variable is None:
            self.error(node.span, f"Undefined or undeclared variable: {node.shown}")
            return None
        return self.place(variable)

    def assign(self, node: tree.Var, type_: Type, span: Span) -> core.Var | None:
        variable = self.lookup(node.name)
        if variable is None:
            return self.variable(node)
        sources.source(self, variable.cell, type_, span, "variable")
        return self.place(variable)

    # --- maps

    def map(self, node: tree.MapRef) -> core.Map | None:
        state = self.script.map(node)
        if self.final and not state.known:
            self.error(node.span, f"Undefined map: {state.name}")
            return None
        return self.map_of(state)

    def map_of(self, state: MapState) -> core.Map:
        """The map as code uses it, with the types known so far."""
        key = None if state.key is None else self.type_in(state.key)
        return self.script.map_of(state, key, self.type_in(state.value))

    def map_key(self, node: tree.MapRef, key: tree.Expr) -> core.Expr:
        return keys.key_of(self, self.script.map(node), key, node.span.to(key.span))

    # --- the whole program

    def unknown_space(self) -> None:
        self.script.note_unknown_space()

    def string(self, text: str) -> int:
        return self.script.string(text)

    def error(
        self, span: Span, message: str, *, notes: Iterable[tuple[Span, str]] = (), hints: Iterable[str] = ()
    ) -> core.Expr:
        self.diagnostics.error(span, message, notes=notes, hints=hints)
        return core.Zero(UNKNOWN, span)

    def warning(
        self, span: Span, message: str, *, notes: Iterable[tuple[Span, str]] = (), hints: Iterable[str] = ()
    ) -> None:
        if not self.unevaluated:  # what is never executed does no harm
            self.diagnostics.warning(span, message, notes=notes, hints=hints)

    def known(self, expr: core.Expr) -> bool:
        """Whether the type of an expression is solved; where it is not, nothing can be said about it."""
        return known(expr.type)
