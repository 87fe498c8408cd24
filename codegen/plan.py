"""Where the variables of a probe live, decided before any code is made.

Scalars live in registers and small aggregates on the stack where that is possible. It is not where

* the address of the variable is taken, or it is indexed at run time: it needs memory that helpers and offsets reach;
* a loop is compiled to a callback, a function of its own, and the variable is used on both sides;
* a loop changes a variable of its surroundings. The verifier follows what it knows about registers and stack through
  each iteration and would not come to an end; what it reads from a map it knows nothing about.

Those live in the scratch map of the program. Some must start as zero: what is read before it is surely assigned.
"""

from __future__ import annotations

from pytrace.aggregations import AGGREGATIONS
from pytrace.codegen.visit import Node, nodes, parts
from pytrace.frozen import field, frozen, record
from pytrace.hints import Iterable, Sequence
from pytrace.semantics import program as core
from pytrace.semantics.types import Aggregate, size_of

__all__ = ["BUDGETS", "Budget", "Home", "Plan", "make_plan"]


@frozen
class Budget:
    """How much of the 512 bytes of stack a function may use for objects, and how many scalars may be in registers
    (from which LLVM spills them to the stack). With `spill` even values that wait within an expression go to scratch
    memory."""

    stack: int
    registers: int
    spill: bool = False


BUDGETS = (Budget(288, 16), Budget(128, 6), Budget(48, 0, True))
"""Tried in turn until a program keeps within its stack."""


@frozen
class Home:
    """`kind` is "register", "stack" or "scratch". `body` is the loop in whose body the variable is at home (None: the
    whole program); there it starts as zero if `zeroed`."""

    var: core.Var
    kind: str
    body: core.Stmt | None
    zeroed: bool


@frozen
class Plan:
    homes: dict[int, Home]
    callbacks: bool
    """Whether there are loops that are compiled to callbacks."""

    def starting(self, body: core.Stmt | None) -> list[Home]:
        """Variables that start as zero with each round of a loop's body, or of the program."""
        return [home for home in self.homes.values() if home.zeroed and home.body is body]


Path = tuple[core.Stmt, ...]


@record
class _Uses:
    """What is known of one variable while walking: the loops around its uses, and around its assignments."""

    var: core.Var
    paths: list[Path] = field(default_factory=list)
    assigned: list[Path] = field(default_factory=list)
    pinned: bool = False


class _Walk:
    def __init__(self) -> None:
        self.uses: dict[int, _Uses] = {}

    def use(self, var: core.Var, path: Path, *, assigns: bool = False) -> _Uses:
        uses = self.uses.setdefault(var.index, _Uses(var))
        uses.paths.append(path)
        if assigns:
            uses.assigned.append(path)
        return uses

    def walk(self, roots: Iterable[Node], path: Path) -> None:
        stack: list[Node] = list(roots)
        while stack:
            node = stack.pop()
            match node:
                case core.ReadVar(var=var):
                    self.use(var, path)
                case core.AddressOf(of=core.Var() as var):
                    self.use(var, path, assigns=True).pinned = True
                case core.Element(value=core.ReadVar(var=var)):
                    self.use(var, path).pinned = True
                case core.Step(target=core.Var() as var) | core.SetVar(var=var):
                    self.use(var, path, assigns=True)
                case core.MapCall(args=args):
                    for arg in args:
                        if isinstance(arg, core.ReadVar):
                            self.use(arg.var, path, assigns=True)
                case core.WhileLoop(cond=cond, body=body):
                    self.walk((cond, *body), (*path, node))
                    continue
                case core.RangeLoop(var=var, start=start, end=end, body=body):
                    stack += (start, end)
                    self.use(var, (*path, node), assigns=True)
                    self.walk(body, (*path, node))
                    continue
                case core.MapLoop(var=var, body=body):
                    self.use(var, (*path, node), assigns=True)
                    self.walk(body, (*path, node))
                    continue
            stack += parts(node)


def _common(paths: Sequence[Path]) -> Path:
    first = paths[0]
    length = min(map(len, paths))
    for depth in range(length):
        if any(path[depth] is not first[depth] for path in paths):
            return first[:depth]
    return first[:length]


class _Flow:
    """Finds the variables that may be read before they are assigned. `known` are the indices of assigned ones."""

    def __init__(self) -> None:
        self.unset: set[int] = set()

    def block(self, body: Iterable[core.Stmt], known: set[int]) -> set[int]:
        for stmt in body:
            known = self.stmt(stmt, known)
        return known

    def stmt(self, stmt: core.Stmt, known: set[int]) -> set[int]:
        match stmt:
            case core.SetVar(var=var, value=value):
                self.expr(value, known)
                known.add(var.index)
            case core.Branch(cond=cond, then=then, orelse=orelse):
                self.expr(cond, known)
                after = self.block(then, set(known)), self.block(orelse, set(known))
                known |= after[0] & after[1]
            case core.WhileLoop(cond=cond, body=body):
                inside = set(known)
                self.expr(cond, inside)
                self.block(body, inside)
            case core.RangeLoop(var=var, start=start, end=end, body=body):
                self.expr(start, known)
                self.expr(end, known)
                self.block(body, known | {var.index})
            case core.MapLoop(var=var, body=body):
                self.block(body, known | {var.index})
            case _:
                for part in parts(stmt):
                    assert isinstance(part, core.Expr)
                    self.expr(part, known)
        return known

    def expr(self, expr: core.Expr, known: set[int]) -> None:
        spine: list[core.Expr] = []
        while isinstance(expr, core.Arith):  # a chain of operators leans to the left
            spine.append(expr.right)
            expr = expr.left
        match expr:
            case core.ReadVar(var=var) | core.Step(target=core.Var() as var) | core.AddressOf(of=core.Var() as var):
                if var.index not in known:
                    self.unset.add(var.index)
            case core.Logical(left=left, right=right):
                self.expr(left, known)
                self.expr(right, set(known))
            case core.Select(cond=cond, then=then, orelse=orelse):
                self.expr(cond, known)
                sides = set(known), set(known)
                self.expr(then, sides[0])
                self.expr(orelse, sides[1])
                known |= sides[0] & sides[1]
            case core.Do(body=body, value=value):
                known |= self.block(body, known)
                if value is not None:
                    self.expr(value, known)
            case _:
                for part in parts(expr):
                    assert isinstance(part, core.Expr)
                    self.expr(part, known)
        for right in reversed(spine):
            self.expr(right, known)


def make_plan(
    probe: core.Probe, budget: Budget, *, on_stack_limit: int, callback: tuple[type[core.Stmt], ...], walked: bool
) -> Plan:
    """The homes of a probe's variables. `callback` are the kinds of loops that become functions. `walked`: other loops
    are such that the verifier has to walk through round by round, and needs to know the variables that count."""
    walk, flow = _Walk(), _Flow()
    walk.walk(probe.body, ())
    flow.block(probe.body, set())
    registers, stack = budget.registers, budget.stack // 2
    homes: dict[int, Home] = {}
    for index, uses in sorted(walk.uses.items()):
        var = uses.var
        home = _common(uses.paths)
        crosses = any(isinstance(loop, callback) for path in uses.paths for loop in path[len(home) :])
        carried = not walked and any(len(path) > len(home) for path in uses.assigned)
        kind = "scratch"
        if not (uses.pinned or crosses or carried):
            if core.is_scalar(var.type):
                if registers > 0:
                    kind, registers = "register", registers - 1
            elif size_of(var.type) <= min(on_stack_limit, stack):
                kind, stack = "stack", stack - size_of(var.type)
        homes[index] = Home(var, kind, home[-1] if home else None, index in flow.unset)
    callbacks = any(isinstance(node, callback) or _counts_rows(node) for node in nodes(probe.body))
    return Plan(homes, callbacks)


def _counts_rows(node: Node) -> bool:
    """Whether a node is compiled to a walk through the tables of a map, or the parts of a value (`tables.py`)."""
    if not isinstance(node, core.MapCall) or not isinstance(node.map.value, Aggregate):
        return False
    return node.name == "len" or AGGREGATIONS[node.map.value.name].row_words(node.map.value) > 0
