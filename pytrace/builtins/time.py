"""Clocks and time stamps (LIBRARY 1 and 4)."""

from __future__ import annotations

from pytrace.builtins.checks import argument, as_u64, only, text, unknown
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import TIMESTAMP, U64, Int
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

CLOCKS = {"boot": "ktime_get_boot_ns", "monotonic": "ktime_get_ns", "tai": "ktime_get_tai_ns", "sw_tai": ""}
"""The modes of `nsecs` and the helpers that read their clocks; `sw_tai` is computed from the boot clock."""

BOOT, TAI = 0, 1
"""The clock of a time stamp (`types.Opaque`)."""


def _check_nsecs(site: CallSite, t: Typer) -> core.Expr:
    if not site.given:
        return core.Call(U64, site.span, "nsecs", static=("boot",))
    node = site.given[0]
    if not isinstance(node, tree.Ident):
        typed = argument(t, site, 0)
        if unknown(typed):
            return typed
        return t.error(site.span, "nsecs() takes a clock: boot, monotonic, tai or sw_tai")
    if node.name not in CLOCKS:
        return t.error(node.span, f"Invalid timestamp mode: {node.name}", hints=[f"the modes are {', '.join(CLOCKS)}"])
    if node.name == "tai":
        from pytrace.kernel import features

        if not features.get_tai_ns():
            hint = "sw_tai computes it from the boot clock"
            return t.error(site.span, "This kernel has no TAI clock for BPF programs (Linux 6.1)", hints=[hint])
    # The clock travels with the type, like the address space of a pointer: see `strftime`.
    return core.Call(replace(U64, clock=node.name), site.span, "nsecs", static=(node.name,))


def _lower_nsecs(e: Emitter, call: core.Call) -> Value:
    clock = call.static[0]
    if clock == "sw_tai":
        return software_tai(e)
    return e.helper(CLOCKS[str(clock)])


def software_tai(e: Emitter) -> Value:
    """The TAI clock as the boot clock plus what lay between the two when the session started."""
    return e.b.add(e.helper("ktime_get_boot_ns"), e.session("tai_offset"))


declare(Builtin(
    "nsecs", _check_nsecs, _lower_nsecs, ("nsecs", "nsecs(boot)", "nsecs(monotonic)", "nsecs(tai)", "nsecs(sw_tai)"),
    "Nanoseconds of a clock: since boot with the time asleep (`boot`, the default) or without (`monotonic`), of "
    "International Atomic Time (`tai`), or of the same computed from the boot clock (`sw_tai`).",
    "time", (0, 1), bare=True, core=True,
))  # fmt: skip

declare(Builtin(
    "elapsed", lambda site, t: core.Call(U64, site.span, "elapsed"),
    lambda e, call: e.b.sub(e.helper("ktime_get_boot_ns"), e.session("start")),
    ("elapsed",), "Nanoseconds since pytrace started running the script.", "time", bare=True,
))  # fmt: skip

declare(Builtin(
    "jiffies", lambda site, t: core.Call(U64, site.span, "jiffies"), lambda e, call: e.helper("jiffies64"),
    ("jiffies",), "The kernel's count of timer ticks.", "time", bare=True,
))  # fmt: skip


def _check_strftime(site: CallSite, t: Typer) -> core.Expr:
    format_ = text(t, site, 0)
    when = argument(t, site, 1)
    if format_ is None or unknown(when):
        return core.Zero(TIMESTAMP, site.span)
    if not only(t, site, when, "int", Int):
        return core.Zero(TIMESTAMP, site.span)
    clock = when.type.clock if isinstance(when.type, Int) else ""
    if clock == "monotonic":
        return t.error(site.span, "strftime() can not take a monotonic timestamp")
    value = t.literal(site.given[1])
    if isinstance(value, int) and value < 0:
        return t.error(site.span, "strftime() does not accept negative timestamps")
    index = t.string(format_.decode("latin-1"))
    static = (index, TAI if clock in ("tai", "sw_tai") else BOOT)
    return core.Call(TIMESTAMP, site.span, "strftime", (as_u64(when),), static)


def _fill_strftime(e: Emitter, call: core.Call, at: Value) -> None:
    index, clock = call.static
    assert isinstance(index, int) and isinstance(clock, int)
    e.b.store(e.eval64(call.args[0]), at)
    e.b.store(index | clock << 32, at, 8)


declare(Builtin(
    "strftime", _check_strftime, None, ("strftime(format, nanoseconds)",),
    "A time for printing: nanoseconds of the boot clock (or of `nsecs(tai)`, `nsecs(sw_tai)`) in a format of C's "
    "strftime, with %f for microseconds, %k for nanoseconds and %l for milliseconds.",
    "time", (2, 2), fill=_fill_strftime,
))  # fmt: skip
