"""A run: an image in the kernel until its end (OUTPUT 2, CLI 4).

The order is that of PROBES 4: begin programs, attaching, the child, the main loop; then the probes are detached, the
end programs run, and the maps are printed. Detaching takes long but is effective at once (`detaching.py`), so what is
printed does not wait for it.

What shows results is imported once the probes are attached: by then it can take its time.
"""

from __future__ import annotations

import os
import time

from pytrace.codegen.image import Image
from pytrace.frozen import frozen
from pytrace.hints import TYPE_CHECKING
from pytrace.once import cached_property
from pytrace.output.streams import Messages, Output, OutputError
from pytrace.runtime.block import Block
from pytrace.runtime.errors import RunError
from pytrace.runtime.loading import Loaded, SessionValues, load, needs_unwinding
from pytrace.runtime.outcome import Outcome
from pytrace.runtime.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytrace.kernel.ring import RingReader
    from pytrace.output.printer import Printer
    from pytrace.runtime.child import Child, Process
    from pytrace.runtime.entries import LargeMaps
    from pytrace.runtime.making import Making
    from pytrace.runtime.native import Acceleration
    from pytrace.runtime.resolve import MachineResolver
    from pytrace.runtime.unwinding import Unwinding

__all__ = ["Session", "SessionOptions"]

_TICK, _QUIET_TICK = 0.1, 1.0
"""Seconds between looks at the counters of lost records: while rings fill up, and while they do not."""
_YOUNG, _YOUNG_TICK = 2.0, 0.01
"""For how long after its start a traced process is likely to load libraries, and how often they are looked for then."""
_PATIENCE = 0.1
"""Seconds that a child has to end after SIGTERM, before it is killed."""
_NOTICE = b"__BPFTRACE_NOTIFY_PROBES_ATTACHED\n"


@frozen
class SessionOptions:
    """What the command line decides about a run.

    `process` is that of -p, `child` that of -c. `format` is "text" or "json"; `mode` is "", "test" or "bench".
    `warnings` False silences warnings; `colour` is for messages. `notify` prints a line on stdout once everything is
    attached. `verifier_logs` prints the verifier's logs on stdout. `cached` lets code for this machine, and unwind
    tables, be kept. `dwarf_pids` are further processes whose stacks `dw_ustack` unwinds.
    """

    process: Process | None = None
    child: Child | None = None
    quiet: bool = False
    verbose: bool = False
    dry_run: bool = False
    format: str = "text"
    mode: str = ""
    warnings: bool = True
    colour: bool = False
    notify: bool = False
    verifier_logs: bool = False
    cached: bool = False
    dwarf_pids: tuple[int, ...] = ()

    @property
    def pid(self) -> int | None:
        """The process that events are restricted to, where a provider can do that."""
        traced = self.process or self.child
        return traced.pid if traced is not None else None


class Session:
    """Runs one image. `output` gets the results, `messages` what is said about the run. `making` has large maps
    that are being made already. `attached` is called once the probes are attached and that was said."""

    def __init__(
        self, image: Image, options: SessionOptions, output: Output, messages: Messages | None = None, *,
        making: Making | None = None, attached: Callable[[], None] = lambda: None,
    ) -> None:
        self.image = image
        self.options = options
        self.output = output
        self.messages = messages or Messages(output)
        self._making, self._attached = making, attached
        self.outcome = Outcome()
        self.lost = 0
        self._asked = 0
        """Requests to stop that were heeded: one more cuts short what is being printed."""
        child = options.child
        self.values = SessionValues.now(child.pid if child is not None else 0)
        self._large: LargeMaps | None = None
        self.unwinding: Unwinding | None = None
        realtime = time.clock_gettime_ns(time.CLOCK_REALTIME)
        self.boot_offset = realtime - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        # Whole seconds: the kernel steps TAI by leap seconds only.
        self.tai_offset = round((time.clock_gettime_ns(time.CLOCK_TAI) - realtime) / 1e9) * 1_000_000_000

    @cached_property
    def _remembers(self) -> bool:
        """Whether the traced process may be gone when its symbols are printed."""
        if self.options.pid is None:
            return False
        from pytrace.runtime.resolve import uses_user_symbols

        return uses_user_symbols(self.image)

    @cached_property
    def resolver(self) -> MachineResolver:
        from pytrace.runtime.resolve import MachineResolver

        return MachineResolver(
            self.image, boot_offset=self.boot_offset, tai_offset=self.tai_offset,
            error=lambda text: self.printer.error(text),
        )

    @cached_property
    def printer(self) -> Printer:
        return self.make_printer(self.options.format, self.output, self.messages)

    def _warn(self, text: str) -> None:
        self.printer.warning(text)

    def make_printer(self, format_: str, output: Output, messages: Messages) -> Printer:
        """A printer for what the image's programs send."""
        from pytrace.output.meaning import Meaning
        from pytrace.output.printer import Style

        trailer = self.image.config.str_trunc_trailer.encode("latin-1")
        ahead = 0 if self.image.config.dummy_ts_map else self.tai_offset
        meaning = Meaning(self.image.structs, self.image.enums, trailer, self.resolver)
        style = Style(self.options.colour, self.options.warnings)
        if format_ == "json":
            from pytrace.output.json_printer import JsonPrinter

            return JsonPrinter(output, messages, meaning, ahead, style)
        from pytrace.output.text_printer import TextPrinter

        return TextPrinter(output, messages, meaning, ahead, style)

    def say(self, text: str) -> None:
        """A remark for -v."""
        if self.options.verbose:
            self.messages.write(text.encode("utf-8", "surrogateescape") + b"\n")

    # the run

    def run(self) -> int:
        """Everything from loading to the last line; gives the exit status. Raises `RunError`, and `BrokenPipeError`
        when the reader of the results has gone; nothing is left in the kernel either way."""
        signals = Signals()
        try:
            return self._run(signals)
        except OutputError as error:
            raise RunError(f"Failed to write output: {error.strerror}", status=1) from error
        finally:
            signals.close()
            if self.options.child is not None:
                self.options.child.close()

    def _run(self, signals: Signals) -> int:
        options = self.options
        loaded = load(
            self.image, self.values, verbose=options.verbose, want_logs=options.verifier_logs, making=self._making
        )
        for name, log in loaded.logs:
            os.write(1, f"BPF verifier log for {name}:\n{'-' * 38}\n{log}\n".encode())
        block = Block(loaded, lambda: self.printer, self.outcome, self.boot_offset)
        try:
            self._load_child(loaded)
            if options.mode:
                from pytrace.runtime.testing import run_benches, run_tests

                return (run_tests if options.mode == "test" else run_benches)(self, block, signals)
            self._start(block, signals)
            if options.dry_run:
                return 0
            self._announce(block)
            if os.environ.get("PYTRACE_NATIVE") != "0":
                block.stream.accelerate = self._accelerate
                block.maps.large = self._large_maps if options.format == "text" else None
            self._loop(block, signals)
            self.finish(block, signals, maps=self.image.config.print_maps_on_exit)
            self.output.close()
            self._end_child()
            signals.restore()
            return self.outcome.status
        finally:
            block.close()
            if self._large is not None:
                self._large.close()

    def _load_child(self, loaded: Loaded) -> None:
        """Has the child load its program where something must know it before it runs, and takes in what the traced
        processes map."""
        options, child = self.options, self.options.child
        unwinds = needs_unwinding(loaded)
        usdt = any(target.provider == "usdt" for program in self.image.programs for target, _ in program.targets)
        if child is not None and (usdt or unwinds or self._remembers):
            child.load(traced=unwinds)
            if self._remembers:
                self.resolver.remember(child.pid)
        if unwinds:
            from pytrace.cache import Cache
            from pytrace.runtime.unwinding import Unwinding

            pids = dict.fromkeys((*((options.pid,) if options.pid is not None else ()), *options.dwarf_pids))
            self.unwinding = Unwinding(loaded, tuple(pids), Cache() if options.cached else None)
            self._warn_about_tables()

    def _look(self) -> None:
        """Takes in what the traced processes have mapped meanwhile."""
        if self._remembers and self.options.pid is not None:
            self.resolver.remember(self.options.pid)
        if self.unwinding is not None:
            self.unwinding.update_all()
            self._warn_about_tables()

    def _warn_about_tables(self) -> None:
        assert self.unwinding is not None
        for note in self.unwinding.notes:
            self.printer.warning(note)
        self.unwinding.notes.clear()

    def _start(self, block: Block, signals: Signals) -> None:
        """Begin programs, then attaching, then the child."""
        if block.run("begin"):
            self.say("Attaching 'begin' probe")
        child = self.options.child
        block.attach(
            pid=self.options.pid, warn=self._warn, stopped=lambda: signals.stops > 0,
            say=self.say,
        )
        if not block.attached.attachments and not any(block.programs_of(own) for own in ("begin", "end", "self")):
            for provider, what in (("test", "test"), ("bench", "benchmark")):
                if block.programs_of(provider):
                    raise RunError(f"No probes attached; use --{provider} to run {what} probes.")
        if child is not None and not self.options.dry_run:
            if self.unwinding is not None:
                child.load_libraries()
                self._look()
            child.resume()

    def _accelerate(self, ring: RingReader) -> Acceleration:
        from pytrace.runtime.native import Acceleration

        json, cached = self.options.format == "json", self.options.cached
        return Acceleration(self.image, self.output, ring, json=json, cached=cached, tell=self.say)

    def _large_maps(self) -> LargeMaps:
        if self._large is None:
            from pytrace.runtime.entries import LargeMaps

            self._large = LargeMaps(self.image.config.str_trunc_trailer, cached=self.options.cached, tell=self.say)
        return self._large

    def _announce(self, block: Block) -> None:
        own = sum(len(block.programs_of(provider)) for provider in ("begin", "end", "self"))
        if not self.options.quiet:
            (self.messages if self.options.format == "text" else self.printer).attached(block.attached.count + own)
        if self.options.notify:
            self.output.settle()
            os.write(1, _NOTICE)
        self._attached()

    def _loop(self, block: Block, signals: Signals) -> None:
        """Until `exit()`, a signal, the end of the traced process, or the end of what there is to do."""
        from pytrace.runtime.loop import Loop

        traced = self.options.process or self.options.child
        watched = [signals.fd] if traced is None else [signals.fd, traced.pidfd]
        ring = block.stream.ring
        watched += (fd for fd in block.fds if ring is None or fd != ring.fd)
        lasting = bool(block.attached.attachments or block.programs_of("self"))
        if block.attached.iterators:
            self._read_iterators(block)
            lasting = False
        loop = Loop(None, watched) if ring is None else Loop(ring.fd, watched, lambda: ring.pending, ring.size)
        started = looked = time.monotonic()
        tick = _QUIET_TICK if block.fds else None
        try:
            while True:
                # The state of the process, and whether there was a signal, before the rings are read: what came before
                # is in them.
                self._asked = signals.stops
                ended = traced is not None and self._ended(traced)
                if (self.unwinding is not None or (traced is not None and self._remembers)) and not ended:
                    self._look()
                    tick = _YOUNG_TICK if time.monotonic() - started < _YOUNG else _TICK
                more = block.drain()
                self.output.settle()
                if more is None:
                    return
                if signals.user:
                    signals.user = False
                    block.run("self")
                if time.monotonic() - looked >= (_TICK if block.stream.crowded else _QUIET_TICK):
                    looked, block.stream.crowded = time.monotonic(), False
                    self._report_lost(block)
                if self._asked:
                    # What the probes sent before the signal was in this batch, unless there is a backlog.
                    return
                if signals.stops:
                    continue
                if more:
                    continue
                if ended or not lasting:
                    return
                if signals.fd in loop.wait(_TICK if block.stream.crowded else tick):
                    signals.read()
        finally:
            loop.close()

    def _ended(self, traced: Process) -> bool:
        """Whether the traced process has ended. For a child this also collects its status."""
        from pytrace.runtime.loop import readable

        child = self.options.child
        return child.poll() if child is not None and traced is child else readable(traced.pidfd)

    def _read_iterators(self, block: Block) -> None:
        """Runs iterators from beginning to end, or pins them for others to read. What their programs print with
        `printf` goes to stdout as it is."""
        from pytrace.probes.iterator import pin_iterator, run_iterator

        for link, target in block.attached.iterators:
            if not target.text("pin"):
                run_iterator(link, lambda data: os.write(1, data))
                continue
            try:
                os.write(1, f"Program pinned to {pin_iterator(link, target)}\n".encode())
            except OSError as error:
                self.printer.error(f"Failed to pin iter probe link: {error.strerror}")

    def _report_lost(self, block: Block) -> None:
        fresh = block.losses.new_records()
        if fresh:
            self.lost += fresh
            self.printer.lost(fresh)

    def _end_child(self) -> None:
        child = self.options.child
        if child is not None:
            if not child.poll():
                from signal import SIGTERM

                from pytrace.runtime.loop import readable

                child.signal(SIGTERM)
                readable(child.pidfd, _PATIENCE)
            if child.poll():
                self.say(child.describe_end())

    def finish(self, block: Block, signals: Signals, *, maps: bool) -> None:
        """Detaches, runs the end programs, and prints what is left to print."""
        block.detach()
        self._drain_rest(block, signals)
        self.outcome.exited = False
        if block.run("end"):
            self.say("Attaching 'end' probe")
        self._drain_rest(block, signals)
        self._report_lost(block)
        self.printer.finish()
        if maps:
            for contents in block.maps.all():
                self.printer.map(contents)
        self._sum_up(block)

    def _drain_rest(self, block: Block, signals: Signals) -> None:
        """Prints what the programs sent that no longer run. A signal cuts that short, and what is left counts as lost;
        what is behind `exit()` is not wanted."""
        while not self.outcome.exited and block.drain():
            if signals.stops > self._asked:
                self._asked = signals.stops
                self.lost += (cut := block.drop())
                self.printer.lost(cut)
        block.drop()

    def _sum_up(self, block: Block) -> None:
        """What was lost in this run: on stderr if there was something, with -v among the lines of JSON too."""
        block.losses.give_up(self.resolver.given_up)
        if self.options.verbose:
            self.printer.losses(block.losses.summary(self.lost))
        self.output.flush()
        if self.lost:
            self.messages.write(b"WARNING: Total lost event count: %d\n" % self.lost)
        for text in block.losses.texts():
            self.printer.warning(text)
