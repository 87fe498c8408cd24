"""Takes a script through the pipeline in a process of its own: LLVM can end a process, and that is a finding too."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tests.generate.scripts import KERNELS, Generated

if TYPE_CHECKING:
    from pytrace.codegen import Features
    from pytrace.codegen.image import Image
    from pytrace.semantics.program import Program

__all__ = ["Outcome", "apart", "through", "warm"]

PATIENCE = 60
"""Seconds that a script may take."""


@dataclass(frozen=True)
class Outcome:
    """How far a script came. `stage` is where it ended: "rejected", "crashed", "refused" (by the kernel), "failed"
    (while it ran) or "done"; `what` says why; `output` is what it printed, on both streams."""

    stage: str
    what: str = ""
    output: str = ""


class _Slow(BaseException):
    pass


def _alarm(*_: object) -> None:
    raise _Slow


def through(script: Generated, *, run: bool = True) -> Outcome:
    """Check, compile, load, and run a script if all its probes run by themselves. Only in a process of its own."""
    from pytrace.codegen import generate
    from pytrace.compiler import check
    from pytrace.diagnostics import CompileError, Diagnostics, Source
    from pytrace.runtime.errors import RunError
    from pytrace.runtime.loading import SessionValues, load
    from pytrace.semantics.unit import Options

    signal.signal(signal.SIGPROF, _alarm)
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        try:
            options = Options(positional=script.positional, check_reads=script.check_reads)
            program = check(Source("stdin", script.text), options, Diagnostics())
            image = generate(program, features(script.kernel))
            if not script.kernel:
                image = _simplest(program, image)
        except CompileError as error:
            return Outcome("rejected", "\n".join(each.message for each in error.diagnostics.errors))
        try:
            if script.runs and run:
                return _run(image)
            load(image, SessionValues.now(), verbose=True).close()
        except RunError as error:
            return Outcome("refused", "\n".join((*error.messages, error.log[:400], "…", error.log[-2500:])))
        return Outcome("done")
    except _Slow:
        return Outcome("crashed", f"longer than {PATIENCE} s\n{traceback.format_exc()[-3000:]}")
    except Exception:
        return Outcome("crashed", traceback.format_exc()[-3000:])
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@cache
def features(kernel: str) -> Features | None:
    """What a kernel of KERNELS offers; None for the running one."""
    from pytrace.codegen import Features
    from pytrace.kernel.maps import possible_cpus

    return Features(cpus=possible_cpus(), **KERNELS[kernel]) if kernel else None  # type: ignore[arg-type]


def _simplest(program: Program, image: Image) -> Image:
    """The image, or as the command does it the one with loops as functions, if the kernel gives up checking it."""
    from pytrace.codegen import generate
    from pytrace.codegen.this_kernel import ThisKernel
    from pytrace.runtime.errors import RunError, TooComplex
    from pytrace.runtime.loading import SessionValues, load

    try:
        load(image, SessionValues.now()).close()
    except TooComplex:
        return generate(program, ThisKernel(callbacks=True))
    except RunError:
        pass  # for the caller to find, with the verifier's log
    return image


@cache
def warm() -> None:
    """Loads the compiler once, for all children."""
    outcome = through(Generated("begin { print(1); }", (), False))
    assert outcome.stage == "done", outcome.what


def _run(image: Image) -> Outcome:
    from pytrace.output.streams import Output
    from pytrace.runtime.session import Session, SessionOptions

    with tempfile.TemporaryFile() as out:
        kept = os.dup(2)
        os.dup2(out.fileno(), 2)
        try:
            status = Session(image, SessionOptions(quiet=True), Output(os.dup(out.fileno()))).run()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        out.seek(0)
        return Outcome("done", str(status), out.read().decode("utf-8", "surrogateescape"))


def apart(scripts: Sequence[Generated], work: Callable[[Generated], Outcome] = through) -> list[Outcome]:
    """The outcomes of scripts that a child process takes through; a script that ends the child has crashed."""
    warm()
    outcomes: list[Outcome] = []
    while len(outcomes) < len(scripts):
        rest = scripts[len(outcomes) :]
        read, write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            with suppress(BaseException), open(write, "wb") as pipe:
                os.close(read)
                for script in rest:
                    try:
                        outcome = work(script)
                    except Exception:
                        outcome = Outcome("crashed", traceback.format_exc()[-3000:])
                    pickle.dump(outcome, pipe)
                    pipe.flush()
                os._exit(0)
            os._exit(1)
        os.close(write)
        with open(read, "rb") as pipe:
            while True:
                try:
                    outcomes.append(pickle.load(pipe))
                except (EOFError, pickle.UnpicklingError):
                    break
        _, status = os.waitpid(pid, 0)
        if len(outcomes) < len(scripts):
            outcomes.append(Outcome("crashed", f"the process ended with {os.waitstatus_to_exitcode(status)}"))
    return outcomes
