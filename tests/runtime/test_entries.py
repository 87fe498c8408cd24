"""The lines of large maps by machine code, against what Python makes of the same entries."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from itertools import product

import pytest

from pytrace.codegen.image import ScriptMap
from pytrace.output.contents import Contents
from pytrace.output.text_maps import TextMaps
from pytrace.output.values import scalar_code
from pytrace.runtime.entries import LargeMaps
from pytrace.runtime.maps import Column
from pytrace.semantics.types import (
    BOOL,
    I64,
    U64,
    Aggregate,
    Bool,
    Int,
    Pointer,
    Record,
    Str,
    Tuple,
    Type,
    members_of,
    offsets_of,
    size_of,
)
from tests.output.common import text_values

NUMBERS = [0, 1, 9, 10, 99, 100, 12345, 2**31 - 1, 2**31, 2**32, 10**18, 2**63 - 1]


def table(name: str, key: Type, value: Type) -> ScriptMap:
    return ScriptMap(name, "m", key, value, True, 100)


def words(rng: random.Random, signed: bool) -> int:
    number = rng.choice((rng.choice(NUMBERS), rng.randrange(1 << 63), rng.randrange(100)))
    if rng.random() < 0.3:
        return -number if signed else 2**64 - 1 - number
    return number


def string(rng: random.Random, size: int) -> bytes:
    text = bytes(rng.choice(b"abc() ,\"\xc3") for _ in range(rng.randrange(size)))
    if rng.random() < 0.2:
        text = b"(" + text[: size - 3] + b")"
    return text.ljust(size, b"\0")


def key_of(rng: random.Random, type_: Type) -> bytes:
    """The bytes of a random key."""
    match type_:
        case Int(size=size):
            return rng.randrange(1 << rng.choice((7, 8 * size))).to_bytes(size, "little")
        case Bool():
            return bytes((rng.randrange(2),))
        case Pointer():
            return rng.randrange(1 << 48).to_bytes(8, "little")
        case Str(size=size):
            return string(rng, size) if rng.random() < 0.9 else b"x" * size
    data = bytearray(size_of(type_))
    for offset, member in zip(offsets_of(type_), members_of(type_), strict=True):
        data[offset : offset + size_of(member)] = key_of(rng, member)
    return bytes(data)


def python_lines(map_: ScriptMap, items: list[tuple[bytes, int]], top: int) -> bytes:
    return TextMaps(text_values(), 0).render(Contents(map_.name, map_.key, map_.value, items), top)


KEYS: list[Type] = [
    I64, U64, Int(4, True), Int(2, False), Int(1, True), BOOL, Pointer(I64), Str(16), Tuple((I64, Str(8))),
    Tuple((Int(4, False), Tuple((BOOL, I64)), Str(16))), Record((("a", I64), ("b", Str(8)))),
]  # fmt: skip
VALUES: list[Type] = [Aggregate("sum", signed=True), Aggregate("sum", signed=False), Aggregate("count"), I64, U64]


@pytest.mark.parametrize(("key", "value"), [*product(KEYS, VALUES[:1]), *product(KEYS[:1], VALUES[1:])], ids=str)
def test_the_lines_are_those_of_python(key: Type, value: Type, monkeypatch: pytest.MonkeyPatch):
    if not isinstance(key, Int):  # of many entries with equal values only those with integers are ordered further
        monkeypatch.setattr("pytrace.output.contents._TIES", 0)
    rng = random.Random(f"{key} {value}")
    copies = 3 if isinstance(value, Aggregate) else 1
    number = value.as_int if isinstance(value, Aggregate) else value
    assert isinstance(number, Int)
    code = scalar_code(number)
    map_ = table("@%s", key, value)
    large = LargeMaps("..", cached=False, tell=pytest.fail)
    for count in (1, 2, 400, 3000):
        keys = list(dict.fromkeys(key_of(rng, key) for _ in range(count)))
        copied = [[words(rng, number.signed) // copies for _ in range(copies)] for _ in keys]
        packed = bytearray(struct.pack(f"<{copies * len(keys)}{code}", *[word for row in copied for word in row]))
        column = Column(size_of(key), bytearray(b"".join(keys)), packed, len(keys))
        lines = large.lines(map_, [column], copies, 8 * copies)
        assert lines is not None
        found = list(zip(keys, map(sum, copied), strict=True))
        assert b"".join(lines()) == python_lines(map_, found, 0)


def test_short_keys_have_a_hash_of_their_own():
    map_ = table("@", Str(64), Aggregate("count"))
    large = LargeMaps("..", cached=False, tell=pytest.fail)
    long = [b"%d" % n + b"l" * 40 for n in range(0, 90, 2)] + [b"(" + b"l" * 62 + b")"]
    short = [b"%d" % n for n in range(1, 90, 2)] + [b"(x)", b"()", b"("]

    def column(names: list[bytes], size: int, first: int) -> Column:
        values = bytearray(struct.pack(f"<{len(names)}Q", *range(first, first + 2 * len(names), 2)))
        return Column(size, bytearray(b"".join(name.ljust(size, b"\0") for name in names)), values, len(names))

    lines = large.lines(map_, [column(long, 64, 0), column(short, 16, 1)], 1, 8)
    assert lines is not None
    items = [(name.ljust(64, b"\0"), 2 * n) for n, name in enumerate(long)]
    items += [(name.ljust(64, b"\0"), 2 * n + 1) for n, name in enumerate(short)]
    assert b"".join(lines()) == python_lines(map_, items, 0)
    assert b"@[" + b"(" + b"l" * 62 + b")..]: 90\n" in python_lines(map_, items, 0)


@pytest.mark.parametrize("top", [1, 5, 999, 1000, 5000])
def test_the_last_lines(top: int):
    map_ = table("@x", U64, U64)
    numbers = random.Random(1).sample(range(10**6), 1000)
    keys, values = (bytearray(struct.pack("<1000Q", *column)) for column in (numbers[::-1], numbers))
    lines = LargeMaps("..", cached=False, tell=pytest.fail).lines(map_, [Column(8, keys, values, 1000)], 1, 8)
    assert lines is not None
    items = [(key.to_bytes(8, "little"), value) for key, value in zip(numbers[::-1], numbers, strict=True)]
    assert b"".join(lines(top)) == python_lines(map_, items, top)


def test_large_texts_come_in_pieces():
    map_ = table("@" + "n" * 200, U64, U64)
    keys = bytearray(struct.pack("<9000Q", *range(9000)))
    lines = LargeMaps("..", cached=False, tell=pytest.fail).lines(map_, [Column(8, keys, keys[:], 9000)], 1, 8)
    assert lines is not None
    pieces = list(lines())
    assert len(pieces) > 1
    assert b"".join(pieces) == b"".join(b"@%s[%d]: %d\n" % (b"n" * 200, n, n) for n in range(9000))


@pytest.mark.parametrize("value", [Aggregate("avg"), Aggregate("max"), Aggregate("hist"), BOOL, Str(8)], ids=str)
def test_other_values_are_for_python(value: Type):
    large = LargeMaps("..", cached=False, tell=pytest.fail)
    assert large.lines(table("@", U64, value), [Column(8, bytearray(8), bytearray(8), 1)], 1, 8) is None


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch):
    """It is said once, and Python does it."""

    def missing(*args: object) -> None:
        raise ImportError("there is none")

    monkeypatch.setattr("pytrace.codegen.native.compile.compile_entries", missing)
    told: list[str] = []
    large = LargeMaps("..", cached=False, tell=told.append)
    make: Callable[[], object] = lambda: large.lines(  # noqa: E731
        table("@", U64, U64), [Column(8, bytearray(8), bytearray(8), 1)], 1, 8
    )
    assert make() is None
    assert make() is None
    assert told == ["Large maps are formatted in Python: there is none"]
