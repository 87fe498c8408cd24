"""What this kernel can do, found out by trying: one function for each feature, each tried once, when it is asked for.

A trial loads a program of a few instructions or creates something tiny, and takes around 0.1 ms. Versions are never
compared: distributions carry features back, and configurations leave them out.
"""

from __future__ import annotations

import errno
import os

from pytrace.hints import Any, Iterable, Iterator
from pytrace.kernel.abi import AttachType, MapFlags, ProgType
from pytrace.kernel.assemble import call, call_kfunc, exit_, insn, map_fd, mov, mov_register
from pytrace.kernel.links import link_kprobe_multi, link_uprobe_multi
from pytrace.kernel.maps import map_batches, map_create
from pytrace.kernel.programs import VerifierError, prog_load, prog_load_verbose
from pytrace.kernel.syscall import BpfError
from pytrace.once import cache
from pytrace.within import contextmanager

__all__ = [
    "available_memory", "batches", "btf", "d_path", "get_func_ip", "get_tai_ns", "helper", "info", "instruction_limit",
    "instruction_set", "int_pointers", "iter", "iter_kinds", "kfunc", "kfunc_allowed", "kfunc_id", "kprobe_multi",
    "kprobe_session", "lazy_maps", "lookup_percpu_elem", "loop", "map_type", "module_btf", "multi_returns_reversed",
    "number_iterator", "perf_link", "ringbuf", "uprobe_multi", "user_func_ip",
]

HELPERS = {
    "probe_read": 4, "probe_read_user": 112, "probe_read_kernel": 113, "ktime_get_boot_ns": 125, "ringbuf_output": 130,
    "get_task_stack": 141, "d_path": 147, "get_current_task_btf": 158, "for_each_map_elem": 164, "snprintf": 165,
    "get_func_ip": 173, "get_attach_cookie": 174, "task_pt_regs": 175, "loop": 181, "strncmp": 182,
    "get_func_arg": 183, "get_func_ret": 184, "map_lookup_percpu_elem": 195, "ktime_get_tai_ns": 208,
}
"""Numbers of the helpers that not every kernel has (include/uapi/linux/bpf.h)."""

_NO_SUCH_FUNCTION = "pytrace_no_such_function"


@contextmanager
def _program(type: str, code: bytes, **options: int | str) -> Iterator[int]:
    fd = prog_load(type, code, name="pytrace_probe", **options)  # type: ignore[arg-type]  # keywords of `prog_load`
    try:
        yield fd
    finally:
        os.close(fd)


def _loads(type: str, code: bytes, **options: int | str) -> bool:
    try:
        with _program(type, code, **options):
            return True
    except BpfError:
        return False


# --- helpers and functions of the kernel ------------------------------------------------------------------------------


def _target(prog_type: str) -> dict[str, int | str]:
    """What a program of a type that is bound to something must name to be loaded at all."""
    if prog_type != "tracing":
        return {}
    from pytrace.kernel.btf import Kind, kernel_btf

    kernel = kernel_btf()
    found = kernel.find("btf_trace_sched_switch", Kind.TYPEDEF) if kernel is not None else None
    if found is None:
        return {}
    return {"expected_attach_type": AttachType.TRACE_RAW_TP, "attach_btf_id": found.id}


def _complaint(prog_type: str, code: bytes, **options: int | str) -> str | None:
    """What the verifier says about a program that cannot be right; None if it was not even looked at."""
    asked: dict[str, Any] = {"log_level": 1, **_target(prog_type), **options}  # a log later is a second look
    try:
        fd, _ = prog_load_verbose(prog_type, code, name="pytrace_probe", **asked)
    except VerifierError as error:
        return error.log or None
    os.close(fd)
    return ""


@cache
def helper(name: str, prog_type: str = "kprobe") -> bool:
    """Whether programs of a type may call a helper, named without `bpf_`: called without arguments, it must fail for
    want of them, not for being unknown."""
    log = _complaint(prog_type, call(HELPERS[name]) + exit_(0))
    refused = ("invalid func ", "unknown func ", "cannot use helper")
    return log is not None and not any(text in log for text in refused)


@cache
def kfunc(name: str) -> bool:
    """Whether the kernel has a function of that name (as far as its type information tells)."""
    return kfunc_id(name) is not None


@cache
def kfunc_id(name: str) -> int | None:
    """The number of a function in the kernel's own type information."""
    from pytrace.kernel.btf import Kind, kernel_btf

    if (kernel := kernel_btf()) is None:
        return None
    if (guess := kernel.likely_function(name)) is not None and _is_function(guess, name):
        return guess
    found = kernel.find(name, Kind.FUNC)
    return found.id if found is not None else None


def _is_function(id: int, name: str) -> bool:
    """Whether the verifier calls a function of the kernel by that name when it refuses a call without arguments."""
    log = _complaint("raw_tracepoint", call_kfunc(id) + exit_(0))
    return log is not None and (f" call {name}#{id}" in log or f"kernel function {name} is not allowed" in log)


@cache
def kfunc_allowed(name: str, prog_type: str) -> bool:
    """Whether programs of a type may call a function of the kernel."""
    id = kfunc_id(name)
    if id is None:
        return False
    log = _complaint(prog_type, call_kfunc(id) + exit_(0))
    return log is not None and "is not allowed" not in log and "not supported" not in log


def loop() -> bool:
    """The helper bpf_loop (Linux 5.17)."""
    return helper("loop")


def get_func_ip() -> bool:
    """The helper bpf_get_func_ip (Linux 5.15)."""
    return helper("get_func_ip")


def user_func_ip() -> bool:
    """The same helper for functions of user space. It cannot be tried without tracing something; both came with
    Linux 6.6, to one end."""
    return get_func_ip() and uprobe_multi()


def get_tai_ns() -> bool:
    """The helper bpf_ktime_get_tai_ns (Linux 6.1)."""
    return helper("ktime_get_tai_ns")


def lookup_percpu_elem() -> bool:
    """The helper bpf_map_lookup_percpu_elem (Linux 5.19)."""
    return helper("map_lookup_percpu_elem")


@cache
def d_path() -> bool:
    """The helper bpf_d_path in fentry programs (Linux 5.10), which only certain functions may use."""
    from pytrace.kernel.btf import Kind, kernel_btf

    kernel = kernel_btf()
    found = kernel.find("filp_close", Kind.FUNC) if kernel is not None else None
    if found is None:
        return False
    log = _complaint(
        "tracing", call(HELPERS["d_path"]) + exit_(0), expected_attach_type=AttachType.TRACE_FENTRY,
        attach_btf_id=found.id,
    )
    return log is not None and "unknown func" not in log and "cannot use helper" not in log


@cache
def number_iterator() -> bool:
    """Open-coded iteration over numbers: the functions bpf_iter_num_… (Linux 6.4)."""
    ids = [kfunc_id(f"bpf_iter_num_{name}") for name in ("new", "next", "destroy")]
    new, _, destroy = ids
    if new is None or destroy is None or None in ids:
        return False
    iterator = mov_register(1, 10, -8)
    code = iterator + mov(2, 0) + mov(3, 1) + call_kfunc(new) + iterator + call_kfunc(destroy) + exit_(0)
    return _loads("raw_tracepoint", code)


# --- instructions -----------------------------------------------------------------------------------------------------


@cache
def instruction_limit() -> int:
    """How many instructions a program may have: 4,096, or a million since Linux 5.2."""
    return 1000000 if _loads("raw_tracepoint", mov(0, 0) * 4097 + exit_()) else 4096


@cache
def instruction_set() -> str:
    """The version of the instruction set for the code generator: "v4" (Linux 6.6) has signed division, else "v3"."""
    signed_division = insn(0x37, 0, offset=1, imm=2)
    return "v4" if _loads("raw_tracepoint", mov(0, -4) + signed_division + exit_()) else "v3"


@cache
def int_pointers() -> bool:
    """Whether typed programs may load an argument that is a pointer to an integer (Linux 5.18)."""
    from pytrace.kernel.btf import Kind, kernel_btf

    kernel = kernel_btf()
    # Its second argument is one: hrtimer_expire_entry(struct hrtimer *, ktime_t *).
    found = kernel.find("btf_trace_hrtimer_expire_entry", Kind.TYPEDEF) if kernel is not None else None
    if found is None:
        return False
    options = {"expected_attach_type": AttachType.TRACE_RAW_TP, "attach_btf_id": found.id}
    return _loads("tracing", insn(0x79, 0, 1, offset=8) + exit_(0), **options)


# --- maps -------------------------------------------------------------------------------------------------------------


@cache
def map_type(name: str) -> bool:
    """Whether maps of a type can be created."""
    rings = name in ("ringbuf", "user_ringbuf")
    try:
        os.close(map_create(name, 0 if rings else 4, 0 if rings else 8, 4096 if rings else 1))
    except (BpfError, ValueError):
        return False
    return True


def ringbuf() -> bool:
    """BPF ring buffers (Linux 5.8)."""
    return map_type("ringbuf")


@cache
def batches(type: str = "hash") -> bool:
    """Whether maps of a type can be read in batches (hash: Linux 5.6, array and per-CPU types later)."""
    from pytrace.kernel.maps import stored_size

    fd = map_create(type, 4, 8, 1)
    try:
        list(map_batches(fd, 4, stored_size(type, 8)))
    except BpfError:
        return False
    finally:
        os.close(fd)
    return True


@cache
def lazy_maps() -> bool:
    """Whether all kinds of programs may use hash maps that allocate elements when they are added (Linux 6.1)."""
    fd = map_create("hash", 4, 8, 1, flags=MapFlags.NO_PREALLOC)
    try:
        return _loads("perf_event", map_fd(1, fd) + exit_(0))
    finally:
        os.close(fd)


# --- ways to attach ---------------------------------------------------------------------------------------------------


def _multi_errno(session: bool) -> int:
    """What attaching to a function that does not exist fails with."""
    kind = AttachType.TRACE_KPROBE_SESSION if session else AttachType.TRACE_KPROBE_MULTI
    try:
        with _program("kprobe", exit_(0), expected_attach_type=kind) as fd:
            os.close(link_kprobe_multi(fd, [_NO_SUCH_FUNCTION], session=session))
    except BpfError as error:
        return error.errno or 0
    return 0


@cache
def kprobe_multi() -> bool:
    """One link for many kernel functions (Linux 5.18, CONFIG_FPROBE)."""
    return _multi_errno(session=False) in (errno.ESRCH, errno.ENOENT)


@cache
def kprobe_session() -> bool:
    """One program for entry and return of kernel functions (Linux 6.12)."""
    return _multi_errno(session=True) in (errno.ESRCH, errno.ENOENT)


@cache
def multi_returns_reversed() -> bool:
    """Whether of two links for returns of kernel functions the later one runs first (as in Linux 7.2, not in 6.12).
    Tried with a call that does not wait; links are needed, and take some milliseconds to go."""
    from pytrace.kernel.functions import traceable
    from pytrace.kernel.maps import map_lookup, map_update

    # One of them is called, by which name depends on the machine.
    functions = [name for name in traceable().modules if name.endswith("sys_getppid")]
    first = map_create("array", 4, 8, 1)
    fds = [first]
    try:
        for number in (1, 2):
            # Whoever comes first writes its number.
            code = insn(0x18, 1, 2, imm=first) + insn(0) + insn(0x79, 2, 1) + insn(0x55, 2, offset=2, imm=0)
            code += mov(2, number) + insn(0x7B, 1, 2) + exit_(0)
            kind = AttachType.TRACE_KPROBE_MULTI
            fds.append(prog_load("kprobe", code, expected_attach_type=kind, name="pytrace_probe"))
            fds.append(link_kprobe_multi(fds[-1], functions, returns=True))
        map_update(first, bytes(4), bytes(8))
        os.getppid()
        return map_lookup(first, bytes(4), 8) == (2).to_bytes(8, "little")
    except BpfError:
        return False
    finally:
        for fd in reversed(fds):
            os.close(fd)


@cache
def uprobe_multi() -> bool:
    """One link for many places of a file (Linux 6.6)."""
    try:
        with _program("kprobe", exit_(0), expected_attach_type=AttachType.TRACE_UPROBE_MULTI) as fd:
            os.close(link_uprobe_multi(fd, "/", [0]))
    except BpfError as error:
        # A directory is refused as such only by a kernel that got so far as to look.
        return error.errno == errno.EBADF
    return False


def perf_link() -> bool:
    """BPF links and cookies for perf events (Linux 5.15)."""
    from pytrace.kernel.perf import has_links

    return has_links()


@cache
def iter_kinds() -> tuple[str, ...]:
    """The iterators that the kernel's type information names, sorted: each has a context, `struct bpf_iter__NAME`, and
    a function that programs are typed after, `bpf_iter_NAME`."""
    from pytrace.kernel.btf import Kind, kernel_btf

    kernel = kernel_btf()
    if kernel is None:
        return ()
    names = (n.removeprefix("bpf_iter__") for n in kernel.names(Kind.STRUCT) if n.startswith("bpf_iter__"))
    return tuple(sorted(n for n in names if kernel.find(f"bpf_iter_{n}", Kind.FUNC) is not None))


@cache
def iter() -> bool:
    """Iterators over tasks (Linux 5.8)."""
    from pytrace.kernel.btf import Kind, kernel_btf

    kernel = kernel_btf()
    found = kernel.find("bpf_iter_task", Kind.FUNC) if kernel is not None else None
    if found is None:
        return False
    options = {"expected_attach_type": AttachType.TRACE_ITER, "attach_btf_id": found.id}
    return _loads(ProgType.TRACING.name, exit_(0), **options)


# --- the machine ------------------------------------------------------------------------------------------------------


def btf() -> bool:
    """Type information of the kernel."""
    from pytrace.kernel.btf import kernel_btf_path

    return kernel_btf_path() is not None


def module_btf() -> bool:
    """Type information of loaded modules (Linux 5.11); no if no module is loaded."""
    from pytrace.kernel.btf import modules

    return bool(modules())


def available_memory() -> int:
    """Memory that can be used without swapping, in bytes."""
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def info(disabled: Iterable[str] = ()) -> dict[str, dict[str, bool | int]]:
    """What `--info` shows: section to name to yes, no or a number. `disabled` are features switched off by the user."""
    off = frozenset(disabled)
    sections: dict[str, dict[str, bool | int]] = {
        "Kernel helpers": {
            "dpath": d_path(), "get_tai_ns": get_tai_ns(), "get_func_ip": get_func_ip(),
            "lookup_percpu_elem": lookup_percpu_elem(), "loop": loop(),
        },
        "Kernel features": {"Instruction limit": instruction_limit(), "btf": btf(), "module btf": module_btf()},
        "Probe types": {
            "kprobe_multi": kprobe_multi(), "uprobe_multi": uprobe_multi(), "kprobe_session": kprobe_session(),
            "iter": iter(),
        },
    }
    return {
        title: {name: value and name not in off for name, value in rows.items()} if title == "Probe types" else rows
        for title, rows in sections.items()
    }
