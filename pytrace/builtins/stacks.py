"""Captured stacks (LIBRARY 5.1)."""

from __future__ import annotations

import os

from pytrace.builtins.process import current_id, own_pid_namespace
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import Stack
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

FAMILY = "stacks"

MODES = ("bpftrace", "perf", "raw", "build_id")
DEFAULT_LIMIT = 127
"""What is captured without a limit, and at most: the default of kernel.perf_event_max_stack."""
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
    namespace = own_pid_namespace() if site.name == "ustack" else None
    return core.Call(Stack(site.name, mode, limit), site.span, site.name, static=namespace or ())


def _fill_stack(e: Emitter, call: core.Call, at: Value) -> None:
    """The number of frames, whose stack it is, and the frames. What the kernel does not fill must be zero where stacks
    are compared."""
    b, type_ = e.b, call.type
    assert isinstance(type_, Stack)
    user = type_.kind == "ustack"
    flags = _USER_STACK if user else 0
    frame = 8
    if type_.mode == "build_id":
        flags |= _USER_BUILD_ID
        frame = 32
    head, size = (16 if user else 8), frame * type_.limit
    if user:
        b.store(current_id(e, call.static, process=True), at, 8)
        b.store(current_id(e, call.static, process=False), at, 12)
    b.store(0, at)
    if not size:
        return
    frames = b.gep(at, head)
    if e.strict:
        e.zero(frames, size)
    length = e.helper("get_stack", e.context_pointer(), frames, size, flags)

    def failed() -> None:
        e.report(type_.kind, call.span, "get_stack", length)

    def captured() -> None:
        b.store(b.lshr(length, frame.bit_length() - 1), at)
        if type_.limit >= DEFAULT_LIMIT:
            e.when(b.uge(length, frame * DEFAULT_LIMIT), lambda: e.lose("stack", type_.kind, call.span))

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


def _check_dwarf_stack(site: CallSite, t: Typer) -> core.Expr:
    if os.uname().machine != "x86_64":
        return t.error(site.span, "dw_ustack is available on x86_64 only")
    return t.error(
        site.span, "dw_ustack: unwinding by DWARF tables is not part of this version",
        hints=["ustack follows frame pointers, which programs built with -fno-omit-frame-pointer have"],
    )


declare(Builtin(
    "dw_ustack", _check_dwarf_stack, None, (), "", FAMILY, (0, 2), bare=True, internal=True,
))  # fmt: skip
