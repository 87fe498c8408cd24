"""One image in the kernel, from loading to closing: its maps, programs, attachments and records.

A session holds one block, and may hold several: each can come and go by itself. They may have maps in common, which
then belong to the session.

What handles records is made, and imported, when it is first wanted: the probes are attached by then.
"""

from __future__ import annotations

from pytrace.codegen.image import PACKETS, Image
from pytrace.hints import TYPE_CHECKING, Callable
from pytrace.kernel import bpf
from pytrace.once import cached_property
from pytrace.runtime.attaching import Attached, attach, programs_run_by
from pytrace.runtime.errors import RunError

if TYPE_CHECKING:
    from pytrace.kernel.ring import RingReader
    from pytrace.output.printer import Printer
    from pytrace.probes.provider import Target
    from pytrace.runtime.actions import Consumer
    from pytrace.runtime.detaching import Detaching
    from pytrace.runtime.loading import Loaded
    from pytrace.runtime.losses import Losses
    from pytrace.runtime.maps import MapStore
    from pytrace.runtime.outcome import Outcome
    from pytrace.runtime.packets import PacketReader
    from pytrace.runtime.stream import Stream

__all__ = ["RINGS", "Block"]

RINGS = ("ring", "control")
"""Symbols of the ring buffers: of records, and of the few that must not be lost where the former is full."""

_ARGUMENTS = bytes(96)
"""Arguments of a raw tracepoint for programs that are run by hand: they must not read beyond them."""


class Block:
    def __init__(
        self,
        loaded: Loaded,
        printer: Callable[[], Printer],
        outcome: Outcome,
        boot_offset: int,
        maps: MapStore | None = None,
    ) -> None:
        """`printer` gives that of the results. `maps` are those of a session, which knows those of the image too; by
        default they are the image's own."""
        self.loaded = loaded
        self.image: Image = loaded.image
        self._printer, self._outcome, self._boot_offset = printer, outcome, boot_offset
        self._shared_maps = maps
        self.attached = Attached()
        self.detaching: Detaching | None = None
        self.packets: PacketReader | None = None
        if PACKETS in loaded.maps:
            from pytrace.runtime.packets import PacketReader

            # Packets that nobody waits for are lost, while records stay where they are.
            self.packets = PacketReader(loaded.maps[PACKETS])

    @cached_property
    def maps(self) -> MapStore:
        from pytrace.runtime.maps import MapStore

        return self._shared_maps or MapStore(self.loaded)

    @cached_property
    def consumer(self) -> Consumer:
        from pytrace.runtime.actions import Consumer

        return Consumer(self.image, self._printer(), self.maps, self._outcome, self._boot_offset)

    @cached_property
    def rings(self) -> dict[str, RingReader]:
        from pytrace.kernel.ring import RingReader

        sizes = {image.symbol: image.max_entries for image in self.image.maps if image.symbol in RINGS}
        return {symbol: RingReader(self.loaded.maps[symbol], size) for symbol, size in sizes.items()}

    @cached_property
    def stream(self) -> Stream:
        from pytrace.runtime.stream import Stream

        return Stream(*map(self.rings.get, RINGS))

    @cached_property
    def losses(self) -> Losses:
        from pytrace.runtime.losses import Losses

        return Losses(self.loaded)

    @property
    def fds(self) -> tuple[int, ...]:
        """What is readable when there are records."""
        return (*(ring.fd for ring in self.rings.values()), *(self.packets.fds if self.packets is not None else ()))

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
        self, *, pid: int | None, warn: Callable[[str], None], say: Callable[[str], None],
        stopped: Callable[[], bool],
    ) -> None:
        """Attach the programs. Raises `RunError`."""
        self.attached = attach(self.loaded, pid=pid, warn=warn, say=say, stopped=stopped)

    def detach(self) -> None:
        """Let go of all events; at return no program runs any more, and the kernel still cleans up."""
        from pytrace.runtime.detaching import Detaching

        self.losses.look_at(self.attached.attachments)
        self.detaching = Detaching(self.attached.fds)
        self.attached = Attached()
        self.detaching.quiet()

    # records

    def drain(self) -> bool | None:
        """Handle a batch of records. True: there may be more; False: there are none; None: one said `exit()`."""
        if self.packets is not None:
            self.packets.handle(self.consumer.consume)
        return self.stream.handle(self.consumer.consume)

    def drop(self) -> int:
        """Forget the records that wait; gives how many those were."""
        return self.stream.drop()

    def close(self) -> None:
        """Take everything out of the kernel."""
        if self.attached.attachments:
            self.detach()
        if self.detaching is not None:
            self.detaching.finish()
        made = self.__dict__
        if "consumer" in made:
            self.consumer.close()
        if self.packets is not None:
            self.packets.close()
        if "stream" in made:
            self.stream.close()
        if "rings" in made:
            for ring in self.rings.values():
                ring.close()
            self.rings.clear()
        self.loaded.close()
