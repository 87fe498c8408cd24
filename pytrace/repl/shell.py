"""One entry at the prompt: what kind it is, and what comes of it.

A command begins with `:`, a question with `?`, an expression with `=`; a map alone is printed; everything else is a
block. The shell knows of no terminal: it gives texts to `write`, and what a terminal does better (editing, paging,
live views) is asked of `front`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from pytrace.console import Stop
from pytrace.hints import Protocol
from pytrace.problem import Problem
from pytrace.repl.block import LiveBlock
from pytrace.repl.engine import Engine, Interrupted, Rejected, Unknown
from pytrace.repl.tables import shown
from pytrace.repl.trickle import harmless
from pytrace.repl.views import View
from pytrace.runtime.errors import RunError

__all__ = ["Front", "Leave", "Shell", "Usage"]

_MAP = re.compile(r"@\w*")
_SCREENFUL = 500
"""Lines of a map that are shown to a person: the greatest values stand last."""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class Leave(Exception):
    """`:quit`."""


class Usage(Exception):
    """A command was not given what it takes."""


class Front(Protocol):
    """What stands between the shell and a person, or a pipe."""

    def page(self, number: int | None) -> None:
        """Shows the log, of one block if a number is given."""

    def edit(self, number: int, text: str) -> None:
        """Lets the text of a block be changed; the result is entered as the next block."""

    def view(self, view: View | None) -> None:
        """Shows something live, until another view or None."""

    def wait(self, seconds: float) -> None:
        """Lets time pass, while blocks print."""

    def keys(self, mode: str) -> None:
        """Makes keys those of "emacs" or "vi"."""


class Shell:
    """`write` gets text for the screen or for standard output. `failed` tells whether anything entered so far did not
    work."""

    def __init__(self, engine: Engine, front: Front, write: Callable[[bytes], None], *, person: bool) -> None:
        self.engine = engine
        self.front = front
        self.write = write
        self.person = person
        self.failed = False
        self.editing = 0
        """The number of the block that the next one replaces, or 0."""

    @property
    def prompt(self) -> str:
        return f"pt[{self.editing or self.engine.next}]> "

    def say(self, text: str) -> None:
        self.write(text.encode("utf-8", "surrogateescape") + b"\n")

    def enter(self, text: str) -> None:
        """Does what was entered; says so if that fails. `text` holds one character per byte. Raises `Leave`."""
        entry = text.strip()
        try:
            if entry.startswith(":"):
                from pytrace.repl.commands import run

                run(self, entry[1:])
            elif entry.startswith("?"):
                from pytrace.repl.commands import explain

                explain(self, entry[1:].strip())
            elif entry.startswith("="):
                self.evaluate(entry[1:].strip())
            elif _MAP.fullmatch(entry):
                self.print_map(entry)
            elif entry.startswith("@") and _is_element(entry):
                name, _, key = entry.partition("[")
                self.write(self.result(self.engine.element(name.rstrip(), key[:-1])) or b"nothing is there\n")
            elif entry:
                self.block(text)
        except Rejected as error:
            self._fail(error.text.encode("latin-1", "backslashreplace").rstrip(b"\n"))
        except RunError as error:
            lines = [f"ERROR: {message}" for message in error.messages if message] or ["ERROR: given up"]
            self._fail("\n".join([*lines, error.log]).rstrip("\n").encode("utf-8", "surrogateescape"))
        except (Unknown, Usage, Stop, Problem) as error:
            self._fail(f"ERROR: {error}".encode("utf-8", "surrogateescape"))
        except Interrupted:
            self._fail(b"given up")
        except OSError as error:
            self._fail(f"ERROR: {error.strerror or error}".encode("utf-8", "surrogateescape"))

    def _fail(self, text: bytes) -> None:
        self.failed = True
        self.write(text + b"\n")

    # what is entered

    def evaluate(self, text: str) -> None:
        if not text:
            raise Usage("what is to be evaluated? `= EXPRESSION`")
        self.write(self.result(self.engine.once(text)))

    def print_map(self, name: str) -> None:
        text = self.result(self.engine.text_of(name)) or f"{name} is empty\n".encode()
        lines = text.splitlines(keepends=True)
        if self.person and len(lines) > _SCREENFUL:
            self.say(f"… {len(lines) - _SCREENFUL:,} lines are not shown (:top {name}, or = print({name}, 10))")
            text = b"".join(lines[-_SCREENFUL:])
        self.write(text)

    def result(self, text: bytes) -> bytes:
        """What was traced, as it can be shown."""
        return harmless(text) if self.person else text

    def block(self, text: str, name: str = "", positional: tuple[str, ...] = ()) -> None:
        """Adds a block, or puts it in the place of the one that is being edited."""
        from pytrace.repl.definitions import defined

        if names := defined(text):
            self.engine.define(text)
            self.say(f"defined {', '.join(map(shown, names))}")
            return
        began = time.monotonic()
        number, self.editing = self.editing, 0
        if number:
            try:
                live, remarks = self.engine.replace(number, text)
            except Exception:
                if self.person:  # who will want to put it right
                    self.editing = number
                    self.front.edit(number, text)
                raise
        else:
            live, remarks = self.engine.add(text, name, positional)
        for remark in remarks:
            self.say(f"[{live.number}] {remark}")
        self.say(self.announcement(live, time.monotonic() - began))

    def announcement(self, live: LiveBlock, seconds: float) -> str:
        took = f"in {1000 * seconds:.0f} ms"
        count = f"{live.probes} probe{'' if live.probes == 1 else 's'}"
        what = f"ran {count} {took}" if live.state == "done" else f"attached {count} {took}"
        warnings = len(live.warnings)
        if warnings:
            what += f" · {warnings} warning{'' if warnings == 1 else 's'} (:warnings {live.number})"
        return f"[{live.number}] {'○' if live.state == 'done' else '●'} {what}"


def _is_element(text: str) -> bool:
    """Whether a text is an element of a map, and nothing else: `@us["bash"]`."""
    head, bracket, rest = text.partition("[")
    if not bracket or not _MAP.fullmatch(head.rstrip()):
        return False
    depth = 1
    for at, char in enumerate(_STRING.sub(lambda string: "s" * len(string[0]), rest)):
        depth += (char == "[") - (char == "]")
        if not depth:
            return at == len(rest) - 1
    return False
