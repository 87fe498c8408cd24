"""Captured stacks (LIBRARY 5.1)."""

from __future__ import annotations

import os

from pytrace.builtins.process import current_id, kernel_types, own_pid_namespace
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING, Sequence
from pytrace.semantics import program as core
from pytrace.semantics.types import Stack, size_of
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

FAMILY = "stacks"

MODES = ("bpftrace", "perf", "raw", "build_id")
DEFAULT_LIMIT = 127
"""How many frames are captured without a limit."""
MAX_LIMIT = 1024

# Flags of bpf_get_stack (include/uapi/linux/bpf.h).
_USER_STACK = 1 << 8
_USER_BUILD_ID = 1 << 11


def _check_stack(site: CallSite, t: Typer) -> core.Expr:
    mode, limit = t.config.stack_mode, DEFAULT_LIMIT
    given = list(site.given)
    chosen = isinstance(given[0], tree.Ident) if given else False
    if chosen:
        word = given.pop(0)
        assert isinstance(word, tree.Ident)
        mode = word.name
        if mode not in MODES:
            message = f"{site.name}: Invalid value for stack_mode: valid values are {', '.join(MODES)}"
            return t.error(word.span, message)
    if len(given) > 1:
        return t.error(site.span, f"{site.name}() takes a stack mode first, then a limit")
    if given:
        value = t.literal(given[0])
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            return t.error(site.span, f"{site.name}: invalid limit value")
        limit = value
        if limit > MAX_LIMIT:
            message = f"{site.name}([int limit]): limit shouldn't exceed {MAX_LIMIT}, {limit} given"
            return t.error(site.span, message)
    if site.name == "kstack" and mode == "build_id":
        if chosen:
            return t.error(site.span, "'build_id' stack mode can only be used for ustack")
        t.warning(site.span, "'build_id' stack mode can only be used for ustack, falling back to 'raw' for kstack")
        mode = "raw"
    kernel = site.name == "kstack"
    namespace = None if kernel else own_pid_namespace()
    return core.Call(Stack("kstack" if kernel else "ustack", mode, limit), site.span, site.name, static=namespace or ())


def frame_size(type_: Stack) -> int:
    """Bytes of a frame."""
    return 32 if type_.mode == "build_id" else 8


def _fill_head(e: Emitter, namespace: Sequence[object], at: Value) -> Value:
    """No frames so far, and whose stack it is; gives the id of the process."""
    process = current_id(e, namespace, process=True)
    e.b.store(process, at, 8)
    e.b.store(current_id(e, namespace, process=False), at, 12)
    e.b.store(0, at)
    return process


def _fill_stack(e: Emitter, call: core.Call, at: Value) -> None:
    """The stack, taken here unless the same run has one already."""
    kept = e.kept(call.type)
    if kept is None:
        _take_stack(e, call, at)
        return
    e.when(e.b.slt(e.b.load("i64", kept), 0), lambda: _take_stack(e, call, kept))
    e.copy(at, kept, size_of(call.type))


def _take_stack(e: Emitter, call: core.Call, at: Value) -> None:
    """The number of frames, whose stack it is, and the frames. The kernel fills what is left over with zeros, as stacks
    that are compared need it (__bpf_get_stack in kernel/bpf/stackmap.c)."""
    b, type_ = e.b, call.type
    assert isinstance(type_, Stack)
    user = type_.kind == "ustack"
    flags = _USER_STACK if user else 0
    frame = frame_size(type_)
    if type_.mode == "build_id":
        flags |= _USER_BUILD_ID
    head, size = (16 if user else 8), frame * type_.limit
    if user:
        _fill_head(e, call.static, at)
    else:
        b.store(0, at)
    if not size:
        return
    frames = b.gep(at, head)
    length = e.helper("get_stack", e.context_pointer(), frames, size, flags)

    def failed() -> None:
        e.report(type_.kind, call.span, "get_stack", length)

    def captured() -> None:
        count = b.lshr(length, frame.bit_length() - 1)
        b.store(count, at)
        # Of a stack with just as many frames nobody can tell.
        e.when(b.uge(count, e.session("stack_depth")), lambda: e.lose("stack", type_.kind, call.span))

    e.when(b.slt(length, 0), failed, captured)


for _name, _doc in (
    ("kstack", "The kernel's stack: the functions that led to the probe."),
    ("ustack", "The stack of the current process."),
):
    declare(Builtin(
        _name, _check_stack, None, (_name, f"{_name}(limit)", f"{_name}(mode)", f"{_name}(mode, limit)"),
        f"{_doc} At most `limit` frames (127; up to 1024), printed as `mode` says: "
        f"{', '.join(MODES if _name == 'ustack' else MODES[:3])}.",
        FAMILY, (0, 2), bare=True, core=True, fill=_fill_stack,
    ))  # fmt: skip


def _check_unwound(site: CallSite, t: Typer) -> core.Expr:
    """The stack by unwind tables. Which processes have some is known when the session starts."""
    if os.uname().machine != "x86_64":
        return t.error(site.span, "dw_ustack is available on x86_64 only")
    from pytrace.kernel import features

    if not features.loop() or not features.helper("task_pt_regs"):
        return t.error(site.span, "dw_ustack needs Linux 5.17 (the helpers bpf_loop and bpf_task_pt_regs)")
    checked = _check_stack(site, t)
    if isinstance(checked, core.Call):
        return replace(checked, static=(checked.static, _return_offsets(t)))
    return checked


def _return_offsets(t: Typer) -> tuple[int, ...]:
    """Where the kernel keeps the return addresses that uretprobes replace (include/linux/uprobes.h); empty for a kernel
    that keeps them elsewhere."""
    types = kernel_types(t)
    offsets = []
    for name, member in (
        ("task_struct", "utask"), ("uprobe_task", "return_instances"), ("return_instance", "stack"),
        ("return_instance", "orig_ret_vaddr"), ("return_instance", "next"),
    ):
        struct = types.struct("struct", name)
        definition = types.definition(struct) if struct is not None else None
        field = definition.field(member) if definition is not None else None
        if field is None:
            return ()
        offsets.append(field.offset)
    return tuple(offsets)


def _fill_unwound(e: Emitter, call: core.Call, at: Value) -> None:
    b, type_ = e.b, call.type
    assert isinstance(type_, Stack)
    frame = frame_size(type_)
    namespace, returns = call.static
    assert isinstance(namespace, tuple) and isinstance(returns, tuple)
    process = _fill_head(e, namespace, at)
    if not type_.limit:
        return
    frames = b.gep(at, 16)
    if e.strict:
        e.zero(frames, frame * type_.limit)
    count = e.unwind(frames, type_.limit, frame, process, returns)
    e.when(b.slt(count, 0), lambda: e.report("dw_ustack", call.span, "", count), lambda: b.store(count, at))


declare(Builtin(
    "dw_ustack", _check_unwound, None,
    ("dw_ustack", "dw_ustack(limit)", "dw_ustack(mode)", "dw_ustack(mode, limit)"),
    "The stack of the current process, which needs no frame pointers: found by the unwind tables of its files. For the "
    "processes of -p, -c and --dwarf-pid; x86_64 only. Takes what ustack takes.",
    FAMILY, (0, 2), bare=True, fill=_fill_unwound,
))  # fmt: skip
