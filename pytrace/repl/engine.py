"""The session behind the prompt: blocks that come and go, and the maps they share.

Nothing here knows of a terminal. Whoever calls is the one thread that changes the session; the pump reads rings, and
ends blocks that say `exit()`. `changing` is held while blocks are brought up or taken down, `lock` while records are
handled or maps are shown, which share symbol tables.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pytrace.codegen.image import Image
from pytrace.kernel import bpf
from pytrace.output.contents import Contents
from pytrace.output.meaning import Meaning
from pytrace.output.printer import Style
from pytrace.output.text_printer import TextPrinter
from pytrace.repl.block import FeedMessages, LiveBlock
from pytrace.repl.compiling import Compiler, Interrupted, Made, Rejected
from pytrace.repl.log import Log
from pytrace.repl.maps import SessionMaps
from pytrace.repl.pump import Pump
from pytrace.runtime.block import Block
from pytrace.runtime.errors import RunError
from pytrace.runtime.loading import SessionValues, load
from pytrace.runtime.resolve import MachineResolver

__all__ = ["Engine", "Interrupted", "Rejected", "Unknown"]


class Unknown(Exception):
    """There is no such block or map."""


class Engine:
    """`show` gets whole lines for the screen, from any thread. `limited` holds back all but a few of them."""

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

    # blocks

    def block(self, number: int) -> LiveBlock:
        """Raises `Unknown`."""
        if number not in self.blocks:
            raise Unknown(f"there is no block [{number}]")
        return self.blocks[number]

    def add(self, text: str, name: str = "", positional: tuple[str, ...] = ()) -> tuple[LiveBlock, list[str]]:
        """Compiles a block and starts it; gives it, and remarks about the maps. Raises `Rejected`, `Interrupted`,
        `RunError`, with nothing changed."""
        with self.changing:
            number = self.next
            live = LiveBlock(number, name or f"pt[{number}]", text, positional, limited=self.limited)
            made, readers = self._compile(live)
            remarks = self._remarks(made)
            self._bring_up(live, made.image)
            self.blocks[number] = live
            self.next += 1
            for reader, image in readers:
                self._exchange(reader, image)
            return live, remarks

    def replace(self, number: int, text: str) -> tuple[LiveBlock, list[str]]:
        """Puts another text in the place of a block, which keeps its number, and its maps where their types still fit.
        The old block goes on when the new one is not accepted; raises as `add`."""
        with self.changing:
            old = self.block(number)
            new = LiveBlock(number, f"pt[{number}]", text, (), limited=self.limited)
            new.trickle.quiet, new.lines = old.trickle.quiet, old.lines
            made, readers = self._compile(new, replacing=True)
            remarks = self._remarks(made, replaced=number)
            running = old.state == "running"
            self._take_down(old)
            self.maps.leave(number)
            try:
                self._bring_up(new, made.image)
            except BaseException:
                assert old.image is not None
                self._unload(old)
                self._bring_up(old, old.image, start=running)
                raise
            self._unload(old)
            self.blocks[number] = new
            for reader, image in readers:
                self._exchange(reader, image)
            return new, remarks

    def start(self, number: int) -> LiveBlock:
        """Lets a block run again. Raises `Unknown`, `RunError`."""
        with self.changing:
            live = self.block(number)
            if live.block is None and live.image is not None:
                self._bring_up(live, live.image)
            elif live.state != "running":
                self._start(live)
            return live

    def stop(self, number: int) -> LiveBlock:
        """Takes a block from its events; its end probes run, its maps stay. Raises `Unknown`."""
        with self.changing:
            live = self.block(number)
            self._take_down(live)
            return live

    def remove(self, number: int) -> LiveBlock:
        """Stops a block and forgets it. Its maps stay. Raises `Unknown`."""
        with self.changing:
            live = self.block(number)
            self._take_down(live)
            self._unload(live)
            self.maps.leave(number)
            del self.blocks[number]
            return live

    def once(self, text: str) -> bytes:
        """Evaluates an expression, or does what a statement says, once; gives what that prints. Raises `Rejected`,
        `Interrupted`, `RunError`."""
        with self.changing:
            live = LiveBlock(0, "expression", text, (), limited=False)
            made = self.compiler.once(live.name, text, self.maps.around(), self.maps.origins())
            self._check_structs(made.image)
            block = self._load(live, made.image)
            try:
                block.run("begin")
                with self.showing():
                    while block.drain():
                        pass
            finally:
                with self.showing():
                    block.close()
                self.maps.leave(0)
            return live.feed.take(0, all=True)

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

    # how blocks come and go

    def _compile(self, live: LiveBlock, *, replacing: bool = False) -> tuple[Made, list[tuple[LiveBlock, Image]]]:
        """The image of a block; and new ones of those blocks that had to guess what it stores."""
        replaced = live.number if replacing else 0
        guessed, loose = self.maps.guessed(replaced), self.maps.loose(replaced)
        origins = self.maps.origins()

        def attempt(without: set[str]) -> Made:
            around = self.maps.around(without)
            return self.compiler.block(live.name, live.text, around, origins, live.positional)

        try:
            made = attempt(guessed)
        except Rejected:
            if not loose:
                raise
            made = attempt(guessed | loose)
        self._check_structs(made.image)
        changed = set(self.maps.changed(made.image))
        readers = []
        for other in self.blocks.values():
            if other.number != replaced and changed.intersection(other.maps):
                around = self.maps.around(guessed - changed, made.image)
                try:
                    again = self.compiler.block(other.name, other.text, around, origins, other.positional)
                except Rejected as error:
                    raise Rejected(f"ERROR: Block [{other.number}] would not fit any more.\n{error.text}") from None
                readers.append((other, again.image))
        return made, readers

    def _check_structs(self, image: Image) -> None:
        if name := self.maps.clash(image):
            raise Rejected(f"ERROR: A map of this session holds another struct {name} than this block defines.\n")

    def _remarks(self, made: Made, replaced: int = 0) -> list[str]:
        remarks = [made.warnings] if made.warnings and self.warnings else []
        for name in self.maps.changed(made.image):
            if self.maps.all[name].writers or replaced:
                remarks.append(f"{name} starts anew: its type has changed\n")
        return remarks

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
        return Block(loaded, self._printer(live, image), live.outcome, self.boot_offset, self.maps.store)

    def _bring_up(self, live: LiveBlock, image: Image, *, start: bool = True) -> None:
        before = set(self.maps.all)
        block = self._load(live, image)
        live.block = block
        try:
            if start:
                self._start(live)
        except BaseException:
            self._unload(live)
            self.maps.leave(live.number)
            for name in self.maps.loose() - before:
                self.maps.remove(name)
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
                pid=self.pid, warn=warn, trying=lambda name: None, stopped=self.compiler.interrupted
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

    def _unload(self, live: LiveBlock) -> None:
        if live.block is not None:
            self.pump.remove(live)
            with self.showing():
                live.block.close()
            live.block = None

    def _exchange(self, live: LiveBlock, image: Image) -> None:
        """Gives a block another image, which says the same for a map that has changed."""
        running = live.state == "running"
        self._take_down(live, live.state)
        self._unload(live)
        self.maps.leave(live.number)
        self._bring_up(live, image, start=running)

    # maps

    def contents(self, name: str) -> Contents:
        """What a map holds. Raises `Unknown`."""
        if name not in self.maps.all:
            raise Unknown(f"there is no map {name}")
        return self.maps.store.contents(name, default=True)

    def text_of(self, name: str, top: int = 0) -> bytes:
        """A map as text. Raises `Unknown`."""
        with self.showing():
            return self.map_printer().maps.render(self.contents(name), top)

    def map_printer(self) -> TextPrinter:
        """A printer for any map of the session."""
        image = Image((), (), (), (), self.maps.around().config, self.maps.strings, self.maps.structs, self.maps.enums)
        return self._printer(LiveBlock(0, "", "", (), limited=False), image)

    def clear(self, name: str) -> None:
        """Removes what a map holds. Raises `Unknown`."""
        self.contents(name)
        with self.showing():
            self.maps.store.clear(name)

    def forget(self, name: str) -> None:
        """Takes a map out of the session. Raises `Unknown`, also if a block uses it."""
        self.contents(name)
        users = sorted(self.maps.all[name].users)
        if users:
            raise Unknown(f"{name} is used by block {', '.join(f'[{user}]' for user in users)}")
        with self.showing():
            self.maps.remove(name)

    # the end

    def signal(self) -> None:
        """SIGUSR1 has arrived: for the `self` probes of running blocks."""
        for live in list(self.blocks.values()):
            if live.state == "running" and live.block is not None:
                live.block.run("self")

    def close(self) -> None:
        """Takes everything out of the kernel again; end probes run, and what they print is shown."""
        with self.changing:
            for number in list(self.blocks):
                try:
                    self.remove(number)
                except RunError as error:
                    self.show(f"[{number}] {error}\n".encode())
            self.pump.close()
            self.maps.close()
            if self.stats_fd >= 0:
                os.close(self.stats_fd)
            self.log.close()
            self.compiler.close()
