"""`--test` and `--bench`: running the test and bench probes (CLI 9, 10).

Both kinds are run on demand with a packet of 14 bytes. What tests print is kept until their outcome is known; what
benches print is thrown away.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING
from pytrace.kernel import bpf
from pytrace.output.json import event, number, quote
from pytrace.output.streams import Messages, Output
from pytrace.runtime.actions import Consumer
from pytrace.runtime.errors import RunError

if TYPE_CHECKING:
    from pytrace.runtime.block import Block
    from pytrace.runtime.session import Session
    from pytrace.runtime.signals import Signals

__all__ = ["run_benches", "run_tests"]

_GREEN, _RED, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"
_UNITS = (("s", 1_000_000_000), ("ms", 1_000_000), ("μs", 1_000), ("ns", 1))
_ENOUGH = 1_000_000
"""Nanoseconds that a bench takes at least, all its runs together."""


class _Kept(Output):
    """Results that are kept, together with the messages among them."""

    def __init__(self) -> None:
        super().__init__(-1)
        self._kept: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._kept.append(data)

    def flush(self) -> None:
        """Nothing leaves by itself."""

    def take(self) -> bytes:
        data = b"".join(self._kept)
        self._kept.clear()
        return data


class _KeptMessages(Messages):
    def write(self, text: bytes) -> None:
        self.output.write(text)


def _use_kept_output(session: Session, block: Block) -> _Kept:
    """From now on the block's records are printed, as text, to the output that is returned."""
    kept = _Kept()
    printer = session.make_printer("text", kept, _KeptMessages(kept))
    block.consumer = Consumer(block.image, printer, block.maps, session.outcome, session.boot_offset)
    return kept


def _run_probe(block: Block, program: int, repeat: int) -> bpf.TestRun:
    from pytrace.probes.test_bench import PACKET

    try:
        return bpf.prog_test_run(block.loaded.programs[program], data_in=PACKET, repeat=repeat)
    except bpf.BpfError as error:
        name = block.image.programs[program].name
        raise RunError(f"Failed to run '{name}': {error.strerror}") from error


def _drain(block: Block) -> None:
    while block.drain():
        pass
    block.drop()


def _end(session: Session, block: Block, signals: Signals, consumer: Consumer) -> None:
    """End programs print where they always do."""
    block.consumer = consumer
    session.outcome.reset()
    session.finish(block, signals, maps=False)


def _shown(duration: int) -> str:
    unit, size = next((unit for unit in _UNITS if duration >= unit[1]), _UNITS[-1])
    return f"{duration // size} {unit}"


def _count(tests: int) -> str:
    return f"{tests} test{'' if tests == 1 else 's'}"


def run_tests(session: Session, block: Block, signals: Signals) -> int:
    """Run begin programs, all test probes and end programs; gives the exit status: 1 if a test failed."""
    consumer, outcome = block.consumer, session.outcome
    kept = _use_kept_output(session, block)
    text = session.options.format == "text"

    def say(line: str) -> None:
        if text:
            session.output.write(line.encode() + b"\n")

    def mark(colour: str, label: str) -> str:
        return f"{colour}[{label}]{_PLAIN}"

    block.run("begin")
    tests, failed = block.programs_of("test"), []
    if tests:
        say(f"{mark(_GREEN, '==========')} Running {len(tests)} tests.")
    for program, target in tests:
        if signals.stops:
            break
        name = target.text("name")
        say(f"{mark(_GREEN, ' RUN      ')} {name}")
        _drain(block)
        outcome.reset()
        run = _run_probe(block, program, 1)
        _drain(block)
        passed = run.retval == 0 and outcome.status == 0 and outcome.errors == 0
        output = kept.take()
        if text:
            if not passed:
                session.output.write(output)
            label = mark(_GREEN, "       OK ") if passed else mark(_RED, "  FAILED  ")
            say(f"{label} {name} ({_shown(run.duration)})")
        else:
            session.output.write(event(b"test_result", b'{%s: {"duration": %s, "passed": %s, "output": %s}}' % (
                quote(name.encode("latin-1")), number(run.duration), b"true" if passed else b"false", quote(output),
            )))
        session.output.settle()
        if not passed:
            failed.append(name)
    if tests:
        say(f"{mark(_GREEN, '==========')} {_count(len(tests))} ran.")
        say(f"{mark(_GREEN, '  PASSED  ')} {_count(len(tests) - len(failed))}.")
    if failed:
        say(f"{mark(_RED, '  FAILED  ')} {_count(len(failed))}, listed below:")
        for name in failed:
            say(f"{mark(_RED, '  FAILED  ')} {name}")
    _end(session, block, signals, consumer)
    return 1 if failed else 0


def _growth(total: int) -> int:
    """By what to multiply the number of runs, which took so many nanoseconds, to get near what is enough."""
    return 1000 if total < 1_000 else 100 if total < 10_000 else 10 if total < 100_000 else 2


def run_benches(session: Session, block: Block, signals: Signals) -> int:
    """Run begin programs, all bench probes and end programs; gives the exit status: 1 if a bench failed."""
    consumer, outcome, output = block.consumer, session.outcome, session.output
    kept = _use_kept_output(session, block)
    benches, status = block.programs_of("bench"), 0
    block.run("begin")
    width = max([40, *(len(target.text("name")) for _, target in benches)]) + 1
    for index, (program, target) in enumerate(benches):
        if signals.stops:
            break
        name, repeat = target.text("name"), 1
        while True:
            _drain(block)
            outcome.reset()
            run = _run_probe(block, program, repeat)
            _drain(block)
            kept.take()
            total = run.duration * repeat
            if run.retval or outcome.status or outcome.errors or total >= _ENOUGH or signals.stops:
                break
            repeat *= _growth(total)
        if outcome.status or outcome.errors:
            session.printer.error(f"Benchmark '{name}' failed.")
            status = 1
        elif not run.retval:
            if session.options.format == "json":
                output.write(event(b"benchmark_result", b'{%s: {"average": %d, "iters": %d}}' % (
                    quote(name.encode("latin-1")), run.duration, repeat,
                )))
            else:
                if index == 0:
                    heading = f"{'Benchmark':<{width}}{'Time(ns)':<15}Iterations"
                    output.write(f"{heading}\n{'-' * len(heading)}\n".encode())
                output.write(f"{name:<{width}}{run.duration:<15}{repeat}\n".encode("latin-1"))
        output.settle()
    _end(session, block, signals, consumer)
    return status
