"""What a case is, and how it is run: a script over fixed inputs, whose output must be the same byte for byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Case", "Result", "run", "run_forked"]


@dataclass(frozen=True)
class Case:
    """`deviates` says why pytrace means to differ; empty where it must not."""

    name: str
    program: str
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    deviates: str = ""

    @property
    def command(self) -> list[str]:
        """What stands behind the name of the tracer."""
        return [*self.options, "-e", self.program, *self.arguments]


@dataclass(frozen=True)
class Result:
    """Text is what was written, decoded as UTF-8; other bytes are U+DC80 … U+DCFF (PEP 383)."""

    status: int
    stdout: str
    stderr: str


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """What a case sees of the environment: nothing of the machine but where programs are."""
    return {"PATH": os.environ["PATH"], "HOME": "/", "TZ": "UTC", "LC_ALL": "C", **variables}


def run(tracer: Sequence[str], case: Case, folder: Path, more: Mapping[str, str] | None = None) -> Result:
    """Run a case with a tracer, in `folder`, with `more` in the environment."""
    done = subprocess.run(
        [*tracer, *case.command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        cwd=folder,
        env={**_environment(case.variables), **(more or {})},
    )
    return Result(done.returncode, _text(done.stdout), _text(done.stderr))


def run_forked(case: Case, folder: Path, more: Mapping[str, str]) -> Result:
    """The same with pytrace, in a fork of this process: what is loaded here already need not be loaded again, which
    takes most of the time of a run."""
    files = [folder / "stdout", folder / "stderr"]
    child = os.fork()
    if not child:
        _become(case, folder, files, {**_environment(case.variables), **more})
    try:
        _, status = os.waitpid(child, 0)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    stdout, stderr = (_text(file.read_bytes()) for file in files)
    return Result(os.waitstatus_to_exitcode(status), stdout, stderr)


def _become(case: Case, folder: Path, files: Sequence[Path], variables: Mapping[str, str]) -> None:
    """Turns this process into pytrace. Does not return."""
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        time.tzset()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for fd, file in enumerate(files, 1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), fd)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        sys.argv = ["pytrace", *case.command]
        from pytrace.cli import command

        command()
    finally:
        os._exit(70)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
