"""One image in the kernel, from loading to closing: its maps, programs, attachments and records.

A session holds one block, and may hold several: each can come and go by itself. They may have maps in common, which
then belong to the session.
"""

from __future__ import annotations

from collections.abc import Callable

from pytrace.codegen.image import Image
from pytrace.frozen import record
from pytrace.kernel import bpf
from pytrace.kernel.ring import RingReader
from pytrace.output.printer import Printer
from pytrace.probes.provider import Target
from pytrace.runtime.actions import Consumer, Outcome
from pytrace.runtime.attaching import Attached, attach, programs_run_by
from pytrace.runtime.detaching import Detaching
from pytrace.runtime.errors import RunError
from pytrace.runtime.loading import Loaded
from pytrace.runtime.maps import MapStore

__all__ = ["BATCH", "Block"]

BATCH = 4096
"""Records that are taken from a ring at once. Between batches the loop looks at signals."""
RINGS = ("ring", "control")
"""Symbols of the ring buffers: records, and the few that must not wait behind a full ring."""
DROPS = "drops"
"""Symbol of the map that counts, for each program, the records for which there was no room."""
_ARGUMENTS = bytes(96)
"""Arguments of a raw tracepoint for programs that are run by hand: they must not read beyond them."""


@record
class _Drops:
    """The counters of lost records."""

    fd: int
    programs: int
    stored: int
    seen: int = 0


class Block:
    def __init__(
        self, loaded: Loaded, printer: Printer, outcome: Outcome, boot_offset: int, maps: MapStore | None = None
    ) -> None:
        """`maps` are those of a session, which knows those of the image too; by default they are the image's own."""
        self.loaded = loaded
        self.image: Image = loaded.image
        self.maps = maps or MapStore(loaded)
        self.consumer = Consumer(self.image, printer, self.maps, outcome, boot_offset)
        self.attached = Attached()
        self.detaching: Detaching | None = None
        self.rings: list[RingReader] = []
        self._drops: _Drops | None = None
        for image in self.image.maps:
            if image.symbol in RINGS:
                self.rings.append(RingReader(loaded.maps[image.symbol], image.max_entries))
            elif image.symbol == DROPS:
                stored = bpf.stored_size(image.type, image.value_size)
                self._drops = _Drops(loaded.maps[DROPS], image.max_entries, stored)
        self.rings.sort(key=lambda ring: ring.size, reverse=True)

    # programs that are run by hand

    def programs_of(self, provider: str) -> list[tuple[int, Target]]:
        return programs_run_by(self.image, provider)

    def run(self, provider: str) -> int:
        """Run the programs of `begin`, `end` or `self`; gives how many there are. Raises `RunError`."""
        programs = self.programs_of(provider)
        for number, target in programs:
            try:
                bpf.prog_test_run(self.loaded.programs[number], ctx_in=_ARGUMENTS)
            except bpf.BpfError as error:
                raise RunError(f"Failed to run '{target.name}' probe: {error.strerror}") from error
        return len(programs)

    # events

    def attach(
        self, *, pid: int | None, warn: Callable[[str], None], trying: Callable[[str], None],
        stopped: Callable[[], bool],
    ) -> None:
        """Attach the programs. Raises `RunError`."""
        self.attached = attach(self.loaded, pid=pid, warn=warn, trying=trying, stopped=stopped)

    def detach(self) -> None:
        """Let go of all events; at return no program runs any more, and the kernel still cleans up."""
        self.detaching = Detaching(self.attached.fds)
        self.attached = Attached()
        self.detaching.quiet()

    # records

    def drain(self) -> bool | None:
        """Handle a batch of records. True: there may be more; False: there are none; None: one said `exit()`."""
        more = False
        for ring in self.rings:
            records = ring.take(BATCH)
            if records:
                if not self.consumer.consume(records):
                    return None
                more = more or len(records) == BATCH
        return more

    def drop(self) -> None:
        """Forget the records that wait."""
        for ring in self.rings:
            while ring.take(BATCH):
                pass

    def newly_lost(self) -> int:
        """How many records were lost since this was last asked."""
        if self._drops is None:
            return 0
        total = 0
        for key in range(self._drops.programs):
            value = bpf.map_lookup(self._drops.fd, key.to_bytes(4, "little"), self._drops.stored)
            if value is not None:
                total += sum(memoryview(value).cast("Q"))
        fresh, self._drops.seen = total - self._drops.seen, total
        return fresh

    def close(self) -> None:
        """Take everything out of the kernel."""
        if self.attached.attachments:
            self.detach()
        if self.detaching is not None:
            self.detaching.finish()
        self.consumer.close()
        for ring in self.rings:
            ring.close()
        self.rings.clear()
        self.loaded.close()
