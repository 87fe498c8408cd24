"""Talking to the person at the terminal: messages on stderr, diagnostics, and the way a command ends early."""

from __future__ import annotations

import os
import sys

from pytrace.hints import TYPE_CHECKING

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


_complained = False
"""Whether it was said that BPFTRACE_COLOR is none of its values: once is enough."""


def _wished_colour() -> bool | None:
    """Whether the user wants colours always or never; None if that depends on where they would go."""
    wish = os.environ.get("PYTRACE_COLOR", os.environ.get("BPFTRACE_COLOR", "auto"))
    if wish in ("always", "never"):
        return wish == "always"
    global _complained
    if wish != "auto" and not _complained:
        _complained = True
        say(f"WARNING: BPFTRACE_COLOR must be auto, always or never, not {wish}\n")
    if os.environ.get("NO_COLOR"):  # no-color.org; who names our own variable means it
        return False
    return None


def use_colour() -> bool:
    """Whether diagnostics are coloured: on a terminal."""
    wish = _wished_colour()
    return sys.stdout.isatty() and sys.stderr.isatty() if wish is None else wish


def coloured_output() -> bool:
    """Whether a script that is printed is coloured: on a terminal, unless the user wants none."""
    return sys.stdout.isatty() and _wished_colour() is not False


def _render(diagnostics: Iterable[Diagnostic], colour: bool) -> str:
    from pytrace.diagnostics import render

    return "".join(render(diagnostic, colour=colour) for diagnostic in diagnostics)


def report_rejection(error: CompileError, *, warnings: bool = True) -> int:
    """Say why a script was rejected: errors, then warnings, all on stderr. Gives the exit status."""
    found = [*error.diagnostics.errors, *(error.diagnostics.warnings if warnings else ())]
    say(_render(found, use_colour()))
    return error.status


def warning_texts(diagnostics: Iterable[Diagnostic], *, colour: bool) -> tuple[str, str]:
    """The warnings about a script that compiled: those about the run as a whole, and those with a place."""
    found = list(diagnostics)
    general = _render((d for d in found if d.span is None), colour)
    return general, _render((d for d in found if d.span is not None), colour)


def show_warnings(general: str, placed: str) -> None:
    """Print them: those without a place on stderr, the others on stdout (OUTPUT 1)."""
    if general:
        say(general)
    if placed:
        sys.stdout.flush()
        sys.stdout.buffer.write(encode(placed))
        sys.stdout.buffer.flush()
