"""How blocks come and go: into the kernel and among the session's maps, to their events and away from them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pytrace.codegen.image import Image
from pytrace.hints import TYPE_CHECKING
from pytrace.kernel import bpf
from pytrace.output.meaning import Meaning
from pytrace.output.printer import Style
from pytrace.output.text_printer import TextPrinter
from pytrace.repl.block import FeedMessages, LiveBlock
from pytrace.repl.log import Log
from pytrace.repl.maps import SessionMaps
from pytrace.repl.pump import Pump
from pytrace.runtime.block import Block
from pytrace.runtime.errors import RunError
from pytrace.runtime.loading import SessionValues, load, needs_unwinding
from pytrace.runtime.resolve import MachineResolver

if TYPE_CHECKING:
    from pytrace.repl.compiling import Compiler

__all__ = ["Lifecycle"]


class Lifecycle:
    """What all blocks of a session work with. `changing` is held while blocks are brought up or taken down, `lock`
    while records are handled or maps are shown, which share symbol tables.

    `show` gets whole lines for the screen, from any thread. `limited` holds back all but a few of them.
    """

    def __init__(
        self, compiler: Compiler, show: Callable[[bytes], None], *, pid: int | None = None, warnings: bool = True,
        limited: bool = True,
    ) -> None:
        self.compiler = compiler
        self.pid = pid
        self.warnings = warnings
        self.limited = limited
        self.show = show
        self.blocks: dict[int, LiveBlock] = {}
        self.next = 1
        self.maps = SessionMaps()
        self.log = Log()
        self.values = SessionValues.now()
        self._set_clocks()
        self.changing = threading.RLock()
        self.lock = threading.Lock()
        self.waiting = 0
        """How many threads wait for `lock` to show something; the pump lets them go first."""
        self.stats_fd = self._enable_stats()
        self.pump = Pump(self)
        self.pump.start()

    def _set_clocks(self) -> None:
        realtime = time.clock_gettime_ns(time.CLOCK_REALTIME)
        self.boot_offset = realtime - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        # Whole seconds: the kernel steps TAI by leap seconds only.
        self.tai_offset = round((time.clock_gettime_ns(time.CLOCK_TAI) - realtime) / 1e9) * 1_000_000_000

    @staticmethod
    def _enable_stats() -> int:
        try:
            return bpf.enable_stats()
        except bpf.BpfError:  # before Linux 5.8, or without the right to
            return -1

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Holds what the pump needs to handle records, for a moment."""
        self.waiting += 1
        try:
            with self.lock:
                yield
        finally:
            self.waiting -= 1

    def ended(self, live: LiveBlock) -> bool:
        """Takes down a block that said `exit()`; False if that has to wait. Called by the pump."""
        if not self.changing.acquire(blocking=False):
            return False
        try:
            if live.state == "running":
                self._take_down(live, "ended")
                status = f" with status {live.outcome.status}" if live.outcome.status else ""
                self.show(f"[{live.number}] ended by exit(){status}\n".encode())
        finally:
            self.changing.release()
        return True

    def _printer(self, live: LiveBlock, image: Image) -> TextPrinter:
        messages = FeedMessages(live.feed)
        resolver = MachineResolver(
            image, boot_offset=self.boot_offset, tai_offset=self.tai_offset,
            error=lambda text: printer.error(text),
        )
        meaning = Meaning(image.structs, image.enums, image.config.str_trunc_trailer.encode("latin-1"), resolver)
        printer = TextPrinter(live.feed, messages, meaning, self.tai_offset, Style(warnings=self.warnings))
        return printer

    def _load(self, live: LiveBlock, image: Image) -> Block:
        """Brings a block into the kernel, and its maps into the session."""
        if any(target.provider in ("test", "bench") for program in image.programs for target, _ in program.targets):
            raise RunError("test and bench probes run with `pytrace --test` and `pytrace --bench`, not here.")
        if not image.programs:
            raise RunError("No probes to attach.")
        loaded = load(image, self.values, shared=self.maps.fitting(image))
        with self.showing():
            self.maps.enter(loaded, live.number)
        live.image = image
        printer = self._printer(live, image)
        return Block(loaded, lambda: printer, live.outcome, self.boot_offset, self.maps.store)

    def _bring_up(self, live: LiveBlock, image: Image, *, start: bool = True) -> None:
        before = set(self.maps.all)
        block = self._load(live, image)
        live.block = block
        try:
            if needs_unwinding(block.loaded):
                from pytrace.runtime.unwinding import Unwinding

                live.unwinding = Unwinding(block.loaded, (self.pid,) if self.pid is not None else ())
            if start:
                self._start(live)
        except BaseException:
            self._unload(live)
            self.maps.leave(live.number)
            self.maps.drop_unused(before)
            raise

    def _start(self, live: LiveBlock) -> None:
        block = live.block
        assert block is not None
        live.state, live.ending = "starting", False
        live.outcome.reset()
        self.pump.add(live)
        printer = self._printer(live, block.image)

        def warn(text: str) -> None:
            with self.showing():
                printer.warning(text)

        try:
            block.run("begin")
            block.attach(
                pid=self.pid, warn=warn, say=lambda text: None, stopped=self.compiler.interrupted
            )
            self._read_iterators(live, block)
        except BaseException:
            self._take_down(live, "stopped")
            raise
        own = {name: len(block.programs_of(name)) for name in ("begin", "end", "self")}
        live.probes = block.attached.count + sum(own.values())
        live.state = "running"
        lasting = block.attached.count > len(block.attached.iterators) or own["end"] or own["self"]
        if not lasting:
            self._take_down(live, "done")

    def _read_iterators(self, live: LiveBlock, block: Block) -> None:
        if not block.attached.iterators:
            return
        from pytrace.probes.iterator import pin_iterator, run_iterator

        def write(data: bytes) -> None:
            with self.showing():
                live.feed.write(data)

        for link, target in block.attached.iterators:
            if not target.text("pin"):
                run_iterator(link, write)
                continue
            try:
                write(f"Program pinned to {pin_iterator(link, target)}\n".encode())
            except OSError as error:
                raise RunError(f"Failed to pin iter probe link: {error.strerror}") from error

    def _take_down(self, live: LiveBlock, state: str = "stopped") -> None:
        """Detaches a block; what it has sent is handled, and its end programs run."""
        block = live.block
        if block is None or live.state not in ("starting", "running"):
            return
        running = live.state == "running"
        block.detach()
        self.pump.finish(live)
        if running:
            live.outcome.exited = False
            block.run("end")
            self.pump.finish(live)
        if block.detaching is not None:
            block.detaching.finish()
        live.sample(0)
        live.state = state
        self.pump.remove(live)
        for text in block.losses.texts():
            self.show(f"[{live.number}] {text}\n".encode("utf-8", "surrogateescape"))

    def _unload(self, live: LiveBlock) -> None:
        if live.block is not None:
            self.pump.remove(live)
            with self.showing():
                live.block.close()
            live.block = live.unwinding = None

    def _exchange(self, live: LiveBlock, image: Image) -> None:
        """Gives a block another image, which says the same for a map that has changed."""
        running = live.state == "running"
        self._take_down(live, live.state)
        self._unload(live)
        self.maps.leave(live.number)
        self._bring_up(live, image, start=running)
