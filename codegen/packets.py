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

__all__ = ["Packets"]

MOST_BYTES = 65400
"""A perf event has less than 64 KiB, with its header and our record."""
_CURRENT_CPU = 0xFFFFFFFF
"""BPF_F_CURRENT_CPU"""


class Packets(Base):
    def send_packet(self, call: core.Call) -> Value:
        """Sends a packet; gives the helper's result (i64). `call` has the packet, its length, the bytes that are wanted
        and the offset of the first one; its static part is that of the action."""
        b, (packet, whole, length, offset) = self.b, call.args
        there, wanted, start = (self.eval64(arg) for arg in (whole, length, offset))
        skb = self.object(packet)
        (file,) = call.static
        assert isinstance(file, bytes)
        index, layout = self.module.action(
            "skboutput", call.static, (U64, U64, U64, U64), call.span, self.probe.order, False
        )
        self.module.add_map(MapImage(PACKETS, "perf_event_array", 4, 4, self.features.cpus))
        record = self.scratch(layout.size)
        # The helper copies from the packet's start: what is before the offset is left out by the reader.
        start = b.umin(start, MOST_BYTES)
        taken = self.clamp(b.umin(b.add(start, b.umin(wanted, MOST_BYTES)), there), MOST_BYTES)
        b.store(self.const(index), record)
        for value, (at, _) in zip((self.helper("ktime_get_boot_ns"), there, start, taken), layout.fields, strict=True):
            b.store(value, record, at)
        flags = b.or_(b.shl(taken, 32), _CURRENT_CPU)

        def send() -> Value:
            result = self.helper("skb_output", skb, self.module.map(PACKETS), flags, record, layout.size)
            self.when(b.slt(result, 0), lambda: self.lose("packet", file.decode("latin-1"), call.span))
            return result

        return self.choose(b.ne(skb, 0), send, lambda: self.const(-1))
