"""Records for user space: what `printf`, `print` and the other actions send through the ring buffer."""

from __future__ import annotations

from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.helpers import HELPERS
from pytrace.codegen.image import MapImage, RecordLayout
from pytrace.codegen.map_calls import MapCalls
from pytrace.codegen.visit import is_pure, nodes
from pytrace.diagnostics import Span
from pytrace.hints import Callable, Sequence
from pytrace.semantics import program as core
from pytrace.semantics.types import I64, Aggregate, Type, size_of

__all__ = ["LOST", "Records", "lost_function"]

LOST = "lost"
"""The function that counts what is lost: a record for which the ring had no room, an update that a map refused."""
PRODUCER_POSITION = 3
"""BPF_RB_PROD_POS of include/uapi/linux/bpf.h."""
E2BIG = 7
INSIDE = "inside"
"""The map whose element of a CPU is not 0 while a program runs there, in scripts that need it."""


class Records(MapCalls):
    def emit(self, expr: core.Emit) -> None:
        """Builds the record in the ring itself where the arguments allow: then a full ring costs nothing more, and a
        string is read to where it is needed. Arguments that do something are evaluated first, all in order."""
        types = tuple(_sent(arg.type) for arg in expr.args)
        index, layout = self.module.action(
            expr.kind, expr.static, types, expr.span, self.probe.order, expr.urgent
        )
        if all(map(is_pure, expr.args)) and not self._may_report(expr.args):
            self._send(index, layout, expr.args, None, expr.urgent, exits=expr.kind == "exit")
        else:
            held = [self._held(arg) for arg in expr.args]
            self._send(index, layout, expr.args, held, expr.urgent, exits=expr.kind == "exit")

    def _may_report(self, args: Sequence[core.Expr]) -> bool:
        """Whether arguments may send reports of their own, which should come before the record. With -k nearly
        everything may."""
        return (self.module.program.check_reads and bool(args)) or any(map(_reports, nodes(args)))

    def _held(self, arg: core.Expr) -> Callable[[], Value]:
        """Evaluates an argument; the result gives the value, or where it is in memory."""
        if core.is_scalar(arg.type):
            value = self.eval(arg)
            return self.keep(value) if self.spill and not isinstance(arg, core.Const) else lambda: value
        held = self.temporary(arg.type)
        self.store(arg, held)
        return lambda: held

    def _send(
        self,
        index: int,
        layout: RecordLayout,
        args: Sequence[core.Expr],
        held: Sequence[Callable[[], Value]] | None,
        urgent: bool,
        *,
        exits: bool,
    ) -> None:
        def fill(record: Value) -> None:
            if exits and self.module.exits:
                # Not if there was no room for the record: nobody would end what does nothing any more.
                self.b.store(1, self.module.exited(), volatile=True)
            before, self.strict = self.strict, False
            for i, (arg, (offset, type_)) in enumerate(zip(args, layout.fields, strict=True)):
                at = self.b.gep(record, offset)
                if held is None:
                    self.store(arg, at)
                elif core.is_scalar(type_):
                    self.store_scalar(held[i](), type_, at)
                else:
                    self.copy(at, held[i](), size_of(type_))
            self.strict = before

        self.record(index, layout.size, urgent, fill)

    def record(self, index: int, size: int, urgent: bool, fill: Callable[[Value], None]) -> None:
        """Reserves a record, fills it with `fill(record)` and submits it; counts it as lost if there is no room."""
        b = self.b
        if b.closed:
            return
        passed = self._passed() if urgent else None
        full, room, done = b.block("full"), b.block("room"), b.block("done")
        record = self._reserve(urgent, size)
        first, second = b.current, b.block("second")
        b.cond_br(b.is_null(record), second if urgent else full, room)
        if urgent:
            # The other ring's record is looked at by itself: to older verifiers, one that was found to be there could
            # be missing again.
            b.place(second)
            other = self._reserve(False, size)
            b.cond_br(b.is_null(other), full, room)
        b.place(full)
        self._count_loss(self.const(self.probe.order))
        b.br(done)
        b.place(room)
        if urgent:
            record = b.phi((record, first), (other, second))
            b.store(passed or self.const(0), record, 8)
        b.store(self.const(index, "i32"), record)
        fill(record)
        self.b.call_helper(HELPERS["ringbuf_submit"], (record, self.const(0)), "void")
        b.place(done)

    def _passed(self) -> Value:
        """How many bytes were ever reserved in the ring of records. To be asked before the urgent record is reserved:
        then whatever another urgent record, reserved in between, goes before is not behind this one."""
        ring = self.module.map(self.module.ring(False))
        return self.b.call_helper(HELPERS["ringbuf_query"], (ring, self.const(PRODUCER_POSITION)))

    def _reserve(self, urgent: bool, size: int) -> Value:
        ring = self.module.map(self.module.ring(urgent))
        return self.b.call_helper(HELPERS["ringbuf_reserve"], (ring, self.const(size), self.const(0)), "ptr", ANYWHERE)

    def _count_loss(self, number: Value) -> None:
        self.module.uses_lost = True
        self.b.call(f"@{LOST}", (number,), "void")

    def lose(self, kind: str, subject: str, span: Span) -> None:
        self._count_loss(self.const(self.module.loss(kind, subject, span)))

    def refuse(self, map_: core.Map, result: Value, span: Span) -> None:
        full, other = (self.module.loss(kind, map_.name, span) for kind in ("map_full", "map_memory"))
        self._count_loss(self.b.select(self.b.eq(result, -E2BIG), self.const(full), self.const(other)))
        self.report("map_full", span, "map_update_elem", result)

    def only_before_exit(self) -> None:
        """Ends the program if the script called `exit()`: it takes user space a moment to hear of it, in which events
        go on."""
        b = self.b
        self.when(b.ne(b.load("i64", self.module.exited(), volatile=True), 0), lambda: b.ret(0))

    def only_one(self) -> None:
        """Ends the program, as lost, if it interrupts one of the script's programs on this CPU.

        Where a script traces locks, its programs would otherwise run while another holds one of the kernel's own for a
        map, and wait for it forever.
        """
        b = self.b
        key = b.alloca(8)
        b.store(0, key)
        inside = b.call_helper(HELPERS["map_lookup_elem"], (self.module.map(INSIDE), key), "ptr", ANYWHERE)
        self.module.add_map(MapImage(INSIDE, "percpu_array", 4, 8, 1))
        self.when(b.is_null(inside), lambda: b.ret(0))

        def busy() -> None:
            self.lose("inside", self.probe.targets[0].name, self.probe.span)
            b.ret(0)

        self.when(b.ne(b.load("i64", inside, volatile=True), 0), busy)
        b.line(f"%inside = getelementptr i8, ptr {inside.text}, i64 0")
        b.line("store volatile i64 1, ptr %inside, align 8")

    def report(self, error: str, span: Span, helper: str = "", retcode: Value | None = None) -> None:
        """Sends a record of kind `runtime_error`: static (error, helper), one field with the helper's result."""
        index, layout = self.module.action(
            "runtime_error", (error, helper), (I64,), span, self.probe.order, False
        )
        offset = layout.fields[0][0]
        value = self.const(0) if retcode is None else self.b.resize(retcode, "i64", True)
        with self.at(span):
            self.record(index, layout.size, False, lambda record: self.b.store(value, record, offset))

    def check(self, result: Value, helper: str, span: Span) -> None:
        if self.module.program.check_reads:
            self.when(self.b.slt(result, 0), lambda: self.report("helper", span, helper, result))


def _reports(node: core.Expr | core.Stmt) -> bool:
    """Whether a node checks something when it runs, whatever the options. (So do stacks, but they are large, and
    seldom fail.)"""
    if isinstance(node, core.Arith):
        return node.op in ("udiv", "umod") and not isinstance(node.right, core.Const)
    return isinstance(node, core.Element)


def _sent(type_: Type) -> Type:
    """The type that a value has in a record: aggregations travel as integers."""
    return type_.as_int if isinstance(type_, Aggregate) else type_


def lost_function(attributes: str) -> str:
    """Counts a loss in the map `drops`, at its number."""
    return f"""define internal void @{LOST}(i64 %number) {attributes} {{
entry:
%key = alloca i64, align 8
store i64 %number, ptr %key, align 8
%cell = call ptr inttoptr (i64 {HELPERS["map_lookup_elem"]} to ptr)(ptr @drops, ptr %key)
%none = icmp eq ptr %cell, null
br i1 %none, label %done, label %count
count:
%before = atomicrmw add ptr %cell, i64 1 monotonic
br label %done
done:
ret void
}}
"""
