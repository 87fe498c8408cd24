"""The current process and thread: ids, names, users, the control group (LIBRARY 1)."""

from __future__ import annotations

import os

from pytrace.builtins.checks import (
    TRACING,
    among,
    argument,
    kernel_function_exists,
    provider,
    unknown,
    warn_at_run_time,
)
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.diagnostics import Span
from pytrace.hints import TYPE_CHECKING, Sequence
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    BOOL,
    I32,
    U32,
    U64,
    USERNAME,
    Int,
    Pointer,
    Space,
    Str,
    Struct,
    StructDef,
    Type,
    TypeTable,
)
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

COMM_SIZE = 16
"""TASK_COMM_LEN of the kernel: bytes of a thread's name, its NUL included."""

INITIAL_PID_NAMESPACE = 0xEFFFFFFC
"""PROC_PID_INIT_INO: the inode number of the first process-id namespace (include/linux/proc_ns.h)."""


# --- ids ----------------------------------------------------------------------------------------------------------


def own_pid_namespace() -> tuple[int, int] | None:
    """Device (as the kernel numbers it) and inode of this process's pid namespace; None in the initial one."""
    try:
        status = os.stat("/proc/self/ns/pid")
    except OSError:
        return None
    if status.st_ino == INITIAL_PID_NAMESPACE:
        return None
    # The kernel keeps 20 bits for the minor number; the system call's encoding differs (include/linux/kdev_t.h).
    return os.major(status.st_dev) << 20 | os.minor(status.st_dev), status.st_ino


def _check_id(site: CallSite, t: Typer) -> core.Expr:
    mode = "curr_ns"
    if site.given:
        node = site.given[0]
        if not isinstance(node, tree.Ident):
            return t.error(site.span, f"{site.name}() only supports curr_ns and init as the argument")
        mode = node.name
        if mode not in ("curr_ns", "init"):
            return t.error(node.span, f"Invalid PID namespace mode: {mode} (expects: curr_ns or init)")
    namespace = own_pid_namespace() if mode == "curr_ns" else None
    return core.Call(U32, site.span, site.name, static=namespace or ())


def _lower_id(e: Emitter, call: core.Call) -> Value:
    return current_id(e, call.static, process=call.name == "pid")


def current_id(e: Emitter, namespace: Sequence[object], *, process: bool) -> Value:
    """The id (i32) of the current process, or of the thread, in the initial namespace or in the one given by device
    and inode. A task that is not visible in that namespace has the id 0."""
    b = e.b
    if not namespace:
        both = e.helper("get_current_pid_tgid")
        return b.trunc(b.lshr(both, 32) if process else both, "i32")
    device, inode = namespace
    assert isinstance(device, int) and isinstance(inode, int)
    # struct bpf_pidns_info: the thread's id, then the process's. The helper zeroes it when it fails.
    info = e.scratch(8)
    e.helper("get_ns_current_pid_tgid", device, inode, info, 8)
    return b.load("i32", info, 4 if process else 0)


for _name, _doc in (
    ("pid", "The process id, as seen from the process-id namespace that pytrace runs in."),
    ("tid", "The thread id, as seen from the process-id namespace that pytrace runs in."),
):
    declare(Builtin(
        _name, _check_id, _lower_id, (_name, f"{_name}(curr_ns)", f"{_name}(init)"),
        f"{_doc} With `init`: in the initial namespace.", "process", (0, 1), bare=True, core=True,
    ))  # fmt: skip


def _check_user(site: CallSite, t: Typer) -> core.Expr:
    return core.Call(USERNAME if site.name == "username" else U64, site.span, site.name)


def _lower_user(e: Emitter, call: core.Call) -> Value:
    both = e.helper("get_current_uid_gid")
    return e.b.lshr(both, 32) if call.name == "gid" else e.b.and_(both, 0xFFFFFFFF)


declare(Builtin(
    "uid", _check_user, _lower_user, ("uid",), "The real user id, in the initial namespace.", "process", bare=True,
))  # fmt: skip
declare(Builtin(
    "gid", _check_user, _lower_user, ("gid",), "The real group id, in the initial namespace.", "process", bare=True,
))  # fmt: skip
declare(Builtin(
    "username", _check_user, _lower_user, ("username",), "The name of `uid`, looked up when it is printed.", "process",
    bare=True,
))  # fmt: skip


# --- the task -----------------------------------------------------------------------------------------------------


def kernel_types(t: Typer) -> TypeTable:
    """The kernel's own types, whatever structs of the same names the script defines."""
    return t.host.types if t.host is not None else t.types


def task_struct(t: Typer) -> tuple[Struct, StructDef] | None:
    """`struct task_struct` of the running kernel; None without BTF."""
    types = kernel_types(t)
    struct = types.struct("struct", "task_struct")
    definition = types.definition(struct) if struct is not None else None
    return (struct, definition) if struct is not None and definition is not None else None


def _typed_task() -> bool:
    """Whether programs get the current task as a pointer that they may read through (Linux 5.11)."""
    from pytrace.kernel import features

    return features.helper("get_current_task_btf")


def current_task(struct: Struct, span: Span) -> core.Expr:
    """The current task as a pointer to a struct. If that is the kernel's own, loads through it need no helper."""
    return core.Call(Pointer(struct, Space.KERNEL, trusted=bool(struct.source) and _typed_task()), span, "curtask")


def _check_curtask(site: CallSite, t: Typer) -> core.Expr:
    return current_task(t.types.struct("struct", "task_struct") or Struct("task_struct", 0), site.span)


def _lower_curtask(e: Emitter, call: core.Call) -> Value:
    trusted = isinstance(call.type, Pointer) and call.type.trusted
    return e.helper("get_current_task_btf" if trusted else "get_current_task")


declare(Builtin(
    "curtask", _check_curtask, _lower_curtask, ("curtask",), "The current task: a `struct task_struct *`.", "process",
    bare=True,
))  # fmt: skip


def _member(t: Typer, site: CallSite, task: core.Expr, path: Sequence[str], type_: Type) -> core.Expr:
    """A member of a task, through pointers to other tasks: all but the last name of `path` are such pointers."""
    known = task_struct(t)
    if known is None:
        return t.error(site.span, f"{site.name} needs the kernel's type information (BTF)")
    struct, definition = known
    trusted = isinstance(task.type, Pointer) and task.type.trusted
    for name in path:
        field = definition.field(name)
        if field is None:
            return t.error(site.span, f"this kernel's struct task_struct has no member {name}")
        step = type_ if name == path[-1] else Pointer(struct, Space.KERNEL)
        task = core.Load(step, site.span, task, field.offset, Space.KERNEL, trusted=trusted)
    return task


_RELATIVES = {
    "ppid": (("real_parent", "pid"), I32, "The id of the parent's leading thread, in the initial namespace"),
    "pcomm": (("real_parent", "comm"), Str(COMM_SIZE), "The parent's name"),
    "leader_tid": (("group_leader", "pid"), I32, "The id of the process's leading thread, in the initial namespace"),
    "leader_comm": (("group_leader", "comm"), Str(COMM_SIZE), "The name of the process's leading thread"),
}


def _check_relative(site: CallSite, t: Typer) -> core.Expr:
    path, type_, _ = _RELATIVES[site.name]
    if not site.given:
        known = task_struct(t)
        task = current_task(known[0] if known is not None else Struct("task_struct", 0), site.span)
        return _member(t, site, task, path, type_)
    task = argument(t, site, 0)
    if unknown(task):
        return core.Zero(type_, site.span)
    if not isinstance(task.type, Pointer) or getattr(task.type.pointee, "name", "") != "task_struct":
        return t.error(site.span, f"{site.name}() expects a struct task_struct * ({task.type} provided)")
    return _member(t, site, task, path, type_)


for _relative, (_path, _type, _doc) in _RELATIVES.items():
    declare(Builtin(
        _relative, _check_relative, None, (_relative, f"{_relative}(task)"),
        f"{_doc}, of the current or of the given task.", "process", (0, 1), bare=True,
    ))  # fmt: skip


# --- names --------------------------------------------------------------------------------------------------------


def _check_comm(site: CallSite, t: Typer) -> core.Expr:
    known = task_struct(t)
    field = known[1].field("comm") if known is not None else None
    if not site.given:
        readable = field is not None and _typed_task()
        return core.Call(Str(COMM_SIZE), site.span, "comm", static=(field.offset,) if field and readable else ())
    pid = argument(t, site, 0)
    if unknown(pid):
        return core.Zero(Str(64), site.span)
    if not isinstance(pid.type, Int):
        return t.error(site.span, "Only integer supported for comm()'s pid")
    if not among(t, TRACING):
        return t.error(site.span, f"comm(PID) can not be used in this probe type: {provider(t)}")
    if field is None:
        return t.error(site.span, "comm(PID) needs the kernel's type information (BTF)")
    if not kernel_function_exists("bpf_task_from_pid"):
        return core.Text(Str(64), site.span, b"[unknown]")
    return core.Call(Str(64), site.span, "comm", (core.Convert(I32, pid.span, pid),), (field.offset,))


def _fill_comm(e: Emitter, call: core.Call, at: Value) -> None:
    if call.args:
        _fill_comm_of(e, call, at)
    elif not call.static:
        e.helper("get_current_comm", at, COMM_SIZE)
    else:
        _copy_comm(e, e.b.inttoptr(e.helper("get_current_task_btf")), call.static[0], at)


def _copy_comm(e: Emitter, task: Value, offset: object, at: Value) -> None:
    """Two loads instead of a call. What stands behind the NUL is not always zero in a task (before Linux 6.14), but
    is in ours: names are compared and used as keys."""
    assert isinstance(offset, int)
    b = e.b
    words = [b.load("i64", task, offset + word) for word in range(0, COMM_SIZE, 8)]
    for number, word in enumerate(e.ended(words)):
        b.store(word, at, 8 * number)


def _fill_comm_of(e: Emitter, call: core.Call, at: Value) -> None:
    """The name of a process by its id, through a kernel function that takes a reference to the task."""
    pid = e.eval(call.args[0])
    e.zero(at, 64)
    task = e.kfunc("bpf_task_from_pid", pid, returns="ptr")

    def found() -> None:
        _copy_comm(e, task, call.static[0], at)
        e.kfunc("bpf_task_release", task, returns="void")

    def missing() -> None:
        e.copy(at, e.rodata(b"N/A\0"), 4)
        e.report("no_process", call.span, retcode=e.b.sext(pid))

    e.when(e.b.is_null(task), missing, found)


declare(Builtin(
    "comm", _check_comm, None, ("comm", "comm(pid)"),
    "The name of the current thread, or of the process with an id (in fentry, fexit, rawtracepoint and iter probes).",
    "process", (0, 1), bare=True, fill=_fill_comm,
))  # fmt: skip


# --- control groups and the child ---------------------------------------------------------------------------------


def _check_cgroup(site: CallSite, t: Typer) -> core.Expr:
    return core.Call(U64, site.span, "cgroup")


declare(Builtin(
    "cgroup", _check_cgroup, lambda e, call: e.helper("get_current_cgroup_id"), ("cgroup",),
    "The id of the current process's control group (version 2).", "process", bare=True,
))  # fmt: skip


def _has_child(t: Typer) -> bool:
    return t.options.child_path is not None


def _check_cpid(site: CallSite, t: Typer) -> core.Expr:
    if _has_child(t):
        return core.Call(U64, site.span, "cpid")
    return warn_at_run_time(site.span, "No child command (`-c`); cpid is zero", core.Const(U64, site.span, 0))


declare(Builtin(
    "cpid", _check_cpid, lambda e, call: e.session("child_pid"), ("cpid",), "The process id of the -c child, else 0.",
    "process", bare=True,
))  # fmt: skip


def _check_has_cpid(site: CallSite, t: Typer) -> core.Expr:
    return core.Const(BOOL, site.span, int(_has_child(t)))


declare(Builtin(
    "has_cpid", _check_has_cpid, None, ("has_cpid",), "Whether there is a -c child.", "process", bare=True,
))  # fmt: skip
