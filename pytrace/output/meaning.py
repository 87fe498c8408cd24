"""What printing a value needs beyond its type: the names it refers to, and the machine it came from."""

from __future__ import annotations

from pytrace.frozen import frozen
from pytrace.hints import Mapping, Protocol
from pytrace.output.values import CapturedStack, Structs
from pytrace.semantics.types import Enum, Stack

__all__ = ["Meaning", "Resolver"]


class Resolver(Protocol):
    """Turns what only this machine understands into text. Never fails: what is unknown has a text too."""

    def ksym(self, address: int) -> bytes: ...

    def usym(self, address: int, pid: int, probe: int) -> bytes: ...

    def stack(self, type_: Stack, stack: CapturedStack) -> bytes:
        """A newline, then one line for each frame."""

    def username(self, uid: int) -> bytes: ...

    def timestamp(self, nanoseconds: int, format_: int, clock: int) -> bytes: ...

    def cgroup_path(self, id_: int, filter_: int) -> bytes: ...


@frozen
class Meaning:
    """`trailer` marks a string that was cut (`str_trunc_trailer`)."""

    structs: Structs
    enums: Mapping[Enum, Mapping[int, str]]
    trailer: bytes
    resolver: Resolver

    def names(self, enum: Enum) -> dict[int, bytes]:
        """Enumerator names by the value as it is stored: unsigned, 64 bits."""
        return {value & (1 << 64) - 1: name.encode("latin-1") for value, name in self.enums.get(enum, {}).items()}
