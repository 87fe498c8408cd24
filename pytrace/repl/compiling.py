"""Asking the compiling process, from the REPL's side."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from pytrace.codegen.image import Image
from pytrace.codegen.plain import from_plain, to_plain
from pytrace.frozen import frozen
from pytrace.hints import TYPE_CHECKING, Any
from pytrace.repl import worker
from pytrace.repl.channel import Closed

if TYPE_CHECKING:
    from pytrace.repl.definitions import Definitions
    from pytrace.semantics.unit import Options

__all__ = ["Compiler", "Interrupted", "Made", "Rejected"]


class Rejected(Exception):
    """What was entered does not compile. `text` says why, one character per byte, with its newlines."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Interrupted(Exception):
    """Ctrl-C came first."""


@frozen
class Made:
    """An image, and the warnings about its script as texts."""

    image: Image
    warnings: tuple[str, ...]


class Compiler:
    """The compiling process. `interrupted` is asked, while an answer is waited for, whether to give up."""

    def __init__(self, options: Options, colour: bool = False) -> None:
        self.options = options
        self.colour = colour
        self.interrupted: Callable[[], bool] = lambda: False
        self.definitions: Definitions = ()
        """What all that is compiled may use."""
        self.channel, self.pid = worker.start(options, colour)

    def block(
        self, name: str, text: str, around: Image, origins: Mapping[str, str], positional: tuple[str, ...] = ()
    ) -> Made:
        """A block as an image that fits to the maps `around`. Raises `Rejected`, `Interrupted`."""
        return self._image("block", name, text, around, origins, positional)

    def once(self, name: str, text: str, around: Image, origins: Mapping[str, str]) -> Made:
        """The program that evaluates an expression, or does what a statement says, once."""
        return self._image("once", name, text, around, origins, ())

    def _image(
        self, do: str, name: str, text: str, around: Image, origins: Mapping[str, str], positional: tuple[str, ...]
    ) -> Made:
        _, plain, warnings = self._ask(
            do, name=name, text=text, positional=positional, definitions=self.definitions, around=to_plain(around),
            origins=dict(origins),
        )
        return Made(from_plain(plain), warnings)

    def list(self, pattern: str, *, verbose: bool) -> tuple[str, ...]:
        """The lines of `-l PATTERN`."""
        lines: tuple[str, ...] = self._ask("list", pattern=pattern, verbose=verbose)[1]
        return lines

    def join(self, texts: tuple[str, ...]) -> str:
        """Several blocks, and the definitions of the session, as one script."""
        text: str = self._ask("parts", texts=texts, definitions=self.definitions)[1]
        return text

    def _ask(self, do: str, **arguments: Any) -> worker.Answer:
        try:
            self.channel.send({"do": do, **arguments})
            if not self.channel.wait(self.interrupted):
                self.channel.send(worker.CANCEL)
                self.channel.receive()
                raise Interrupted
            answer: worker.Answer = self.channel.receive()
        except Closed:
            self.close()
            self.channel, self.pid = worker.start(self.options, self.colour)
            raise Rejected("ERROR: The compiler has ended unexpectedly; it was started again.\n") from None
        if answer[0] == "rejected":
            raise Rejected(answer[1])
        if answer[0] == "crashed":
            raise Rejected(f"ERROR: This could not be compiled: {answer[1]}\n")
        return answer

    def close(self) -> None:
        """Ends the process."""
        self.channel.close()
        if self.pid:
            os.waitpid(self.pid, 0)
            self.pid = 0
