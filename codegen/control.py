"""Branches, leaving the program, and calls of the kernel."""

from __future__ import annotations

from pytrace.codegen.base import VOID, Base
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.helpers import HELPERS
from pytrace.codegen.prologue import LEAVE, RELEASE, STATE_CONTEXT, STATE_RESULT, STATE_SIGNAL
from pytrace.hints import Callable
from pytrace.semantics import program as core

__all__ = ["BREAK", "RETURN", "Control", "symbol_of"]

_INT = frozenset({"map_update_elem", "map_delete_elem"})
"""Helpers that gave an int before Linux 6.4: the upper half of their result was not extended by its sign."""

_CONSTANT = frozenset({
    "get_current_pid_tgid", "get_current_task", "get_current_task_btf", "get_current_uid_gid", "get_smp_processor_id",
})  # fmt: skip
"""Helpers that give the same all through a run of a program: it keeps its thread and its processor."""

BREAK, RETURN = 1, 2
"""Why a loop was ended."""


class Control(Base):
    def when(self, cond: Value, then: Callable[[], None], orelse: Callable[[], None] | None = None) -> None:
        b = self.b
        if b.closed:
            return
        yes, join = b.block("then"), b.block("join")
        no = b.block("else") if orelse is not None else join
        b.cond_br(cond, yes, no)
        b.place(yes)
        then()
        if orelse is not None:
            if not b.closed:
                b.br(join)
            b.place(no)
            orelse()
        b.place(join)

    def choose(self, cond: Value, then: Callable[[], Value], orelse: Callable[[], Value]) -> Value:
        b = self.b
        yes, no = b.block("then"), b.block("else")
        b.cond_br(cond, yes, no)
        return self.merge(yes, no, then, orelse)

    def merge(self, yes: str, no: str, then: Callable[[], Value], orelse: Callable[[], Value]) -> Value:
        """The blocks `yes` and `no`, which are branched to already, and the value of the one that ran."""
        b = self.b
        join = b.block("join")
        incoming: list[tuple[Value, str]] = []
        for label, side in ((yes, then), (no, orelse)):
            b.place(label)
            value = side()
            if not b.closed:
                incoming.append((value, b.current))
                b.br(join)
        b.place(join)
        if not incoming or incoming[0][0].type == "void":
            return VOID if incoming else value
        if len(incoming) == 1 or incoming[0][0] == incoming[1][0]:
            return incoming[0][0]
        return b.phi(*incoming)

    def jump(self, cond: core.Expr, yes: str, no: str) -> None:
        b = self.b
        match cond:
            case core.Logical(op=op, left=left, right=right):
                further = b.block(op)
                self.jump(left, *((further, no) if op == "and" else (yes, further)))
                b.place(further)
                self.jump(right, yes, no)
            case core.Not(value=value):
                self.jump(value, no, yes)
            case core.Const(value=value):
                b.br(yes if value else no)
            case _:
                b.cond_br(self.eval(cond), yes, no)

    def count_to(self, count: Value | int, most: int, body: Callable[[Value], None]) -> None:
        b = self.b
        limit = self.clamp(count, most) if isinstance(count, Value) else self.const(min(count, most))
        before, again, inside, done = b.current, b.block("count"), b.block("round"), b.block("counted")
        b.place(again)
        index = Value(b.name(), "i64")
        at = len(b.lines)
        b.cond_br(b.ult(index, limit), inside, done)
        b.place(inside)
        body(index)
        following = b.add(index, 1)
        b.lines.insert(at, f"{index.text} = phi i64 [ 0, %{before} ], [ {following.text}, %{b.current} ]")
        b.br(again)
        b.place(done)

    def clamp(self, value: Value, most: int) -> Value:
        b = self.b
        value = b.barrier(b.resize(value, "i64"))
        return b.select(b.ugt(value, most), self.const(most), value)

    # leaving

    def leave(self) -> None:
        self.leave_with(self.const(0))

    def leave_with(self, value: Value) -> None:
        b = self.b
        for loop in reversed(self.frame.loops):
            if loop.iterator is not None:
                self.destroy(loop.iterator)
        if self.frame.state is None:
            b.line(RELEASE)
            self.finish()
            b.ret(value)
        else:
            b.store(self.const(RETURN), self.frame.state, STATE_SIGNAL)
            b.store(value, self.frame.state, STATE_RESULT)
            b.ret(1)

    def finish(self) -> None:
        """What a program does last, if its script has more for it to do."""
        if self.module.one_at_a_time and self.frame.state is None:
            self.b.line(LEAVE)

    def destroy(self, iterator: Value) -> None:
        """Gives a number iterator back to the kernel."""
        self.b.call(self.module.kfunc("bpf_iter_num_destroy", ("ptr",), "void"), (iterator,), "void")

    # the kernel

    def _arguments(self, args: tuple[Value | int, ...]) -> list[Value]:
        return [self.const(arg) if isinstance(arg, int) else self._wide(arg) for arg in args]

    def _wide(self, value: Value) -> Value:
        return value if value.type in ("i64", "ptr") else self.b.zext(value)

    def helper(self, name: str, *args: Value | int) -> Value:
        result = self.b.call_helper(HELPERS[name], self._arguments(args), constant=name in _CONSTANT)
        return self.b.sext(self.b.trunc(result, "i32")) if name in _INT else result

    def pointer_helper(self, name: str, *args: Value | int) -> Value:
        return self.b.call_helper(HELPERS[name], self._arguments(args), "ptr", ANYWHERE)

    def kfunc(self, name: str, *args: Value | int, returns: str = "i64") -> Value:
        values = self._arguments(args)
        callee = self.module.kfunc(name, tuple(value.type for value in values), returns)
        return self.b.call(callee, values, returns, ANYWHERE)

    def map_pointer(self, map_: core.Map) -> Value:
        return self.module.map(symbol_of(map_))

    def context_pointer(self) -> Value:
        """The context, which loads reach directly: each use is a value of its own to LLVM, which would otherwise add
        an offset to the context in a register, and the verifier wants it in the instruction."""
        frame = self.frame
        if frame.context is None:
            assert frame.state is not None
            return self.b.load("ptr", frame.state, STATE_CONTEXT, volatile=True)
        return self.b.barrier(frame.context)


def symbol_of(map_: core.Map) -> str:
    """The name of the BPF map that stores a map of the script."""
    return f"AT_{map_.name[1:]}"
