"""What completion and help know of the session that they are asked in: plain data, made anew by whoever asks."""

from __future__ import annotations

from pytrace.frozen import frozen
from pytrace.semantics.types import Type

__all__ = ["Argument", "BlockInfo", "Command", "Context", "MapInfo"]


class Argument:
    """What a command takes at a place: kinds of arguments, as `Command.arguments` names them."""

    BLOCK = "block"
    MAP = "map"
    FILE = "file"
    PROBE = "probe"
    NUMBER = "number"
    INTERVAL = "interval"
    TOPIC = "topic"
    COMMAND = "command"
    TEXT = "text"


@frozen
class Command:
    """A command of the prompt, without its colon. `arguments` are the kinds of what it takes, in order; the last one
    may be given again if `repeats`. `choices` are words that can stand for the first argument."""

    name: str
    help: str
    arguments: tuple[str, ...] = ()
    usage: str = ""
    example: str = ""
    repeats: bool = False
    choices: tuple[str, ...] = ()

    @property
    def spelling(self) -> str:
        """The command with its arguments, as help shows it."""
        return f":{self.name} {self.usage}".rstrip()


@frozen
class MapInfo:
    """A map of the session; `name` includes the `@`. `key` is None for a map without keys, `value` None as long as it
    is unknown."""

    name: str
    key: Type | None = None
    value: Type | None = None

    def __str__(self) -> str:
        shown = "?" if self.value is None else str(self.value)
        return shown if self.key is None else f"[{self.key}] {shown}"


@frozen
class BlockInfo:
    """A block of the session: its number, its text, and whether it runs (`running`, `stopped`, `failed`)."""

    number: int
    text: str
    state: str = "running"


@frozen
class Context:
    """The session. `unsafe` is that of --unsafe, `pid` that of -p. `preamble` is C that earlier input defined."""

    maps: tuple[MapInfo, ...] = ()
    blocks: tuple[BlockInfo, ...] = ()
    commands: tuple[Command, ...] = ()
    unsafe: bool = False
    pid: int | None = None
    preamble: str = ""

    def map(self, name: str) -> MapInfo | None:
        return next((each for each in self.maps if each.name == name), None)

    def command(self, name: str) -> Command | None:
        return next((each for each in self.commands if each.name == name), None)
