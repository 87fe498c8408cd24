"""A machine that exists only on paper: what values mean in the tests."""

from __future__ import annotations

from pytrace.output.meaning import Meaning
from pytrace.output.text import TextValues
from pytrace.output.values import CapturedStack
from pytrace.semantics.types import Enum, Stack, Struct, StructDef

COLOUR = Enum("colour")


class PaperResolver:
    def ksym(self, address: int) -> bytes:
        return b"function" if address else b"0"

    def usym(self, address: int, pid: int, probe: int) -> bytes:
        return b"user_function"

    def stack(self, type_: Stack, stack: CapturedStack) -> bytes:
        return b"\n" + b"".join([b"        f%d+1\n" % frame for frame in stack.frames])

    def username(self, uid: int) -> bytes:
        return b"root" if uid == 0 else b""

    def timestamp(self, nanoseconds: int, format_: int, clock: int) -> bytes:
        return b"%d/%d/%d" % (nanoseconds, format_, clock)

    def cgroup_path(self, id_: int, filter_: int) -> bytes:
        return b"unified:/a"


def text_values(structs: dict[Struct, StructDef] | None = None) -> TextValues:
    return TextValues(Meaning(structs or {}, {COLOUR: {1: "RED", 7: "GREEN"}}, b"..", PaperResolver()))
