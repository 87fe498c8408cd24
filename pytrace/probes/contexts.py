"""What the body of a probe sees, by the provider's description. For compiling only: a run has no use for it."""

from __future__ import annotations

from pytrace.frozen import frozen
from pytrace.semantics.types import Space, Type

__all__ = ["ContextField", "ProbeContext"]


@frozen
class ContextField:
    """A value in the context: `size` bytes at `offset`, read as `type` (which may be narrower than its 8-byte slot).

    `data_loc`: the 4 bytes at `offset` locate the data within the record; the value is its address. With `rel_loc` they
    count from behind themselves. `trusted`: the value is a pointer through which the verifier allows direct loads.
    `copied`: the verifier refuses to load the value, so it is read as other memory is.

    Arguments of user-space static probes are not always in the context: with `displacement` the 8 bytes at `offset`,
    plus `displacement`, plus `scale` times the 8 bytes at `index` (if that is not None) are a user address at which
    `size` bytes are read; with `constant` the value is that number. `stored` is what is read there, to be converted to
    `type`; None if they are the same. With `rest` only the first 8 bytes are at `offset`, and the others there. `error`
    says why the value cannot be read.
    """

    name: str
    type: Type
    offset: int
    size: int
    space: Space = Space.NONE
    data_loc: bool = False
    rel_loc: bool = False
    trusted: bool = False
    copied: bool = False
    stored: Type | None = None
    displacement: int | None = None
    index: int | None = None
    scale: int = 1
    constant: int | None = None
    error: str = ""
    rest: int | None = None


@frozen
class ProbeContext:
    """What the body of a probe can see.

    `args` is None where the builtin is not available; then `args_error` may say why. `arguments` are arg0, arg1, …;
    `registers` is the offset of `struct pt_regs` in the context, or None. `ctx` is the type of the `ctx` builtin.
    `func` is "kernel", "user" or "". `space` is the address space of pointers made by casts (LANGUAGE 14.11).
    `refused` are fields of `args` that exist but cannot be read. `args_name` is the name of the argument struct, the
    same for targets whose `args` are the same type. `subject` is the offset of a pointer in the context without which
    the body does not run.
    """

    probetype: str
    prog_type: str
    space: Space = Space.NONE
    args: tuple[ContextField, ...] | None = None
    args_name: str = ""
    args_error: str = ""
    args_printable: bool = False
    refused: frozenset[str] = frozenset()
    arguments: tuple[ContextField, ...] = ()
    retval: ContextField | None = None
    retval_error: str = ""
    registers: int | None = None
    ctx: Type | None = None
    func: str = ""
    subject: int | None = None
