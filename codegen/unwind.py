"""The stack of a process without frame pointers: unwound in the kernel, by tables (`unwind_layout.py`).

One function is a step from a frame to its caller; `bpf_loop` calls it until the stack ends. It is a callback so that
the verifier looks at it once, and not once for each frame. A stack is then as good as any other: a map key, a value,
and independent of whether its process lives on. What is in a process's memory is taken for what it is: an address
that no table knows, or memory that cannot be read, ends the stack with `FAILED`.

The search is without branches: with them, the verifier would look at each path through it.
"""

from __future__ import annotations

from pytrace.codegen.builder import Builder
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.frame import Frame
from pytrace.codegen.helpers import HELPERS
from pytrace.codegen.image import MapImage
from pytrace.codegen.memory import Memory
from pytrace.codegen.module import NO_PREALLOC, Module
from pytrace.codegen.unwind_layout import (
    BLOCK,
    FAILED,
    MAX_PROCESSES,
    MAX_RULES,
    MAX_TABLES,
    NO_TABLE,
    PIDS,
    RULE_SIZE,
    RULES,
    SAME,
    SPANS,
    SPANS_SIZE,
    TABLE_ROWS,
    TABLE_SIZE,
    TABLES,
)
from pytrace.kernel.frame_rules import SAVED, Kind

__all__ = ["unwind"]

# The work area, in scratch memory: the registers by their DWARF numbers; the address of the instruction; 1 if the
# instruction is the next one to run, 0 if it follows a call; what was read from the stack; keys for lookups; the
# innermost call with a uretprobe that was not met yet;
# the number of frames, and 1 if more could not be found.
_IP, _EXACT, _BLOCK, _KEY, _FIRST, _RETURNS, _COUNT, _FAILURE, _WORK_SIZE = 128, 136, 144, 320, 328, 336, 344, 352, 360
# The struct on the caller's stack: pointers, which the verifier must know. What changes is in the work area, of which
# it knows nothing: it would follow a counter on the stack from step to step.
_WORK, _SPANS, _FRAMES, _STATE_SIZE = 0, 8, 16, 24

_ATTRIBUTES = 'nounwind "no-jump-tables"="true"'
_PT_REGS = (80, 96, 88, 40, 104, 112, 32, 152, 72, 64, 56, 48, 24, 16, 8, 0)
"""Where struct pt_regs has the registers, by their DWARF numbers (arch/x86/include/asm/ptrace.h)."""
_PT_REGS_IP = 128
_CONTEXT, _CONTEXT_SIZE = 40, 136
"""Where the kernel saves registers for a signal handler, from the stack pointer behind its return address on: struct
sigcontext in struct ucontext (arch/x86/include/uapi/asm/sigcontext.h)."""
_SIGCONTEXT = (104, 96, 112, 88, 72, 64, 80, 120, 0, 8, 16, 24, 32, 40, 48, 56)
_SIGCONTEXT_IP = 128
_PRESERVED = sum(1 << register for register in (*SAVED, 7))
"""The registers that are known in a caller."""
_RBP, _RSP = 6, 7
_CHAINED = 4
"""How many calls with a uretprobe are looked at for one return address: functions that end by jumping to others share
one."""
_UNKNOWN_FRAME = 2
"""BPF_STACK_BUILD_ID_IP: a frame of which only the address is known."""


def unwind(e: Memory, at: Value, limit: int, frame: int, process: Value, returns: tuple[int, ...]) -> Value:
    """Writes the frames of the current process to `at`: at most `limit`, of `frame` bytes each. `process` is its id
    (i32), `returns` says where uretprobes keep return addresses (`Emitter.unwind`). Gives the number of frames
    (i64), or -1 for a process without tables."""
    b = e.b
    _add_maps(e.module)
    work, state = e.in_scratch(_WORK_SIZE), b.alloca(_STATE_SIZE)
    b.store(b.zext(process), work, _KEY)
    b.store(0, work, _FIRST)
    inner = e.pointer_helper("map_lookup_elem", e.module.map(PIDS), b.gep(work, _KEY))

    def known() -> Value:
        spans = e.pointer_helper("map_lookup_elem", inner, b.gep(work, _FIRST))
        return e.choose(b.is_null(spans), lambda: e.const(-1), lambda: run(spans))

    def run(spans: Value) -> Value:
        _start(e, work, returns)
        for offset, value in ((_WORK, work), (_SPANS, spans), (_FRAMES, at)):
            b.store(value, state, offset, volatile=True)
        b.store(0, work, _COUNT, volatile=True)
        b.store(0, work, _FAILURE, volatile=True)
        # A frame whose return address a uretprobe has replaced takes two steps.
        steps = 2 * limit if returns else limit
        step = _step(e.module, limit, frame, returns)
        e.helper("loop", steps, Value(f"@{step}", "ptr"), state, 0)
        count = b.load("i64", work, _COUNT, volatile=True)
        failed = b.ne(b.load("i64", work, _FAILURE, volatile=True), 0)
        index = b.barrier(count)

        def mark() -> Value:
            _write(b, _frame_at(b, at, index, limit, frame), frame, e.const(FAILED))
            return b.add(index, 1)

        def maybe() -> Value:
            return e.choose(b.ult(index, limit), mark, lambda: index)

        return e.choose(failed, maybe, lambda: count)

    return e.choose(b.is_null(inner), lambda: e.const(-1), known)


def _start(e: Memory, work: Value, returns: tuple[int, ...]) -> None:
    """The registers with which the process left user space, and its innermost call with a uretprobe."""
    b = e.b
    task = e.helper("get_current_task_btf")
    if returns:
        utask, instances = returns[:2]
        b.store(0, work, _RETURNS)
        probed = b.load("i64", b.inttoptr(task), utask, volatile=True)
        e.when(b.ne(probed, 0), lambda: b.store(
            b.load("i64", b.inttoptr(probed), instances, volatile=True), work, _RETURNS
        ))
    regs = b.inttoptr(e.helper("task_pt_regs", task))
    for number, offset in enumerate(_PT_REGS):
        b.store(b.load("i64", regs, offset, volatile=True), work, 8 * number)
    b.store(b.load("i64", regs, _PT_REGS_IP, volatile=True), work, _IP)
    b.store(1, work, _EXACT)


def _add_maps(module: Module) -> None:
    if PIDS not in module.maps:
        module.add_map(MapImage(PIDS, "hash_of_maps", 4, 4, MAX_PROCESSES, NO_PREALLOC, inner=SPANS_SIZE))
        module.add_map(MapImage(TABLES, "array_of_maps", 4, 4, MAX_TABLES, inner=TABLE_SIZE))
        module.add_map(MapImage(RULES, "array", 4, RULE_SIZE, MAX_RULES))
    for symbol in (PIDS, TABLES, RULES):
        module.map(symbol)


def _frame_at(b: Builder, frames: Value, index: Value, limit: int, frame: int) -> Value:
    """Where a frame is, whose index is known to be below the limit. The verifier learns it anew: LLVM compares one copy
    of the index and uses another, which only newer verifiers (Linux 6.8) know to be the same."""
    value = b.barrier(index)
    bounded = b.select(b.ugt(value, limit - 1), b.const(limit - 1), value)
    return b.gep(frames, b.mul(bounded, frame))


def _write(b: Builder, at: Value, frame: int, address: Value) -> None:
    if frame == 8:
        b.store(address, at)
        return
    b.store(_UNKNOWN_FRAME, at)
    for offset in (8, 16):
        b.store(0, at, offset)
    b.store(address, at, 24)


def _step(module: Module, limit: int, frame: int, returns: tuple[int, ...]) -> str:
    """The name of the function that takes a step, for stacks of that size."""
    name = f"unwind_{limit}_{frame}"
    start = f"define internal i64 @{name}("
    if not any(each.startswith(start) for each in module.functions):
        step = _Step(module, Builder(("index", "state"), lambda: module.features.fetching))
        step.build(limit, frame, returns)
        module.functions.append(Frame(name, step.b, None, 0, step.state).text(_ATTRIBUTES, "", ""))
    return name


class _Step:
    """The function that finds the caller of a frame. It gives 1 to end the stack."""

    def __init__(self, module: Module, b: Builder) -> None:
        self.module, self.b = module, b
        self.state = Value("%state", "ptr", 8)

    def _stop_if(self, cond: Value, label: str) -> None:
        following = self.b.block("on")
        self.b.cond_br(cond, label, following)
        self.b.place(following)

    def _lookup(self, map_: Value, key: Value) -> Value:
        """A map's element, which is there for what the tables say."""
        found = self.b.call_helper(HELPERS["map_lookup_elem"], (map_, key), "ptr", ANYWHERE)
        self._stop_if(self.b.is_null(found), "lost")
        return found

    def _read(self, to: Value, size: Value | int, address: Value) -> None:
        """Memory of the process; without it there is no way on."""
        length = self.b.const(size) if isinstance(size, int) else size
        result = self.b.call_helper(HELPERS["probe_read_user"], (to, length, address))
        self._stop_if(self.b.slt(result, 0), "failed")

    def _pointer(self, offset: int) -> Value:
        loaded = self.b.load("ptr", self.state, offset, volatile=True)
        return Value(loaded.text, "ptr", ANYWHERE)

    def _search(self, starts: Value, count: int, type_: str, wanted: Value) -> Value:
        """Which of the sorted numbers is the last that is not above `wanted` (i64); both are below 2**63."""
        b, index, half = self.b, self.b.const(0), count // 2
        shift = 3 if type_ == "i64" else 2
        while half:
            candidate = b.add(index, half)
            start = b.zext(b.load(type_, b.gep(starts, b.shl(candidate, shift)), volatile=True))
            below = b.and_(b.barrier(b.lshr(b.xor(b.barrier(b.sub(wanted, start)), -1), 63)), 1)
            # Behind the barrier LLVM does not know that no bit is in both, and so does not make an OR of the addition,
            # whose bounds verifiers before Linux 6.6 do not see.
            index = b.add(index, b.barrier(b.mul(below, half)))
            half //= 2
        return index

    def build(self, limit: int, frame: int, returns: tuple[int, ...]) -> None:
        b = self.b
        b.place("start")
        self.work = self._pointer(_WORK)
        index = b.barrier(b.load("i64", self.work, _COUNT, volatile=True))
        self._stop_if(b.uge(index, limit), "ended")
        ip, exact = b.load("i64", self.work, _IP), b.load("i64", self.work, _EXACT)
        address = b.add(b.sub(ip, 1), exact)  # of the call, behind which its function may end

        def write(place: Value) -> None:
            _write(b, _frame_at(b, self._pointer(_FRAMES), index, limit, frame), frame, place)
            b.store(b.add(index, 1), self.work, _COUNT, volatile=True)

        rule = self._rule(address)
        kind = b.zext(b.load("i8", rule))
        # A signal handler was not called: it returns to where a function begins.
        write(b.select(b.eq(kind, Kind.SIGNAL), ip, address))
        self._stop_if(b.uge(index, limit - 1), "ended")
        self._stop_if(b.eq(kind, Kind.NONE), "failed")
        self._stop_if(b.eq(kind, Kind.END), "ended")
        signal, normal, done = b.block("signal"), b.block("normal"), b.block("done")
        b.cond_br(b.eq(kind, Kind.SIGNAL), signal, normal)
        b.place(signal)
        self._from_signal()
        b.br(done)
        b.place(normal)
        self._from_call(rule, kind, ip, exact)
        b.place(done)
        # Where a stack begins, the return address is zero by convention.
        b.ret(b.zext(b.eq(b.load("i64", self.work, _IP, volatile=True), 0)))
        b.place("ended")
        b.ret(1)
        b.place("lost")
        if returns:
            self._return_address(returns)
        write(address)
        b.br("failed")
        b.place("failed")
        b.store(1, self.work, _FAILURE, volatile=True)
        b.ret(1)

    def _return_address(self, returns: tuple[int, ...]) -> None:
        """If a uretprobe has replaced the return address, the next step goes on with the one that was there: the kernel
        keeps it in a list, innermost call first, with its place on the stack."""
        b, work = self.b, self.work
        _, _, place, original, following = returns
        size = max(place, original, following) + 8
        slot, block = b.sub(b.load("i64", work, 8 * _RSP), 8), b.gep(work, _BLOCK)
        for _ in range(_CHAINED):
            instance, other = b.load("i64", work, _RETURNS, volatile=True), b.block("other")
            read, found = b.block("read"), b.block("found")
            b.cond_br(b.eq(instance, 0), "unknown", read)
            b.place(read)
            result = b.call_helper(HELPERS["probe_read_kernel"], (block, b.const(size), instance))
            self._stop_if(b.slt(result, 0), "unknown")
            b.store(b.load("i64", block, following), work, _RETURNS, volatile=True)
            b.cond_br(b.eq(b.load("i64", block, place), slot), found, other)
            b.place(found)
            b.store(b.load("i64", block, original), work, _IP)
            b.ret(0)
            b.place(other)
        b.place("unknown")

    def _rule(self, address: Value) -> Value:
        """The rule for an address, or the end of the stack."""
        b, work = self.b, self.work
        self._stop_if(b.ne(b.lshr(address, 62), 0), "lost")
        spans = self._pointer(_SPANS)
        span = self._search(spans, SPANS, "i64", address)
        entry = b.gep(b.gep(spans, 8 * SPANS), b.shl(span, 4))
        bias, table = b.load("i64", entry), b.load("i32", entry, 8)
        self._stop_if(b.eq(table, b.const(NO_TABLE, "i32")), "lost")
        place = b.sub(address, bias)
        self._stop_if(b.ne(b.lshr(place, 32), 0), "lost")
        key = b.gep(work, _KEY)
        b.store(table, key)
        rows = self._lookup(self._lookup(self.module.map(TABLES), key), b.gep(work, _FIRST))
        row = self._search(rows, TABLE_ROWS, "i32", place)
        b.store(b.load("i32", b.gep(b.gep(rows, 4 * TABLE_ROWS), b.shl(row, 2))), key)
        return self._lookup(self.module.map(RULES), key)

    def _from_signal(self) -> None:
        b, work, block = self.b, self.work, self.b.gep(self.work, _BLOCK)
        self._read(block, _CONTEXT_SIZE, b.add(b.load("i64", work, 8 * _RSP), _CONTEXT))
        for number, offset in enumerate(_SIGCONTEXT):
            b.store(b.load("i64", block, offset), work, 8 * number)
        b.store(b.load("i64", block, _SIGCONTEXT_IP), work, _IP)
        b.store(1, work, _EXACT)

    def _from_call(self, rule: Value, kind: Value, ip: Value, exact: Value) -> None:
        b, work = self.b, self.work
        register = b.and_(b.zext(b.load("i8", rule, 1)), 15)
        known = b.and_(b.lshr(b.const(_PRESERVED), register), 1)
        self._stop_if(b.eq(b.or_(known, exact), 0), "failed")
        base = b.load("i64", b.gep(work, b.shl(register, 3)))
        cfa = b.add(base, b.sext(b.load("i32", rule, 4)))
        more = b.sext(b.load("i32", rule, 8))

        loaded, plain, stub, found = (b.block(name) for name in ("loaded", "plain", "stub", "found"))
        b.cond_br(b.eq(kind, Kind.LOADED), loaded, plain)
        b.place(loaded)
        block = b.gep(work, _BLOCK)
        self._read(block, 8, cfa)
        aligned = b.add(b.load("i64", block), more)
        from_loaded = b.current
        b.br(found)
        b.place(plain)
        from_plain = b.current
        b.cond_br(b.eq(kind, Kind.PLT), stub, found)
        b.place(stub)
        pushed = b.zext(b.uge(b.and_(ip, 15), more))
        in_stub = b.add(cfa, b.shl(pushed, 3))
        from_stub = b.current
        b.br(found)
        b.place(found)
        cfa = b.phi((aligned, from_loaded), (cfa, from_plain), (in_stub, from_stub))
        # The stack of a caller is above.
        self._stop_if(b.ule(cfa, b.load("i64", work, 8 * _RSP)), "failed")

        places = [b.sext(b.load("i16", rule, 12 + 2 * n)) for n in range(len(SAVED) + 1)]
        depth = b.zext(b.load("i8", rule, 2))
        together, single, done = b.block("together"), b.block("single"), b.block("caller")
        b.cond_br(b.eq(depth, 0), single, together)
        b.place(together)
        self._read_together(cfa, depth, places)
        b.br(done)
        b.place(single)
        self._read_single(cfa, b.zext(b.load("i8", rule, 3)), places)
        b.place(done)
        b.store(cfa, work, 8 * _RSP)
        b.store(0, work, _EXACT)

    def _read_together(self, cfa: Value, depth: Value, places: list[Value]) -> None:
        """All that was saved, with one read."""
        b, work, block = self.b, self.work, self.b.gep(self.work, _BLOCK)
        size = b.and_(b.barrier(depth), 2 * BLOCK - 1)
        self._read(block, size, b.sub(cfa, size))

        def take(place: Value, to: int) -> None:
            b.store(b.load("i64", b.gep(block, b.and_(b.barrier(place), BLOCK - 8))), work, to)

        for register, place in zip(SAVED, places[:-1], strict=True):
            present, following = b.block("present"), b.block("next")
            b.cond_br(b.slt(place, 0), following, present)
            b.place(present)
            take(place, 8 * register)
            b.place(following)
        take(places[-1], _IP)

    def _read_single(self, cfa: Value, from_rbp: Value, places: list[Value]) -> None:
        b, work = self.b, self.work
        rbp = b.load("i64", work, 8 * _RBP)
        self._read(b.gep(work, _IP), 8, b.add(cfa, places[-1]))
        for n, (register, place) in enumerate(zip(SAVED, places[:-1], strict=True)):
            present, following = b.block("present"), b.block("next")
            b.cond_br(b.eq(place, SAME), following, present)
            b.place(present)
            base = b.select(b.ne(b.and_(from_rbp, 1 << n), 0), rbp, cfa)
            self._read(b.gep(work, 8 * register), 8, b.add(base, place))
            b.place(following)
