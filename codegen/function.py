"""The emitter: one program of the script, from its statements to the text of its functions."""

from __future__ import annotations

from pytrace.codegen.builder import Builder
from pytrace.codegen.emitter import Value
from pytrace.codegen.frame import Frame, Scratch
from pytrace.codegen.image import MapImage
from pytrace.codegen.loops import callback_loops
from pytrace.codegen.module import Module
from pytrace.codegen.plan import BUDGETS, Budget, make_plan
from pytrace.codegen.prologue import SETS, Layout, prologue, with_releases
from pytrace.codegen.stacks import Stacks
from pytrace.codegen.tables import Tables
from pytrace.codegen.visit import nodes
from pytrace.frozen import frozen
from pytrace.hints import Mapping
from pytrace.semantics import program as core

__all__ = ["ATTRIBUTES", "Function", "Made", "make_functions", "section_of"]

ATTRIBUTES = 'nounwind "no-jump-tables"="true"'


def section_of(order: int) -> str:
    """The ELF section of a program. Its name must differ from the function's."""
    return f"program/{order}"


@frozen
class Made:
    """A program's functions in LLVM's language, its own last, and its scratch map, if it has one."""

    name: str
    text: str
    scratch: MapImage | None


OWN = frozenset({"begin", "end", "self", "test", "bench", "iter"})
"""Providers whose programs are run by us, not by events: they run after `exit()` too."""


class Function(Tables, Stacks):
    def program(self) -> None:
        """The whole program."""
        self.begin()
        started = len(self.b.lines)
        if self.module.exits and self.probe.targets[0].provider not in OWN:
            self.only_before_exit()
        if self.module.one_at_a_time:
            self.only_one()
        if self.probe.targets[0].number("shared"):
            self.only_shared()
        if self.context.subject is not None:
            self.only_with(self.context.subject)
        if len(self.b.lines) > started:
            self.frame.prologue = len(self.b.lines)
            self.b.place(self.b.block("start"))
        self.keep_stacks()
        if self.predicate() is None:
            self.start_variables(None)
        self.block(self.probe.body)
        if not self.b.closed:
            self.leave()
        self.end()

    def begin(self) -> None:
        self.b.place("start")

    def end(self) -> None:
        """Finishes the current function: puts in front what finds the scratch memory it uses."""
        frame, b = self.frame, self.b
        if frame.chunks:
            symbol, chunks = self.module.map(self.scratch_symbol).text, len(self.space.used)
            if self.huge:
                layout = Layout(symbol, frame.chunks, chunks, "cpu")
            elif not self.shared:
                layout = Layout(symbol, frame.chunks, chunks, "one")
            else:
                layout = Layout(symbol, frame.chunks, chunks, "claimed" if frame.state is None else "given")
            entry, lines = prologue(layout)
            b.entry += entry
            b.lines[frame.prologue : frame.prologue] = lines
            b.place("nothing")
            self.finish()
            b.ret(0 if frame.state is None else 1)
        b.lines = with_releases(b.lines, claimed=bool(frame.chunks) and self.shared and not self.huge)
        self.functions.append((frame, self.subprogram))

    @property
    def scratch_symbol(self) -> str:
        return f"scratch{self.probe.order}"

    def text(self) -> str:
        return "".join(
            frame.text(ATTRIBUTES, section_of(self.probe.order) if frame.state is None else "", f"!dbg !{subprogram} ")
            for frame, subprogram in self.functions
        )

    # what few programs do

    def unwind(self, at: Value, limit: int, frame: int, process: Value, returns: tuple[int, ...]) -> Value:
        from pytrace.codegen.unwind import unwind

        return unwind(self, at, limit, frame, process, returns)

    def send_packet(self, call: core.Call) -> Value:
        from pytrace.codegen.packets import send_packet

        return send_packet(self, call)

    # the end

    def scratch_map(self) -> MapImage | None:
        if not self.space.size:
            return None
        if self.huge:
            return MapImage(self.scratch_symbol, "array", 4, self.space.size, self.features.cpus)
        elements = len(self.space.used)
        if self.shared:
            elements = elements * SETS + 1
        return MapImage(self.scratch_symbol, "percpu_array", 4, self.space.size, elements)


def has_number_loops(probe: core.Probe) -> bool:
    return any(isinstance(node, core.WhileLoop | core.RangeLoop) for node in nodes(probe.body))


def make_functions(
    module: Module, probe: core.Probe, level: int, updaters: Mapping[int, bool], *, huge: bool = False
) -> Made:
    """The functions of one program, made to keep within the stack with `BUDGETS[level]`.

    `huge` puts scratch memory into one large array indexed by CPU, for objects beyond what a per-CPU map can hold.
    Raises `TooLarge` without it.
    """
    budget: Budget = BUDGETS[level]
    features, loops = module.features, has_number_loops(probe)
    plan = make_plan(
        probe, budget, on_stack_limit=module.program.config.on_stack_limit,
        callback=callback_loops(features) if loops else (core.MapLoop,),
        walked=loops and not (features.number_iterator or features.loop),
    )  # fmt: skip
    if plan.callbacks and level == 0:
        budget = Budget(BUDGETS[1].stack, budget.registers, budget.spill)
    scratch = Scratch(1 << 29) if huge else Scratch()
    name = f"program_{probe.order}"
    frame = Frame(name, Builder(("ctx",), lambda: features.fetching), Value("%ctx", "ptr", 8), budget.stack)
    function = Function(module, probe, plan, scratch, frame, updaters, huge=huge, spill=budget.spill)
    function.program()
    return Made(name, function.text(), function.scratch_map())
