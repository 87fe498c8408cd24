"""Acting on the traced system (LIBRARY 6): signals, return values; control groups by name."""

from __future__ import annotations

import os

from pytrace.builtins.checks import argument, as_u64, kind, only, provider, text, unknown
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.builtins.texts import signal_number
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import CGROUP_PATH, U64, VOID, Int, Str

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

FAMILY = "control"

_SIGNALLING = frozenset((
    "kprobe", "kretprobe", "uprobe", "uretprobe", "usdt", "tracepoint", "profile", "fentry", "fexit", "rawtracepoint",
))  # fmt: skip

_LAST_SIGNAL = 64


# --- signals ------------------------------------------------------------------------------------------------------


def _check_signal(site: CallSite, t: Typer) -> core.Expr:
    unfit = next((target.provider for target in t.targets if target.provider not in _SIGNALLING), "")
    if unfit:
        shown = t.context.probetype if unfit == t.targets[0].provider else unfit
        return t.error(site.span, f"{site.name}() can not be used for this probetype {shown}")
    name = t.literal(site.given[0])
    if isinstance(name, bytes):
        shown = name.decode("latin-1")
        found = signal_number(shown)
        if found is None:
            return t.error(site.span, f"Invalid string for signal: {shown}")
        return core.Call(VOID, site.span, site.name, (core.Const(U64, site.span, found),), (True,))
    value = argument(t, site, 0)
    if unknown(value):
        return core.Zero(VOID, site.span)
    if not isinstance(value.type, Int):
        wanted = "an integer" if isinstance(value.type, Str) else "a positive integer"
        return t.error(site.span, f"{site.name}() accepts a string literal or {wanted}")
    literal = t.literal(site.given[0])
    if isinstance(literal, int) and not 1 <= literal <= _LAST_SIGNAL:
        message = f"{site.name}() accepts a string literal or an integer between 1 and {_LAST_SIGNAL} (inclusive)"
        return t.error(site.span, message)
    return core.Call(VOID, site.span, site.name, (as_u64(value),), (isinstance(literal, int),))


def _lower_signal(e: Emitter, call: core.Call) -> Value:
    b = e.b
    number = e.eval64(call.args[0])

    def send() -> None:
        result = e.helper("send_signal" if call.name == "signal" else "send_signal_thread", number)
        e.when(b.ne(result, 0), lambda: e.report("signal", call.span, retcode=result))

    if call.static[0]:
        send()
    else:
        in_range = b.ult(b.sub(number, 1), _LAST_SIGNAL)
        e.when(in_range, send, lambda: e.report(f"{call.name}_number", call.span, retcode=number))
    return e.void()


for _name, _doc in (("signal", "Sends a signal to the current process."), ("signal_thread", "The same to the thread.")):
    declare(Builtin(
        _name, _check_signal, _lower_signal, (f"{_name}(number)", f'{_name}("NAME")'), _doc, FAMILY, (1, 1),
        unsafe=True,
    ))  # fmt: skip


# --- kernel functions ---------------------------------------------------------------------------------------------


def _check_override(site: CallSite, t: Typer) -> core.Expr:
    if any(target.provider != "kprobe" for target in t.targets):
        return t.error(site.span, f"override() can only be used with kprobe probes ({provider(t)} used here)")
    value = argument(t, site, 0)
    if not only(t, site, value, "int", Int) or unknown(value):
        return core.Zero(VOID, site.span)
    return core.Call(VOID, site.span, "override", (as_u64(value),))


def _lower_override(e: Emitter, call: core.Call) -> Value:
    e.helper("override_return", e.context_pointer(), e.eval64(call.args[0]))
    return e.void()


declare(Builtin(
    "override", _check_override, _lower_override, ("override(value)",),
    "Makes the traced kernel function return a value without running: kprobe, functions open to error injection.",
    FAMILY, (1, 1), unsafe=True, needs_context=True,
))  # fmt: skip


def _check_unwatch(site: CallSite, t: Typer) -> core.Expr:
    value = argument(t, site, 0)
    if not only(t, site, value, "int", Int) or unknown(value):
        return core.Zero(VOID, site.span)
    return core.Do(VOID, site.span, (core.Evaluate(site.span, value),), None)


declare(Builtin(
    "unwatch", _check_unwatch, None, ("unwatch(address)",), "Accepted for older scripts; has no effect.", FAMILY,
    (1, 1),
))  # fmt: skip


# --- control groups -----------------------------------------------------------------------------------------------


def _check_cgroupid(site: CallSite, t: Typer) -> core.Expr:
    path = text(t, site, 0)
    if path is None:
        return core.Zero(U64, site.span)
    try:
        return core.Const(U64, site.span, os.stat(path).st_ino)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        return t.error(site.span, f"cgroupid(): {path.decode('latin-1')}: {reason}")


declare(Builtin(
    "cgroupid", _check_cgroupid, None, ('cgroupid("/path")',),
    "The id of a control group (version 2) by the path of its directory.", FAMILY, (1, 1),
))  # fmt: skip


def _check_cgroup_path(site: CallSite, t: Typer) -> core.Expr:
    number = argument(t, site, 0)
    if not only(t, site, number, "int", Int):
        return core.Zero(CGROUP_PATH, site.span)
    pattern: bytes | None = b""
    if len(site.given) > 1:
        value = t.literal(site.given[1])
        pattern = value if isinstance(value, bytes) else None
        if pattern is None:
            given = argument(t, site, 1)
            if unknown(given):
                return core.Zero(CGROUP_PATH, site.span)
            return t.error(site.span, f"cgroup_path() only supports string arguments ({kind(given.type)} provided)")
    if unknown(number):
        return core.Zero(CGROUP_PATH, site.span)
    index = t.string((pattern or b"").decode("latin-1"))
    return core.Call(CGROUP_PATH, site.span, "cgroup_path", (as_u64(number),), (index,))


def _fill_cgroup_path(e: Emitter, call: core.Call, at: Value) -> None:
    (index,) = call.static
    assert isinstance(index, int)
    e.b.store(e.eval64(call.args[0]), at)
    e.b.store(index, at, 8)


declare(Builtin(
    "cgroup_path", _check_cgroup_path, None, ("cgroup_path(id)", 'cgroup_path(id, "filter")'),
    "The paths of a control group by its id, for printing; a wildcard on the hierarchy's name chooses among them.",
    FAMILY, (1, 2), fill=_fill_cgroup_path,
))  # fmt: skip
