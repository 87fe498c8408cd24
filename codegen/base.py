"""The ground that the parts of the emitter share: what they know, and what each offers to the others.

`function.Function` is put together from these parts, which each take one subject:

| part | subject |
|---|---|
| `memory.py` | stack and scratch memory, zeroing, copying, constants |
| `control.py` | branches, leaving, helpers and kernel functions |
| `context.py` | the probe's context, targets, reads of kernel and user memory |
| `expressions.py` | scalar values |
| `aggregates.py`, `cleaning.py`, `compare.py` | values in memory; what of them means something; their equality |
| `maps.py`, `map_calls.py`, `percpu.py` | maps of the script, as `storage.py` lays them out |
| `slots.py`, `cached.py`, `wide_keys.py` | what stands before their hashes |
| `records.py` | records for user space |
| `packets.py` | packets for user space |
| `statements.py`, `loops.py` | statements |
| `stacks.py` | stacks that a program takes at several places |
| `tables.py` | walks through maps |
| `unwind.py` | stacks by unwind tables |
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from pytrace.codegen.builder import Builder
from pytrace.codegen.emitter import Value
from pytrace.codegen.features import Offers
from pytrace.codegen.frame import Frame, Scratch
from pytrace.codegen.module import Module
from pytrace.codegen.plan import Plan
from pytrace.codegen.prologue import PREEMPTED
from pytrace.diagnostics import Span
from pytrace.hints import Callable, Iterator, Mapping, Sequence
from pytrace.probes.contexts import ProbeContext
from pytrace.semantics import program as core
from pytrace.semantics.types import Space, Type, size_of
from pytrace.within import AbstractContextManager, contextmanager

__all__ = ["Base"]

VOID = Value("", "void")


class Base(ABC):
    b: Builder
    probe: core.Probe
    config: core.Config
    context: ProbeContext
    exclusive: bool
    strict: bool
    short: int

    def __init__(
        self,
        module: Module,
        probe: core.Probe,
        plan: Plan,
        scratch: Scratch,
        frame: Frame,
        updaters: Mapping[int, bool],
        *,
        huge: bool = False,
        spill: bool = False,
    ) -> None:
        assert probe.context is not None
        self.module = module
        self.features: Offers = module.features
        self.config = module.program.config
        self.probe = probe
        self.context = probe.context
        self.plan = plan
        self.space = scratch
        self.frame = frame
        self.b = frame.b
        self.exclusive = False
        self.strict = True
        self.short = 0
        self.updaters = updaters
        """For each map that aggregates: whether its updates are exclusive (`Emitter.exclusive`)."""
        self.subprogram = module.subprogram(frame.name)
        self.offsets = {
            index: scratch.allocate(size_of(home.var.type))
            for index, home in plan.homes.items()
            if home.kind == "scratch"
        }
        """Where variables are in scratch memory: chunk and offset."""
        self.functions: list[tuple[Frame, int]] = []
        """The functions of the program that are finished, with their debug information."""
        self.open: list[Frame] = []
        """The functions around the current one."""
        self.budget = frame.stack
        self.huge = huge
        """Whether scratch memory is one large array, indexed by CPU."""
        self.shared = probe.targets[0].provider in PREEMPTED
        """Whether several runs of the program may be under way on one CPU."""
        self.spill = spill
        """Whether values that wait for others are kept in scratch memory."""

    # values

    def const(self, value: int, type_: str = "i64") -> Value:
        return self.b.const(value, type_)

    def void(self) -> Value:
        return VOID

    @abstractmethod
    def eval(self, expr: core.Expr) -> Value: ...

    @abstractmethod
    def eval64(self, expr: core.Expr) -> Value: ...

    @abstractmethod
    def object(self, expr: core.Expr) -> Value: ...

    @abstractmethod
    def is_object(self, expr: core.Expr) -> bool:
        """Whether the verifier would know the value as a pointer to a kernel object, with which it allows no
        arithmetic."""

    @abstractmethod
    def effect(self, expr: core.Expr) -> None:
        """Evaluates an expression whose value nobody wants."""

    @abstractmethod
    def place(self, expr: core.Expr) -> Value: ...

    @abstractmethod
    def store(self, expr: core.Expr, at: Value) -> None: ...

    @abstractmethod
    def load_scalar(self, type_: Type, at: Value, offset: int = 0, *, volatile: bool = False) -> Value: ...

    @abstractmethod
    def store_scalar(
        self, value: Value, type_: Type, at: Value, offset: int = 0, *, volatile: bool = False
    ) -> None: ...

    @abstractmethod
    def variable(self, var: core.Var) -> Value: ...

    @abstractmethod
    def set_variable(self, var: core.Var, value: Value) -> None:
        """Assigns a scalar variable."""

    @abstractmethod
    def zero_variable(self, var: core.Var) -> None: ...

    # memory

    @abstractmethod
    def kept(self, type_: Type) -> Value | None: ...

    @abstractmethod
    def scratch(self, size: int, align: int = 8) -> Value: ...

    @abstractmethod
    def temporary(self, type_: Type) -> Value: ...

    @abstractmethod
    def zero(self, at: Value, size: int) -> None: ...

    @abstractmethod
    def end_string(self, at: Value, size: int) -> None:
        """Zeroes what stands behind the NUL of a string."""

    @abstractmethod
    def copy(self, to: Value, source: Value, size: int, align: int = 1) -> None: ...

    @abstractmethod
    def fill_bytes(self, data: bytes, size: int, at: Value) -> None:
        """Writes constant bytes, and zeros up to `size`."""

    @abstractmethod
    def opaque(self, pointer: Value) -> Value:
        """A pointer as a number of which the verifier knows nothing: it forbids most arithmetic on pointers."""

    @abstractmethod
    def statement(self) -> AbstractContextManager[None]:
        """What is allocated inside is free again afterwards."""

    @abstractmethod
    def slot(self, where: tuple[int, int]) -> Value: ...

    @abstractmethod
    def volatile(self, var: core.Var) -> bool: ...

    @abstractmethod
    def begin(self) -> None:
        """Starts the current function."""

    @abstractmethod
    def end(self) -> None:
        """Finishes it."""

    @abstractmethod
    def memory_set(self) -> Value:
        """Which set of scratch memory this run of the program has."""

    @abstractmethod
    def chunk(self, number: int) -> Value:
        """The address of a chunk of scratch memory, in the current function."""

    @abstractmethod
    def clamp(self, value: Value, most: int) -> Value: ...

    # the kernel

    @abstractmethod
    def helper(self, name: str, *args: Value | int) -> Value: ...

    @abstractmethod
    def pointer_helper(self, name: str, *args: Value | int) -> Value:
        """A helper that gives a pointer to memory, or null."""

    @abstractmethod
    def kfunc(self, name: str, *args: Value | int, returns: str = "i64") -> Value: ...

    @abstractmethod
    def context_pointer(self) -> Value: ...

    @abstractmethod
    def read(self, to: Value, size: Value | int, address: Value, space: Space, span: Span) -> Value: ...

    @abstractmethod
    def report(self, error: str, span: Span, helper: str = "", retcode: Value | None = None) -> None: ...

    @abstractmethod
    def lose(self, kind: str, subject: str, span: Span) -> None: ...

    @abstractmethod
    def refuse(self, map_: core.Map, result: Value, span: Span) -> None:
        """Counts and reports an update that a map refused, with the helper's result (i64)."""

    @abstractmethod
    def send_packet(self, call: core.Call) -> Value: ...

    @abstractmethod
    def check(self, result: Value, helper: str, span: Span) -> None: ...

    # control

    @abstractmethod
    def when(self, cond: Value, then: Callable[[], None], orelse: Callable[[], None] | None = None) -> None: ...

    @abstractmethod
    def choose(self, cond: Value, then: Callable[[], Value], orelse: Callable[[], Value]) -> Value: ...

    @abstractmethod
    def jump(self, cond: core.Expr, yes: str, no: str) -> None:
        """Branches on a condition without making a value of it."""

    @abstractmethod
    def leave(self) -> None: ...

    @abstractmethod
    def leave_with(self, value: Value) -> None:
        """Ends the program with a value (i64)."""

    @abstractmethod
    def block(self, body: Sequence[core.Stmt]) -> None:
        """The statements of a block."""

    # maps and records

    @abstractmethod
    def map_pointer(self, map_: core.Map) -> Value: ...

    @abstractmethod
    def map_key(self, map_: core.Map, key: core.Expr | None) -> Value: ...

    @abstractmethod
    def read_map(self, expr: core.ReadMap) -> Value:
        """A scalar value of a map, or a pointer to one in memory."""

    @abstractmethod
    def step_map(self, expr: core.Step, map_: core.Map, wanted: bool) -> Value: ...

    @abstractmethod
    def map_call(self, expr: core.MapCall) -> Value: ...

    @abstractmethod
    def emit(self, expr: core.Emit) -> None: ...

    @abstractmethod
    def equal(self, expr: core.Equal) -> Value: ...

    @abstractmethod
    def unwind(self, at: Value, limit: int, frame: int, process: Value, returns: tuple[int, ...]) -> Value: ...

    # debug locations

    @contextmanager
    def at(self, span: Span) -> Iterator[None]:
        """Instructions made inside stand for this place of the script."""
        before = self.b.suffix
        self.b.suffix = self.module.location(span, self.subprogram)
        yield
        self.b.suffix = before
