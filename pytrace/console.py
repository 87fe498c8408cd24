"""Talking to the person at the terminal: messages on stderr, diagnostics, and the way a command ends early."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytrace.diagnostics import CompileError, Diagnostic


class Stop(Exception):
    """Ends the command with a message on stderr (none if empty) and an exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def encode(text: str) -> bytes:
    """Text as bytes: what quotes a script or a file name holds one character per byte."""
    return text.encode("latin-1", "backslashreplace")


def say(text: str) -> None:
    """Write to stderr, behind what went to stdout before."""
    sys.stdout.flush()
    sys.stderr.buffer.write(encode(text))
    sys.stderr.buffer.flush()


def use_colour() -> bool:
    """Whether diagnostics are coloured (OUTPUT 7.4)."""
    wish = os.environ.get("PYTRACE_COLOR", os.environ.get("BPFTRACE_COLOR", "auto"))
    if wish in ("always", "never"):
        return wish == "always"
    if wish != "auto":
        say(f"WARNING: BPFTRACE_COLOR must be auto, always or never, not {wish}\n")
    return sys.stdout.isatty() and sys.stderr.isatty()


def _render(diagnostics: Iterable[Diagnostic]) -> str:
    from pytrace.diagnostics import render

    colour = use_colour()
    return "".join(render(diagnostic, colour=colour) for diagnostic in diagnostics)


def report_rejection(error: CompileError, *, warnings: bool = True) -> int:
    """Say why a script was rejected: errors, then warnings, all on stderr. Gives the exit status."""
    found = [*error.diagnostics.errors, *(error.diagnostics.warnings if warnings else ())]
    say(_render(found))
    return error.status


def report_warnings(diagnostics: Iterable[Diagnostic]) -> None:
    """The warnings about a script that compiled go to stdout; those without a place to stderr."""
    placed, general = [], []
    for diagnostic in diagnostics:
        (placed if diagnostic.span is not None else general).append(diagnostic)
    if general:
        say(_render(general))
    if placed:
        sys.stdout.buffer.write(encode(_render(placed)))
        sys.stdout.flush()
