"""Statements other than loops."""

from __future__ import annotations

from pytrace.codegen.control import BREAK
from pytrace.codegen.prologue import STATE_SIGNAL
from pytrace.codegen.records import Records
from pytrace.codegen.visit import mentions, nodes
from pytrace.hints import Sequence
from pytrace.semantics import program as core
from pytrace.semantics.types import size_of

__all__ = ["Statements"]

_RETURNING = ("raw_tracepoint", "xdp")
"""Types of programs that are run by the session, which sees what they return. Others return 0 to the kernel, for which
a value may have a meaning."""

_PIECEWISE = (core.MakeTuple, core.Convert, core.Select, core.Do, core.Part)
"""Values that are written piece by piece, and must not be read from where they are written to."""


class Statements(Records):
    def block(self, body: Sequence[core.Stmt]) -> None:
        before, self.strict = self.strict, True
        for stmt in body:
            if self.b.closed:
                break
            with self.statement(), self.at(stmt.span):
                self._statement(stmt)
        self.strict = before

    def _statement(self, stmt: core.Stmt) -> None:
        match stmt:
            case core.Evaluate(expr=expr):
                self.effect(expr)
            case core.SetVar(var=var, value=value):
                self._set(var, value)
            case core.SetMap():
                self.set_map(stmt)
            case core.Update():
                self.update(stmt)
            case core.Branch():
                self._branch(stmt)
            case core.WhileLoop():
                self.while_loop(stmt)
            case core.RangeLoop():
                self.range_loop(stmt)
            case core.MapLoop():
                self.map_loop(stmt)
            case core.Break():
                self.break_loop()
            case core.Continue():
                self._continue()
            case core.Return(value=value):
                number = self.const(0) if value is None else self.eval64(value)
                self.leave_with(number if self.context.prog_type in _RETURNING else self.const(0))
            case _:
                raise TypeError(f"{type(stmt).__name__} is not a statement")

    def while_loop(self, stmt: core.WhileLoop) -> None:
        raise NotImplementedError

    def range_loop(self, stmt: core.RangeLoop) -> None:
        raise NotImplementedError

    def map_loop(self, stmt: core.MapLoop) -> None:
        raise NotImplementedError

    def _set(self, var: core.Var, value: core.Expr) -> None:
        if var.index not in self.plan.homes:
            self.effect(value)
        elif core.is_scalar(var.type):
            self.set_variable(var, self.eval(value))
        elif isinstance(value, _PIECEWISE) and mentions(value, var):
            made = self.temporary(var.type)
            self.store(value, made)
            self.copy(self.variable(var), made, size_of(var.type))
        else:
            self.store(value, self.variable(var))

    def _branch(self, stmt: core.Branch) -> None:
        b = self.b
        if isinstance(stmt.cond, core.Const):
            self.block(stmt.then if stmt.cond.value else stmt.orelse)
            return
        yes, join = b.block("then"), b.block("join")
        no = b.block("else") if stmt.orelse else join
        self.jump(stmt.cond, yes, no)
        b.place(yes)
        if stmt is self.predicate():
            if not (self.frame.chunks or self.shared):
                self.frame.prologue = len(b.lines)  # scratch memory is only looked for if the predicate holds
                b.place(b.block("start"))
            self.start_variables(None)
        self.block(stmt.then)
        if not b.closed:
            b.br(join)
        if stmt.orelse:
            b.place(no)
            self.block(stmt.orelse)
        b.place(join)

    def predicate(self) -> core.Branch | None:
        """The statement that is the whole program, if it is a condition without variables and what it guards."""
        match self.probe.body:
            case (core.Branch(cond=cond, orelse=()) as whole,):
                if not any(isinstance(node, core.Stmt | core.ReadVar | core.Step) for node in nodes((cond,))):
                    return whole
        return None

    def start_variables(self, body: core.Stmt | None) -> None:
        """Zeroes variables at the start of the program, or of a round of the loop they belong to."""
        for home in self.plan.starting(body):
            self.zero_variable(home.var)

    def break_loop(self) -> None:
        loop = self.frame.loops[-1] if self.frame.loops else None
        if loop is not None:
            self.b.br(loop.leave)
        else:
            assert self.frame.state is not None
            self.b.store(BREAK, self.frame.state, STATE_SIGNAL)
            self.b.ret(1)

    def _continue(self) -> None:
        if self.frame.loops:
            self.b.br(self.frame.loops[-1].again)
        else:
            self.b.ret(0)
