"""Bytes, byte order and address spaces (LIBRARY 6)."""

from __future__ import annotations

from pytrace.builtins.checks import address_space, among, argument, as_u64, kind, only, unknown
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    BOOL,
    Array,
    Buffer,
    Int,
    Pointer,
    Space,
    Str,
    Struct,
    size_of,
)

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

FAMILY = "memory"


# --- buf ----------------------------------------------------------------------------------------------------------


def _check_buf(site: CallSite, t: Typer) -> core.Expr:
    most = max(t.config.max_strlen - 4, 0)
    source = argument(t, site, 0)
    if unknown(source):
        return core.Zero(Buffer(most), site.span)
    given = kind(source.type)
    if not isinstance(source.type, Int | Str | Array | Pointer):
        return t.error(site.span, f"buf() expects an integer, string, or array argument but saw {given}")
    if len(site.given) == 1:
        if not isinstance(source.type, Array):
            return t.error(site.span, f"buf() expects a length argument for non-array type {given}")
        length: int | None = size_of(source.type)
    else:
        value = t.literal(site.given[1])
        length = value if isinstance(value, int) and not isinstance(value, bool) else None
        if length is not None and length < 0:
            return t.error(site.span, f"buf() cannot use negative length ({length})")
    args: tuple[core.Expr, ...] = ()
    if length is None:
        counted = argument(t, site, 1)
        if not only(t, site, counted, "int", Int) or unknown(counted):
            return core.Zero(Buffer(most), site.span)
        args = (as_u64(counted),)
    type_ = Buffer(most if length is None else min(length, most))
    if isinstance(source.type, Str | Array):
        return core.Call(type_, site.span, "buf", (source, *args), ("",))
    return core.Call(type_, site.span, "buf", (as_u64(source), *args), (address_space(t, source).value,))


def _fill_buf(e: Emitter, call: core.Call, at: Value) -> None:
    b = e.b
    assert isinstance(call.type, Buffer)
    capacity, space = call.type.capacity, call.static[0]
    source = call.args[0]
    data = b.gep(at, 4)
    length: Value | int = capacity
    if len(call.args) > 1:
        length = e.clamp(e.eval64(call.args[1]), capacity)
    b.store(b.trunc(length, "i32") if not isinstance(length, int) else b.const(length, "i32"), at)
    if capacity == 0:
        return
    if space:
        if e.strict and not isinstance(length, int):
            e.zero(data, capacity)
        e.read(data, length, e.eval64(source), Space(space), call.span)
        return
    # What the value itself does not fill is zero, whatever stands behind it in memory.
    taken = min(capacity, size_of(source.type))
    if e.strict and not isinstance(length, int):
        e.zero(data, capacity)
        e.helper("probe_read_kernel", data, e.clamp(length, taken), e.place(source))
        return
    if taken < capacity:
        e.zero(b.gep(data, taken), capacity - taken)
    e.copy(data, e.place(source), taken)


declare(Builtin(
    "buf", _check_buf, None, ("buf(pointer, length)", "buf(array)"),
    "Bytes from an address, a string or an array, for the conversions %r, %rx and %rh.", FAMILY, (1, 2),
    fill=_fill_buf,
))  # fmt: skip


# --- integers and pointers ----------------------------------------------------------------------------------------


def _check_bswap(site: CallSite, t: Typer) -> core.Expr:
    value = argument(t, site, 0)
    if not only(t, site, value, "integer", Int) or not isinstance(value.type, Int):
        return core.Zero(value.type, site.span)
    size = value.type.size
    type_ = Int(size, False)
    if isinstance(value, core.Const):
        data = (value.value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        return core.Const(type_, site.span, int.from_bytes(data, "big"))
    return core.Call(type_, site.span, "bswap", (value,))


declare(Builtin(
    "bswap", _check_bswap, lambda e, call: e.b.bswap(e.eval(call.args[0])), ("bswap(integer)",),
    "The integer with its bytes in reverse order, unsigned.", FAMILY, (1, 1),
))  # fmt: skip


def _check_space(site: CallSite, t: Typer) -> core.Expr:
    value = argument(t, site, 0)
    if not only(t, site, value, "integer or pointer", Int, Pointer):
        return core.Zero(value.type, site.span)
    space = Space.KERNEL if site.name == "kptr" else Space.USER
    if not isinstance(value.type, Int | Pointer):
        return value
    type_ = replace(value.type, space=space)
    if isinstance(type_, Pointer):
        type_ = replace(type_, trusted=False)
    return core.Convert(type_, site.span, value)


for _name, _doc in (("kptr", "the kernel's memory"), ("uptr", "the memory of the current process")):
    declare(Builtin(
        _name, _check_space, None, (f"{_name}(address)",), f"An address or pointer, as one into {_doc}.", FAMILY,
        (1, 1),
    ))  # fmt: skip


# --- paths --------------------------------------------------------------------------------------------------------

_PATH_PROVIDERS = ("fentry", "fexit", "iter")


def _check_path(site: CallSite, t: Typer) -> core.Expr:
    if not among(t, _PATH_PROVIDERS):
        return t.error(site.span, "The path function can only be used with 'fentry', 'fexit', 'iter' probes")
    size = t.config.max_strlen
    if len(site.given) > 1:
        value = t.literal(site.given[1])
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            return t.error(site.span, "path() expects a positive int literal as its size")
        size = min(value, size)
    path = argument(t, site, 0)
    if unknown(path):
        return core.Zero(Str(size), site.span)
    pointee = path.type.pointee if isinstance(path.type, Pointer) else path.type
    if not isinstance(pointee, Struct) or pointee.name != "path":
        return t.error(site.span, f"path() only supports struct path or a pointer to it ({path.type} provided)")
    if isinstance(path.type, Pointer):
        return core.Call(Str(size), site.span, "path", (path,), (0,))
    if isinstance(path, core.Load):
        return core.Call(Str(size), site.span, "path", (path.address,), (path.offset,))
    return t.error(site.span, "path() needs a struct path where the kernel keeps it, not a copy")


def _fill_path(e: Emitter, call: core.Call, at: Value) -> None:
    offset, size = call.static[0], size_of(call.type)
    assert isinstance(offset, int)
    base = e.object(call.args[0])
    if e.strict:
        e.zero(at, size)
    else:
        e.b.store(e.b.const(0, "i8"), at)

    def present() -> None:
        e.check(e.helper("d_path", e.b.add(base, offset), at, size), "d_path", call.span)

    # The verifier wants to see that the object is there: an iterator's last call has none.
    e.when(e.b.ne(base, 0), present)


declare(Builtin(
    "path", _check_path, None, ("path(path)", "path(path, size)"),
    "The full name of a file, from the kernel's `struct path`: in fentry, fexit and iter probes.", FAMILY, (1, 2),
    fill=_fill_path,
))  # fmt: skip


# --- writing ------------------------------------------------------------------------------------------------------


def _check_write_user(site: CallSite, t: Typer) -> core.Expr:
    target, source, length = (argument(t, site, index) for index in range(3))
    for value in (target, source):
        if not only(t, site, value, "integer or pointer", Int, Pointer):
            return core.Zero(BOOL, site.span)
    if not only(t, site, length, "int", Int) or any(map(unknown, (target, source, length))):
        return core.Zero(BOOL, site.span)
    literal = t.literal(site.given[2])
    most = min(literal, t.config.max_strlen) if isinstance(literal, int) and literal >= 0 else t.config.max_strlen
    args = (as_u64(target), as_u64(source), as_u64(length))
    space = Space.KERNEL if isinstance(source, core.AddressOf) else address_space(t, source)
    return core.Call(BOOL, site.span, "write_user", args, (space.value, most))


def _lower_write_user(e: Emitter, call: core.Call) -> Value:
    b = e.b
    space, most = call.static
    assert isinstance(most, int)
    target, source, count = (e.eval64(arg) for arg in call.args)
    if not most:
        return e.const(1, "i1")
    length = e.clamp(count, most)
    data = e.scratch(most)
    copied = e.read(data, length, source, Space(space), call.span)

    def write() -> Value:
        result = e.helper("probe_write_user", target, data, length)
        e.check(result, "probe_write_user", call.span)
        return b.eq(result, 0)

    return e.choose(b.eq(copied, 0), write, lambda: e.const(0, "i1"))


declare(Builtin(
    "write_user", _check_write_user, _lower_write_user, ("write_user(target, source, length)",),
    "Writes bytes into the memory of the current process; whether that worked.", FAMILY, (3, 3), unsafe=True,
))  # fmt: skip
