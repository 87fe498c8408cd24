"""Registers of the traced context: where `struct pt_regs` (or what user space sees of it) keeps them.

Offsets are in bytes and follow arch/*/include/uapi/asm/ptrace.h; calling conventions follow bpf_tracing.h of libbpf.
"""

from __future__ import annotations

import os

from pytrace.frozen import frozen
from pytrace.once import cache
from pytrace.probes.contexts import ContextField
from pytrace.semantics.types import U64, Space

__all__ = ["Registers", "argument_fields", "pt_regs_size", "registers", "return_field"]


@frozen
class Registers:
    """`names` are what `reg()` accepts; `arguments` hold the first integer arguments of a function, in order; `result`
    what it returns; `stack` the stack pointer. `size` is that of the whole in a kprobe's context. `watch_modes` are
    what hardware breakpoints can do."""

    arch: str
    names: dict[str, int]
    arguments: tuple[str, ...]
    result: str
    stack: str
    size: int
    watch_modes: tuple[str, ...]


def _numbered(prefix: str, count: int, start: int = 0) -> dict[str, int]:
    return {f"{prefix}{n}": start + 8 * n for n in range(count)}


def _sequence(*names: str, start: int = 0) -> dict[str, int]:
    return {name: start + 8 * n for n, name in enumerate(names)}


_X86_NAMES = _sequence(
    "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di", "orig_rax", "ip",
    "cs", "flags", "sp", "ss",
)
_RISCV_NAMES = _sequence(
    "pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s2",
    "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
)

_TABLE = {
    "x86_64": Registers(
        "x86_64", _X86_NAMES | {"pc": _X86_NAMES["ip"]}, ("di", "si", "dx", "cx", "r8", "r9"), "ax", "sp", 168,
        ("x", "w", "rw"),
    ),
    "aarch64": Registers(
        "arm64", _numbered("r", 31) | {"sp": 248, "pc": 256, "pstate": 264}, tuple(f"r{n}" for n in range(8)), "r0",
        "sp", 336, ("r", "w", "x", "rw"),
    ),
    "riscv64": Registers("riscv64", _RISCV_NAMES, tuple(f"a{n}" for n in range(8)), "a0", "sp", 288, ()),
    "loongarch64": Registers(
        "loongarch64", _numbered("r", 32) | {"sp": 24, "pc": 264}, tuple(f"r{n}" for n in range(4, 12)), "r4", "sp",
        360, (),
    ),
    "ppc64le": Registers(
        "ppc64",
        _numbered("r", 32)
        | _sequence("nip", "msr", "orig_gpr3", "ctr", "link", "xer", "ccr", "softe", "trap", "dar", "dsisr", "result",
                    start=256),
        tuple(f"r{n}" for n in range(3, 11)), "r3", "r1", 352, ("r", "w", "rw"),
    ),
    "s390x": Registers(
        "s390x", {"arg": 0, "pswmask": 8, "pswaddr": 16} | _numbered("r", 16, 24), tuple(f"r{n}" for n in range(2, 7)),
        "r2", "r15", 216, (),
    ),
}  # fmt: skip


@cache
def registers() -> Registers:
    """The registers of this machine. Raises `OSError` on one that pytrace does not know."""
    machine = os.uname().machine
    if machine not in _TABLE:
        raise OSError(f"pytrace does not know the registers of {machine}")
    return _TABLE[machine]


def pt_regs_size() -> int:
    """The size of struct pt_regs, in bytes."""
    return registers().size


@cache
def argument_fields(space: Space) -> tuple[ContextField, ...]:
    """`arg0`, `arg1`, … of a function at its entry, read from the registers at the start of the context."""
    known = registers()
    return tuple(
        ContextField(f"arg{n}", U64, known.names[name], 8, space) for n, name in enumerate(known.arguments)
    )


@cache
def return_field(space: Space) -> ContextField:
    """`retval` of a function at its return."""
    known = registers()
    return ContextField("retval", U64, known.names[known.result], 8, space)
