"""The `bpf(2)` system call: attributes in, a result or a `BpfError` out.

`union bpf_attr` is passed as packed bytes. The kernel accepts any length: what is missing reads as zero, and what an
older kernel does not know must be zero. So callers pass only the fields they mean.
"""

from __future__ import annotations

import errno
import os

from pytrace.hints import TYPE_CHECKING
from pytrace.kernel.abi import Cmd, syscall_number
from pytrace.kernel.clib import addressof, c_char, c_char_p, function, get_errno
from pytrace.once import cache
from pytrace.problem import Problem

if TYPE_CHECKING:
    from mmap import mmap

__all__ = [
    "ENOTSUPP", "BpfError", "address", "address_of_buffer", "bpf", "bpf_or_errno", "call", "raise_open_files",
]

ENOTSUPP = 524
"""An error number internal to the kernel which BPF lets out; the C library has no text for it."""

_syscall = function("syscall")
_NR_BPF = syscall_number("bpf")


class BpfError(Problem, OSError):
    """A failed call about BPF or perf. `operation` says what was tried, `errno` is the kernel's number."""

    def __init__(self, number: int, operation: str, detail: str = "") -> None:
        reason = "Operation not supported" if number == ENOTSUPP else os.strerror(number)
        super().__init__(number, reason)
        self.operation = operation
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.operation}: {self.strerror}{f' ({self.detail})' if self.detail else ''}"


def address(data: bytes) -> int:
    """The address of the bytes, which the caller must keep alive. For what the kernel only reads."""
    return int.from_bytes(c_char_p(data), "little")  # the pointer itself


def address_of_buffer(buffer: bytearray | memoryview | mmap) -> int:
    """The address of a writable buffer, which the caller must keep alive. For what the kernel writes."""
    return addressof(c_char.from_buffer(buffer)) if len(buffer) else 0


@cache
def _raise_memlock() -> bool:
    """Lift RLIMIT_MEMLOCK, which kernels before 5.11 charge BPF memory to; tells whether that was possible."""
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        return False
    return True


@cache
def raise_open_files() -> bool:
    """Lift the soft limit on open files to the hard one; tells whether that was possible."""
    import resource

    try:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):
        return False
    return True


def call(number: int, *args: object) -> int:
    """A system call that may open a file: its result, or the negative error number. At the soft limit on open files
    (often 1024, while each attached event takes two) the limit is lifted."""
    result: int = _syscall(number, *args)
    if result >= 0:
        return result
    error = get_errno()
    if error == errno.EMFILE and raise_open_files():
        result = _syscall(number, *args)
        error = get_errno()
    return result if result >= 0 else -error


def bpf_or_errno(cmd: int, attr: bytearray) -> int:
    """`bpf(2)`: its result, or the negative error number. `attr` is read and, where the command gives results,
    written.

    A creation that is refused with EPERM is tried once more without limit on locked memory.
    """
    memory = (c_char * len(attr)).from_buffer(attr)
    result = call(_NR_BPF, cmd, memory, len(attr))
    if result == -errno.EPERM and cmd in (Cmd.MAP_CREATE, Cmd.PROG_LOAD) and _raise_memlock():
        result = call(_NR_BPF, cmd, memory, len(attr))
    return result


def bpf(cmd: int, attr: bytearray, operation: str) -> int:
    """`bpf_or_errno` that raises `BpfError`, saying what was tried."""
    result = bpf_or_errno(cmd, attr)
    if result < 0:
        raise BpfError(-result, operation)
    return result
