"""Where the program text comes from, and what stands on the command line for it."""

from __future__ import annotations

import os
import sys

from pytrace.frozen import frozen
from pytrace.options import CommandLine, UsageError
from pytrace.source import Source


class ScriptError(Exception):
    """The script cannot be read."""


@frozen
class Request:
    """The program of a command line: its source, `$1`… and the named parameters (`--name` alone gives None)."""

    source: Source
    positional: tuple[str, ...]
    named: tuple[tuple[str, str | None], ...]
    path: str | None


def shown(name: str) -> str:
    """A file name as diagnostics hold text: one character per byte."""
    return os.fsencode(name).decode("latin-1")


def read_file(path: str) -> bytes:
    """The bytes of a script. Raises `ScriptError` with the line the user gets."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ScriptError(f"failed to open file '{path}': {error.strerror}") from error


def request(line: CommandLine) -> Request:
    """The program that a command line asks for. Raises `UsageError` when it names none, `ScriptError`."""
    free = list(line.free)
    program = line.last("e")
    path = None
    if program:
        source = Source.from_bytes("stdin", os.fsencode(program))
    elif not free:
        raise UsageError("USAGE: filename or -e 'program' required.", show_help=False)
    else:
        path = free.pop(0)
        if path == "-":
            source, path = Source.from_bytes("stdin", sys.stdin.buffer.read()), None
        else:
            source = Source.from_bytes(shown(path), read_file(path))
    named: list[tuple[str, str | None]] = []
    for word in line.after:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            named.append((name, value if equals else None))
        else:
            free.append(word)
    return Request(source, tuple(map(shown, free)), tuple(named), path)
