"""Network addresses, sockets and packets (LIBRARY 6)."""

from __future__ import annotations

from pytrace.builtins.checks import TRACING, address_space, among, argument, as_u64, kind, only, provider, text, unknown
from pytrace.builtins.process import kernel_types
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    INET,
    MAC,
    U8,
    U32,
    U64,
    Array,
    Int,
    Pointer,
    Space,
    Str,
    size_of,
)

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

FAMILY = "network"

AF_INET, AF_INET6 = 2, 10


# --- addresses ----------------------------------------------------------------------------------------------------


def _check_ntop(site: CallSite, t: Typer) -> core.Expr:
    family: core.Expr | None = None
    if len(site.given) > 1:
        family = argument(t, site, 0)
        if not only(t, site, family, "int", Int):
            return core.Zero(INET, site.span)
    address = argument(t, site, len(site.given) - 1)
    if unknown(address) or (family is not None and unknown(family)):
        return core.Zero(INET, site.span)
    match address.type:
        case Int():
            address, size = core.Convert(U32, address.span, address), 4
        case Array() | Str():
            size = size_of(address.type)
        case _:
            message = f"ntop() expects an integer or array argument, got {kind(address.type)}"
            return t.error(site.span, message)
    if size not in (4, 16):
        return t.error(site.span, "ntop() argument must be 4 or 16 bytes in size")
    if family is None:
        family = core.Const(U64, site.span, AF_INET if size == 4 else AF_INET6)
    return core.Call(INET, site.span, "ntop", (as_u64(family), address))


def _fill_ntop(e: Emitter, call: core.Call, at: Value) -> None:
    family, address = call.args
    size = size_of(address.type)
    e.b.store(e.eval64(family), at)
    e.store(address, e.b.gep(at, 8))
    if size < 16:
        e.zero(e.b.gep(at, 8 + size), 16 - size)


declare(Builtin(
    "ntop", _check_ntop, None, ("ntop(address)", "ntop(family, address)"),
    "An IPv4 address (an integer or 4 bytes) or IPv6 address (16 bytes) for printing.", FAMILY, (1, 2),
    fill=_fill_ntop,
))  # fmt: skip


def _check_pton(site: CallSite, t: Typer) -> core.Expr:
    value = t.literal(site.given[0])
    if not isinstance(value, bytes):
        return t.error(site.span, "pton() expects an string literal at the first argument")
    shown = value.decode("latin-1")
    if "." not in shown and ":" not in shown:
        return t.error(site.span, f"pton() expects an string argument of an IPv4/IPv6 address, got {shown}")
    try:
        import ipaddress

        parsed = ipaddress.IPv4Address(shown) if "." in shown else ipaddress.IPv6Address(shown)
    except ValueError:
        return t.error(site.span, f"pton() expects a valid IPv4/IPv6 address, got {shown}")
    return core.Call(Array(U8, len(parsed.packed)), site.span, "pton", static=(parsed.packed,))


def _fill_pton(e: Emitter, call: core.Call, at: Value) -> None:
    (packed,) = call.static
    assert isinstance(packed, bytes)
    e.copy(at, e.rodata(packed, 8), len(packed))


declare(Builtin(
    "pton", _check_pton, None, ('pton("address")',), "The bytes of an IPv4 or IPv6 address.", FAMILY, (1, 1),
    fill=_fill_pton,
))  # fmt: skip


def _check_macaddr(site: CallSite, t: Typer) -> core.Expr:
    if isinstance(t.literal(site.given[0]), bytes):
        return t.error(site.span, "macaddr() does not support literal string arguments")
    address = argument(t, site, 0)
    if unknown(address):
        return core.Zero(MAC, site.span)
    match address.type:
        case Array() | Str():
            if size_of(address.type) < 6:
                return t.error(site.span, "macaddr() argument must be at least 6 bytes in size")
            return core.Call(MAC, site.span, "macaddr", (address,), ("",))
        case Int() | Pointer():
            return core.Call(MAC, site.span, "macaddr", (as_u64(address),), (address_space(t, address).value,))
    return t.error(site.span, f"macaddr() only supports array or pointer arguments ({kind(address.type)} provided)")


def _fill_macaddr(e: Emitter, call: core.Call, at: Value) -> None:
    (address,), (space,) = call.args, call.static
    if space:
        e.read(at, 6, e.eval64(address), Space(space), call.span)
    else:
        e.copy(at, e.place(address), 6)


declare(Builtin(
    "macaddr", _check_macaddr, None, ("macaddr(bytes)",), "Six bytes as a hardware address for printing.", FAMILY,
    (1, 1), fill=_fill_macaddr,
))  # fmt: skip


# --- sockets and packets ------------------------------------------------------------------------------------------


def _is_pointer_to(value: core.Expr, *names: str) -> bool:
    return isinstance(value.type, Pointer) and getattr(value.type.pointee, "name", "") in names


def _check_socket_cookie(site: CallSite, t: Typer) -> core.Expr:
    if not among(t, TRACING):
        return t.error(site.span, f'socket_cookie can not be used with "{provider(t)}" probes')
    socket = argument(t, site, 0)
    if unknown(socket):
        return core.Zero(U64, site.span)
    if not _is_pointer_to(socket, "sock", "sock_common"):
        return t.error(site.span, f"socket_cookie() only supports struct sock * arguments ({socket.type} provided)")
    if isinstance(socket.type, Pointer) and not socket.type.trusted:
        message = "socket_cookie() needs a socket that the kernel passes to the probe (a field of args)"
        return t.error(site.span, message)
    return core.Call(U64, site.span, "socket_cookie", (socket,))


def _lower_socket_cookie(e: Emitter, call: core.Call) -> Value:
    socket = e.object(call.args[0])
    # The verifier does not let the helper have a socket that may be missing.
    return e.choose(e.b.ne(socket, 0), lambda: e.helper("get_socket_cookie", socket), lambda: e.const(0))


declare(Builtin(
    "socket_cookie", _check_socket_cookie, _lower_socket_cookie, ("socket_cookie(sock)",),
    "A number that identifies a socket as long as the system runs: in fentry, fexit, iter and rawtracepoint probes.",
    FAMILY, (1, 1),
))  # fmt: skip


def _check_skboutput(site: CallSite, t: Typer) -> core.Expr:
    if not among(t, TRACING):
        return t.error(site.span, f'skboutput can not be used with "{provider(t)}" probes')
    file = text(t, site, 0)
    packet, length, offset = (argument(t, site, index) for index in (1, 2, 3))
    if file is None or any(map(unknown, (packet, length, offset))):
        return core.Zero(U32, site.span)
    if not _is_pointer_to(packet, "sk_buff"):
        return t.error(site.span, f"skboutput() only supports struct sk_buff * arguments ({packet.type} provided)")
    if not only(t, site, length, "int", Int) or not only(t, site, offset, "int", Int):
        return core.Zero(U32, site.span)
    if isinstance(packet.type, Pointer) and not packet.type.trusted:
        message = "skboutput() needs a packet that the kernel passes to the probe (a field of args)"
        return t.error(site.span, message)
    types = kernel_types(t)
    struct = types.struct("struct", "sk_buff")
    definition = types.definition(struct) if struct is not None else None
    member = definition.field("len") if definition is not None else None
    if member is None:
        return t.error(site.span, "skboutput() needs the kernel's type information (BTF)")
    whole = as_u64(core.Load(U32, site.span, packet, member.offset, Space.KERNEL))
    args = (packet, whole, as_u64(length), as_u64(offset))
    return core.Call(U32, site.span, "skboutput", args, (file,))


def _lower_skboutput(e: Emitter, call: core.Call) -> Value:
    return e.b.trunc(e.send_packet(call), "i32")


declare(Builtin(
    "skboutput", _check_skboutput, _lower_skboutput, ('skboutput("file", skb, length, offset)',),
    "Appends a packet, from an offset into its data, to a capture file: in fentry, fexit, iter and rawtracepoint "
    "probes.",
    FAMILY, (4, 4),
))  # fmt: skip
