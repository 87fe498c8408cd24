"""Loops.

Number loops use the kernel's open-coded iterator (`bpf_iter_num_*`): the body stays in the function, and the verifier
walks through it until nothing new happens. Before Linux 6.4 the body becomes a callback of `bpf_loop`, and before that
a plain loop, which the verifier walks through round by round. Loops over maps are always callbacks.

A callback is a function of its own. It reaches its caller's variables in the scratch map, and through the struct
`STATE_*` on its caller's stack it says whether the loop, or the program, is to end.
"""

from __future__ import annotations

from pytrace.codegen.builder import Builder
from pytrace.codegen.control import RETURN
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.features import Offers
from pytrace.codegen.frame import Frame, Loop
from pytrace.codegen.layout import register_type
from pytrace.codegen.maps import Located
from pytrace.codegen.prologue import STATE_CONTEXT, STATE_RESULT, STATE_SET, STATE_SIGNAL, STATE_SIZE
from pytrace.codegen.statements import Statements
from pytrace.codegen.visit import nodes
from pytrace.hints import Callable
from pytrace.semantics import program as core
from pytrace.semantics.types import Aggregate, Tuple, offsets_of, size_of

__all__ = ["LIMIT", "Loops", "callback_loops"]

LIMIT = 8 << 20
"""BPF_MAX_LOOPS: more rounds than the kernel lets a loop make."""

E2BIG = 7


def callback_loops(features: Offers) -> tuple[type[core.Stmt], ...]:
    """The kinds of loops that are compiled to callbacks."""
    if features.number_iterator or not features.loop:
        return (core.MapLoop,)
    return (core.MapLoop, core.RangeLoop, core.WhileLoop)


class Loops(Statements):
    # loops over numbers

    def range_loop(self, stmt: core.RangeLoop) -> None:
        b = self.b
        first = self.eval64(stmt.start)
        count = b.sub(self.eval64(stmt.end), first)
        slot = self.space.allocate(8) if isinstance(stmt, callback_loops(self.features)) else None
        if slot is not None:
            b.store(first, self.slot(slot), volatile=True)
        some, fits, large, done = b.block("some"), b.block("fits"), b.block("large"), b.block("done")
        b.cond_br(b.sgt(count, 0), some, done)
        b.place(some)
        b.cond_br(b.ugt(count, LIMIT), large, fits)
        b.place(large)
        self._exhausted(stmt)
        b.br(done)
        b.place(fits)

        def round_(index: Value) -> None:
            start = first if slot is None else self.b.load("i64", self.slot(slot), volatile=True)
            if stmt.var.index in self.plan.homes:
                number = self.b.add(start, index)
                self.set_variable(stmt.var, self.b.resize(number, register_type(stmt.var.type)))
            self.start_variables(stmt)
            self.block(stmt.body)

        self._numbers(count, stmt, round_)
        b.place(done)

    def while_loop(self, stmt: core.WhileLoop) -> None:
        def round_(_: Value) -> None:
            b = self.b
            self.start_variables(stmt)
            inside, over = b.block("inside"), b.block("over")
            self.jump(stmt.cond, inside, over)
            b.place(over)
            self.break_loop()
            b.place(inside)
            self.block(stmt.body)

        self._numbers(self.const(LIMIT), stmt, round_, lambda: self._exhausted(stmt))

    def _exhausted(self, stmt: core.Stmt) -> None:
        self.report("helper", stmt.span, "loop", self.const(-E2BIG))

    def _numbers(
        self,
        count: Value,
        stmt: core.Stmt | core.Expr,
        body: Callable[[Value], None],
        ended: Callable[[], None] | None = None,
    ) -> None:
        """Runs `body` with 0, 1, … below `count`, which is between 0 and `LIMIT`; `ended` if it came to the end."""
        if self.features.number_iterator:
            self._iterate(count, body, ended)
        elif self.features.loop:
            self._call_back(
                stmt, ("index", "state"), lambda: body(Value("%index", "i64")),
                lambda callback, state: self.helper("loop", count, callback, state, 0), ended,
            )  # fmt: skip
        else:
            self._unroll(count, body, ended)

    def _iterate(self, count: Value, body: Callable[[Value], None], ended: Callable[[], None] | None) -> None:
        b = self.b
        iterator = b.alloca(8)
        new = self.module.kfunc("bpf_iter_num_new", ("ptr", "i32", "i32"), "i32")
        following = self.module.kfunc("bpf_iter_num_next", ("ptr",), "ptr")
        b.call(new, (iterator, self.const(0, "i32"), b.resize(count, "i32")), "i32")
        again, inside, end, leave = b.block("next"), b.block("round"), b.block("end"), b.block("leave")
        b.place(again)
        number = b.call(following, (iterator,), "ptr", ANYWHERE)
        b.cond_br(b.is_null(number), end, inside)
        b.place(inside)
        self.frame.loops.append(Loop(again, leave, iterator))
        body(b.zext(b.load("i32", number)))
        if not b.closed:
            b.br(again)
        b.place(end)
        if ended is not None:
            ended()
        self.frame.loops.pop()
        b.place(leave)
        self.destroy(iterator)

    def _unroll(self, count: Value, body: Callable[[Value], None], ended: Callable[[], None] | None) -> None:
        b = self.b
        counter = b.register("i64")
        b.store(0, counter)
        test, inside, again, end, leave = (b.block(name) for name in ("test", "round", "again", "end", "leave"))
        b.place(test)
        index = b.load("i64", counter)
        b.cond_br(b.ult(index, count), inside, end)
        b.place(inside)
        self.frame.loops.append(Loop(again, leave))
        body(index)
        b.place(again)
        b.store(b.add(b.load("i64", counter), 1), counter)
        b.br(test)
        b.place(end)
        if ended is not None:
            ended()
        self.frame.loops.pop()
        b.place(leave)

    # loops over maps

    def map_loop(self, stmt: core.MapLoop) -> None:
        self.require_for_each("A loop over a map", stmt.span)
        assert isinstance(stmt.var.type, Tuple)
        pair = stmt.var.type

        def round_() -> None:
            self._take_entry(stmt, pair, Value("%key", "ptr", ANYWHERE), Value("%value", "ptr", ANYWHERE))
            self.start_variables(stmt)
            self.block(stmt.body)

        pointer = self.map_pointer(stmt.map)
        self._call_back(
            stmt, ("map", "key", "value", "state"), round_,
            lambda callback, state: self.helper("for_each_map_elem", pointer, callback, state, 0),
        )  # fmt: skip

    def _take_entry(self, stmt: core.MapLoop, pair: Tuple, key: Value, value: Value) -> None:
        """Copies an entry into the loop's variable: what it was may be deleted in the body. Only the side that the
        body looks at is copied."""
        if stmt.var.index not in self.plan.homes:
            return
        at = self.variable(stmt.var)
        (key_at, value_at), (key_type, value_type) = offsets_of(pair), pair.elems
        wants_key, wants_value = self._wanted(stmt, value_at)
        if wants_key:
            self.copy(self.b.gep(at, key_at), key, size_of(key_type))
        if wants_value and isinstance(stmt.map.value, Aggregate):
            number = self.reduced(stmt.map, Located(self.map_pointer(stmt.map), key))
            self.store_scalar(self.b.resize(number, register_type(value_type)), value_type, at, value_at)
        elif wants_value:
            self.copy(self.b.gep(at, value_at), value, size_of(value_type))
        if wants_key and wants_value:
            gap = key_at + size_of(key_type)
            self.zero(self.b.gep(at, gap), value_at - gap)
            end = value_at + size_of(value_type)
            self.zero(self.b.gep(at, end), size_of(pair) - end)

    def _wanted(self, stmt: core.MapLoop, value_at: int) -> tuple[bool, bool]:
        """Whether the body uses the key, and the value."""
        index, reads, parts = stmt.var.index, 0, [0, 0]
        for node in nodes(stmt.body):
            match node:
                case core.Part(value=core.ReadVar(var=var), offset=offset) if var.index == index:
                    parts[offset >= value_at] += 1
                case core.ReadVar(var=var) | core.SetVar(var=var) | core.AddressOf(of=core.Var() as var):
                    reads += var.index == index
        if reads > sum(parts):  # more than the reads inside the parts: some use is of the whole
            return True, True
        return parts[0] > 0, parts[1] > 0

    # callbacks

    def _call_back(
        self,
        stmt: core.Stmt | core.Expr,
        parameters: tuple[str, ...],
        body: Callable[[], None],
        run: Callable[[Value, Value], Value],
        ended: Callable[[], None] | None = None,
    ) -> None:
        """Compiles `body` to a function and has `run(function, state)` call it. Afterwards the program ends if the body
        said so."""
        b = self.b
        state = b.alloca(STATE_SIZE)
        context = self.frame.context
        if context is None:
            assert self.frame.state is not None
            context = b.load("ptr", self.frame.state, STATE_CONTEXT, volatile=True)
        b.store(context, state, STATE_CONTEXT, volatile=True)
        if self.shared:
            b.store(self.memory_set(), state, STATE_SET, volatile=True)
        b.store(0, state, STATE_SIGNAL, volatile=True)
        b.store(0, state, STATE_RESULT, volatile=True)
        name = self._function(parameters, body)
        with self.at(stmt.span):
            run(Value(f"@{name}", "ptr"), state)
        signal = b.load("i64", state, STATE_SIGNAL, volatile=True)
        if ended is not None:
            self.when(b.eq(signal, 0), ended)
        self.when(b.eq(signal, RETURN), lambda: self.leave_with(b.load("i64", state, STATE_RESULT, volatile=True)))

    def _function(self, parameters: tuple[str, ...], body: Callable[[], None]) -> str:
        """A function for the kernel to call; gives its name."""
        caller, subprogram = self.frame, self.subprogram
        name = f"program_{self.probe.order}_{len(self.functions) + len(self.open) + 1}"
        builder = Builder(parameters, lambda: self.features.fetching)
        self.open.append(caller)
        self.frame = Frame(name, builder, None, self.budget, Value("%state", "ptr", 8))
        self.b, self.subprogram = builder, self.module.subprogram(name)
        self.begin()
        body()
        if not builder.closed:
            builder.ret(0)
        self.end()
        self.open.pop()
        self.frame, self.b, self.subprogram = caller, caller.b, subprogram
        return name
