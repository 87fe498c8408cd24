"""Packets for user space: `skboutput` (LIBRARY 6).

The kernel copies a packet itself, with what is in further pages, behind a record of ours. It does so into perf events,
of which each CPU has one: the ring buffer takes only what a program has copied.
"""

from __future__ import annotations

from pytrace.codegen.base import Base
from pytrace.codegen.emitter import Value
from pytrace.codegen.image import PACKETS, MapImage
from pytrace.semantics import program as core
from pytrace.semantics.types import U64

__all__ = ["send_packet"]

MOST_BYTES = 65400
"""A perf event has less than 64 KiB, with its header and our record."""
_CURRENT_CPU = 0xFFFFFFFF
"""BPF_F_CURRENT_CPU"""


def send_packet(e: Base, call: core.Call) -> Value:
    """Sends a packet; gives the helper's result (i64). `call` has the packet, its length, the bytes that are wanted
    and the offset of the first one; its static part is that of the action."""
    b, (packet, whole, length, offset) = e.b, call.args
    there, wanted, start = (e.eval64(arg) for arg in (whole, length, offset))
    skb = e.object(packet)
    (file,) = call.static
    assert isinstance(file, bytes)
    index, layout = e.module.action(
        "skboutput", call.static, (U64, U64, U64, U64), call.span, e.probe.order, False
    )
    e.module.add_map(MapImage(PACKETS, "perf_event_array", 4, 4, e.features.cpus))
    record = e.scratch(layout.size)
    # The helper copies from the packet's start: what is before the offset is left out by the reader.
    start = b.umin(start, MOST_BYTES)
    taken = e.clamp(b.umin(b.add(start, b.umin(wanted, MOST_BYTES)), there), MOST_BYTES)
    b.store(e.const(index), record)
    for value, (at, _) in zip((e.helper("ktime_get_boot_ns"), there, start, taken), layout.fields, strict=True):
        b.store(value, record, at)
    flags = b.or_(b.shl(taken, 32), _CURRENT_CPU)

    def send() -> Value:
        result = e.helper("skb_output", skb, e.module.map(PACKETS), flags, record, layout.size)
        e.when(b.slt(result, 0), lambda: e.lose("packet", file.decode("latin-1"), call.span))
        return result

    return e.choose(b.ne(skb, 0), send, lambda: e.const(-1))
