"""What the lowering of a builtin or an aggregation may use: the code generator seen from outside.

`codegen/function.py` implements it, one object per BPF program. LLVM itself is not imported here: lowering builds text
through typed operations, so the files of `builtins` and `aggregations` cost nothing on a warm start.
"""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.frozen import frozen
from pytrace.hints import TYPE_CHECKING, Callable, Protocol, Sequence
from pytrace.semantics import program as core
from pytrace.semantics.types import Space, Type

if TYPE_CHECKING:
    from pytrace.codegen.builder import Builder
    from pytrace.probes.contexts import ProbeContext


ANYWHERE = 64
"""The `align` of pointers into memory of maps and records, which may be accessed in any width at any place."""


@frozen
class Value:
    """An LLVM value: `text` as it stands in the IR (`%7`, `42`), `type` as "i1", "i8" … "i64", "ptr", or "void".

    `align` of a pointer is the widest access that is allowed there: the verifier refuses misaligned ones on the stack.
    """

    text: str
    type: str
    align: int = 1


class Emitter(Protocol):
    b: Builder
    """Appends instructions at the current place: arithmetic, loads and stores, compare, blocks, branches, phi."""
    probe: core.Probe
    config: core.Config
    context: ProbeContext
    exclusive: bool
    """Whether an update of the map at hand cannot be interrupted, on its CPU, by another update of the same map: the
    kernel never nests kprobe, tracepoint and perf-event programs in each other, nor a raw tracepoint or fentry program
    in itself; programs of uprobes are preempted, and different raw tracepoint programs do nest. Aggregations then add
    without atomic instructions."""

    # values
    def const(self, value: int, type_: str = "i64") -> Value: ...

    def eval(self, expr: core.Expr) -> Value:
        """The value of a scalar expression, in its own width (Bool is i1, pointers and enums are i64)."""

    def eval64(self, expr: core.Expr) -> Value:
        """The same extended to i64 by its signedness."""

    def object(self, expr: core.Expr) -> Value:
        """An address as the verifier knows it: to hand a kernel object to a helper. `eval` gives plain numbers."""

    def place(self, expr: core.Expr) -> Value:
        """A pointer to memory that holds the value of any expression (scalars are spilled). Read-only for the
        caller; valid until the
        end of the statement."""

    def store(self, expr: core.Expr, at: Value) -> None:
        """Evaluates the expression into memory at `at`, laid out as its type; padding is zeroed."""

    def session(self, name: str) -> Value:
        """An i64 that is not known before the session starts, which writes it into a frozen map: `start` (boot-clock
        nanoseconds at the start), `tai_offset` (what to add to the boot clock to get TAI, in nanoseconds), `child_pid`
        (of -c, else 0), `stack_depth` (the most frames that the kernel gives of a stack)."""

    def by_target(self, values: Sequence[int]) -> Value:
        """An i64 that depends on which of the probe's targets fired: one value for each of `probe.targets`."""

    def void(self) -> Value:
        """The value of an expression without one."""

    def clamp(self, value: Value, most: int) -> Value:
        """The unsigned minimum of an integer and a constant, as i64, in a form from which the verifier learns the
        bound: for sizes given to helpers, and offsets."""

    strict: bool
    """For `fill`: whether bytes behind the end of a string or buffer, and padding, have to be zero. They need not where
    only user space reads the value (a record)."""

    short: int
    """For `fill` of a string that is a key, or its end: if not 0, only so many bytes have to be valid and padded where
    the string is shorter than that, NUL included. Who honours it, or evaluates anything else, sets it to 0."""

    # memory
    def scratch(self, size: int, align: int = 8) -> Value:
        """Memory of this program for the rest of the probe: on the stack up to `on_stack_limit` bytes, else in its
        per-CPU map. Not zeroed."""

    def temporary(self, type_: Type) -> Value:
        """`scratch` for a value of the type."""

    def zero(self, at: Value, size: int) -> None: ...

    def end_string(self, at: Value, size: int) -> None:
        """Zeroes what stands behind the NUL of a string."""

    def ended(self, words: Sequence[Value]) -> list[Value]:
        """The words of a string (i64) with zeros for what stands behind the NUL."""

    def copy(self, to: Value, source: Value, size: int, align: int = 1) -> None: ...

    def rodata(self, data: bytes, align: int = 1) -> Value:
        """A pointer to constant bytes."""

    def variable(self, var: core.Var) -> Value:
        """The place of a scratch variable."""

    # the kernel
    def helper(self, name: str, *args: Value | int) -> Value:
        """Calls a BPF helper by its name without `bpf_` (`ktime_get_boot_ns`); gives i64. At most five arguments."""

    def kfunc(self, name: str, *args: Value | int, returns: str = "i64") -> Value:
        """Calls a kernel function that is offered to BPF programs."""

    def context_pointer(self) -> Value:
        """The program's context."""

    def read(self, to: Value, size: Value | int, address: Value, space: Space, span: Span) -> Value:
        """probe_read of the right kind; gives the helper's result and reports a failure with -k."""

    def read_string(self, to: Value, size: Value | int, address: Value, space: Space, span: Span) -> Value:
        """probe_read_str of the right kind; gives the length including NUL, or a negative error."""

    def kept(self, type_: Type) -> Value | None:
        """The place of a stack that this run takes once and uses several times, its count negative as long as it has
        not been taken; None for other stacks."""

    def unwind(self, at: Value, limit: int, frame: int, process: Value, returns: tuple[int, ...]) -> Value:
        """Writes the frames of the current process's stack to `at`, found by its unwind tables: at most `limit`, of
        `frame` bytes each. `process` is its id (i32). `returns` are the offsets of what leads to the return addresses
        that uretprobes replace: task_struct.utask, uprobe_task.return_instances, and return_instance's stack,
        orig_ret_vaddr and next; empty if they are not known. Gives the number of frames (i64); -1 without tables."""

    def map_pointer(self, map_: core.Map) -> Value:
        """The map, as helpers take it."""

    def map_key(self, map_: core.Map, key: core.Expr | None) -> Value:
        """A pointer to the key in memory, as helpers take it."""

    def report(self, error: str, span: Span, helper: str = "", retcode: Value | None = None) -> None:
        """Sends a run-time warning (`error` names it in `runtime/errors.py`)."""

    def lose(self, kind: str, subject: str, span: Span) -> None:
        """Counts a loss (`image.Loss`): for the rare cases only, it takes a call and a look-up."""

    def send_packet(self, call: core.Call) -> Value:
        """Sends a packet of the network to user space (`codegen/packets.py`); gives the helper's result."""

    def check(self, result: Value, helper: str, span: Span) -> None:
        """With -k: reports a helper whose result (i64) is negative. Without it, nothing."""

    # control
    def when(self, cond: Value, then: Callable[[], None], orelse: Callable[[], None] | None = None) -> None:
        """Branches on an i1 and joins again."""

    def choose(self, cond: Value, then: Callable[[], Value], orelse: Callable[[], Value]) -> Value:
        """Branches on an i1; the value of the side taken (a phi)."""

    def count_to(self, count: Value | int, most: int, body: Callable[[Value], None]) -> None:
        """A small loop whose body gets 0, 1, … below `count` (at most `most`, which the verifier walks through one by
        one). `body` cannot break it; it keeps what it computes in memory."""

    def leave(self) -> None:
        """Ends the program."""
