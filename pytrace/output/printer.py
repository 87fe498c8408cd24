"""Events of a run as they are written: what the printers for text and for JSON have in common (OUTPUT 1, 6).

Results go to the output; what is said about the run goes to stderr in text mode, and becomes lines among the results
in JSON mode.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from pytrace.frozen import frozen
from pytrace.hints import TYPE_CHECKING, Any, Callable, Mapping
from pytrace.output.meaning import Meaning
from pytrace.output.streams import Messages, Output
from pytrace.output.text import TextValues

if TYPE_CHECKING:
    from pytrace.codegen.image import Place
    from pytrace.output.contents import Contents
    from pytrace.semantics.types import Type

__all__ = ["ERROR", "WARNING", "Printer", "Style"]

ERROR, WARNING, _PLAIN = b"\x1b[31m", b"\x1b[33m", b"\x1b[0m"


@frozen
class Style:
    """How things are said: `colour` for messages on a terminal; `warnings` whether there are any."""

    colour: bool = False
    warnings: bool = True


class Printer(ABC):
    """`text` makes the text of values, which format strings and keys need in any format. `tai_offset` is what the TAI
    clock is ahead of UTC, in nanoseconds."""

    def __init__(self, output: Output, messages: Messages, meaning: Meaning, tai_offset: int, style: Style) -> None:
        self.output = output
        self.messages = messages
        self.tai_offset = tai_offset
        self.style = style
        self.text = TextValues(meaning)

    @abstractmethod
    def piece(self, kind: str) -> Callable[[bytes], None]:
        """Writes text made by `printf`, `time`, `cat`, `join` or `system`."""

    @abstractmethod
    def value(self, type_: Type) -> Callable[[Any], None]:
        """Writes a printed value."""

    @abstractmethod
    def map(self, contents: Contents, top: int = 0, div: int = 1) -> None: ...

    @abstractmethod
    def attached(self, count: int) -> None: ...

    @abstractmethod
    def lost(self, count: int) -> None: ...

    @abstractmethod
    def losses(self, summary: Mapping[str, Mapping[str, int] | int]) -> None:
        """All that was lost in the run, by kind and place. Only where output is for machines: what people should know
        is said in warnings."""

    @abstractmethod
    def remark(self, kind: str, place: Place, text: bytes) -> None:
        """A message of the script itself: "errorf" or "warnf"."""

    @abstractmethod
    def runtime_error(self, place: Place, message: str, *, helper: str = "", retcode: int = 0, errno: str = "") -> None:
        """A warning that a program sent. With a `helper`, `errno` is the text of its error number."""

    @abstractmethod
    def finish(self) -> None:
        """Marks the end of what the probes printed; maps may follow."""

    def error(self, message: str) -> None:
        """Something that did not work here, in user space."""
        line = b"ERROR: " + message.encode("utf-8", "surrogateescape")
        self.messages.write(self.coloured(ERROR, line) + b"\n")

    def warning(self, message: str) -> None:
        """Something that worked only in part."""
        if self.style.warnings:
            line = b"WARNING: " + message.encode("utf-8", "surrogateescape")
            self.messages.write(self.coloured(WARNING, line) + b"\n")

    def coloured(self, colour: bytes, text: bytes) -> bytes:
        """Text between the escape sequences for a colour, where messages are coloured."""
        return colour + text + _PLAIN if self.style.colour else text
