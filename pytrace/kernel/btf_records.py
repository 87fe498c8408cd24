"""The records of BTF: their kinds, their lengths, and the values that describe them (Documentation/bpf/btf.rst)."""

from __future__ import annotations

from pytrace.named import NamedTuple
from pytrace.problem import Problem

__all__ = ["LENGTHS", "WORDS_PER_PART", "BtfError", "BtfType", "Kind", "Member", "Parameter"]


class BtfError(Problem, ValueError):
    """Not BTF, or damaged."""


class Kind:
    """BTF_KIND_…"""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19

    MODIFIERS = (VOLATILE, CONST, RESTRICT, TYPE_TAG)


# Words (of 4 bytes) that follow the three of each record: a fixed number, and a number for each of its `vlen` parts.
_EXTRA_WORDS = {Kind.INT: 1, Kind.ARRAY: 3, Kind.VAR: 1, Kind.DECL_TAG: 1}
WORDS_PER_PART = {
    Kind.STRUCT: 3, Kind.UNION: 3, Kind.ENUM: 2, Kind.FUNC_PROTO: 2, Kind.DATASEC: 3, Kind.ENUM64: 3,
}
_LAST_KIND = Kind.ENUM64


class _Lengths(dict[int, int]):
    """The length of a record in words, by its `info` word; computed once for each of the few that occur."""

    def __missing__(self, info: int) -> int:
        kind = info >> 24 & 31
        if not 0 < kind <= _LAST_KIND:
            raise BtfError(f"kind {kind} is unknown")
        words = 3 + _EXTRA_WORDS.get(kind, 0) + WORDS_PER_PART.get(kind, 0) * (info & 0xFFFF)
        self[info] = words
        return words


LENGTHS = _Lengths()


class BtfType(NamedTuple):
    """One record. `value` is the size in bytes (INT, STRUCT, UNION, ENUM, FLOAT, DATASEC), or the id of the type it
    refers to (the others). `flag` is the kind flag: bit-fields in a struct, signed values in an enum, a forward
    declared union."""

    id: int
    name: str
    kind: int
    vlen: int
    flag: bool
    value: int
    word: int


class Member(NamedTuple):
    """A member of a struct or union: `bit_offset` from its start; `bit_size` 0 if it is no bit-field."""

    name: str
    type: int
    bit_offset: int
    bit_size: int


class Parameter(NamedTuple):
    """A parameter of a function; a nameless one of type 0 stands for `...`."""

    name: str
    type: int
