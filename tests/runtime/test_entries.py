"""The lines of large maps by machine code, against what Python makes of the same entries."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from itertools import product

import pytest

from pytrace.codegen import llvm
from pytrace.codegen.image import ScriptMap
from pytrace.codegen.native.entries import entries_source
from pytrace.kernel.object_file import read_object
from pytrace.output.contents import Contents, aggregation_of
from pytrace.output.text_maps import TextMaps
from pytrace.output.values import scalar_code
from pytrace.runtime.columns import Column, without_tails
from pytrace.runtime.entries import LargeMaps
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
        monkeypatch.setattr("pytrace.output.contents.TIES", 0)
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


def test_sums_have_a_word_that_says_that_there_is_one():
    map_ = table("@", I64, Aggregate("sum", signed=True))
    keys = bytearray(struct.pack("<3q", 5, -6, 7))
    values = bytearray(struct.pack("<12q", *(3, 1, -4, 1), *(0, 0, -9, 1), *(2**63 - 1, 1, 1, 1)))
    lines = LargeMaps("..", cached=False, tell=pytest.fail).lines(map_, [Column(8, keys, values, 3)], 2, 32)
    assert lines is not None
    assert b"".join(lines()) == b"@[7]: -9223372036854775808\n@[-6]: -9\n@[5]: -1\n"


CHARTS = [
    Aggregate("hist", params=(0,)), Aggregate("hist", params=(5,)), Aggregate("lhist", params=(0, 100, 1)),
    Aggregate("lhist", params=(-5_000_000_000, 5_000_000_000, 500_000_000)),
    Aggregate("lhist", params=(0, 1 << 20, 1024)),
]  # fmt: skip


def chart_words(rng: random.Random, count: int) -> list[int]:
    """The buckets of one histogram."""
    words = [0] * count
    for _ in range(rng.choice((0, 1, 1, 3, 20))):
        words[rng.choice((0, count - 1, rng.randrange(count)))] = rng.choice(
            (1, rng.randrange(1, 60), rng.randrange(1 << 30), rng.randrange(1 << 63), (1 << 64) - 1 - rng.randrange(99))
        )
    return words


@pytest.mark.parametrize(("key", "value"), [*product(KEYS[:4], CHARTS[:1]), *product(KEYS[:1], CHARTS)], ids=str)
def test_histograms_are_those_of_python(key: Type, value: Aggregate):
    rng = random.Random(f"{key} {value}")
    count = aggregation_of(value).value_size(value) // 8
    map_ = table("@h", key, value)
    large = LargeMaps("..", cached=False, tell=pytest.fail)
    for entries, copies in ((1, 1), (2, 3), (300, 2)):
        keys = list(dict.fromkeys(key_of(rng, key) for _ in range(entries)))
        copied = [[chart_words(rng, count) for _ in range(copies)] for _ in keys]
        packed = bytearray(b"".join(struct.pack(f"<{count}Q", *words) for row in copied for words in row))
        column = Column(size_of(key), bytearray(b"".join(keys)), packed, len(keys))
        lines = large.lines(map_, [column], copies, 8 * count * copies)
        assert lines is not None
        folded = [[sum(words) % (1 << 64) for words in zip(*row, strict=True)] for row in copied]
        order = sorted(zip(keys, folded, strict=True), key=lambda item: sum(item[1]) % (1 << 64))
        found = b"".join(lines())
        if all(sum(words) < 1 << 64 for words in folded):
            items = list(zip(keys, folded, strict=True))
            assert found == TextMaps(text_values(), 0).render(Contents("@h", key, value, items), 0)
        for one, words in order:  # each by itself, whatever their order
            assert TextMaps(text_values(), 0).render(Contents("@h", key, value, [(one, words)]), 0) in found


def test_bars_round_like_those_of_python():
    """Shares that are whole numbers of characters, or nearly so, of counts that are no floats."""
    rng = random.Random(3)
    value, count = Aggregate("hist", params=(0,)), 65
    rows: list[list[int]] = []
    for greatest in (52, 53, 1 << 24, (1 << 24) + 1, (1 << 53) + 1, (1 << 63) + 1, (1 << 64) - 1, 10**18, 10**15 + 1):
        shares = [greatest * part // 52 + more for part in range(53) for more in (-1, 0, 1)]
        inside = [share for share in shares if 0 < share <= greatest]
        rows += [[greatest, *rng.sample(inside, min(count - 1, len(inside)))] for _ in range(5)]
    words = [row + [0] * (count - len(row)) for row in rows]
    keys = [n.to_bytes(8, "little") for n in range(len(words))]
    packed = bytearray(b"".join(struct.pack(f"<{count}Q", *row) for row in words))
    column = Column(8, bytearray(b"".join(keys)), packed, len(keys))
    lines = LargeMaps("..", cached=False, tell=pytest.fail).lines(table("@", U64, value), [column], 1, 8 * count)
    assert lines is not None
    found = b"".join(lines())
    for key, row in zip(keys, words, strict=True):
        assert TextMaps(text_values(), 0).render(Contents("@", U64, value, [(key, row)]), 0) in found


def test_histograms_with_other_keys_are_ordered_by_python():
    """Unless there are so many that it does not order them further either."""
    value = Aggregate("hist", params=(0,))
    large = LargeMaps("..", cached=False, tell=pytest.fail)

    def lines(count: int) -> object:
        keys = bytearray(b"".join(n.to_bytes(16, "little") for n in range(count)))
        return large.lines(table("@", Str(16), value), [Column(16, keys, bytearray(520 * count), count)], 1, 520)

    assert lines(100) is None
    assert lines(20_000) is not None


def test_histograms_of_each_processor_are_put_together():
    """Their keys have tails; the same key comes up to four times."""
    rng = random.Random(5)
    value, count = Aggregate("hist", params=(0,)), 65
    map_ = table("@", U64, value)
    large = LargeMaps("..", cached=False, tell=pytest.fail)
    elements = [(rng.randrange(50), cpu, chart_words(rng, count)) for cpu in range(4) for _ in range(40)]
    keys = bytearray(b"".join(struct.pack("<QII", key, 0, cpu) for key, cpu, _ in elements))
    values = bytearray(b"".join(struct.pack(f"<{count}Q", *words) for _, _, words in elements))
    column = Column(16, keys, values, len(elements))
    short, numbers, unique = without_tails(column, 8)
    wanted: dict[bytes, list[int]] = {}
    for key, _, words in elements:
        row = wanted.setdefault(key.to_bytes(8, "little"), [0] * count)
        row[:] = [(a + b) % (1 << 64) for a, b in zip(row, words, strict=True)]
    assert (bytes(short), unique) == (b"".join(wanted), len(wanted))
    merged = large.merged(map_, column, numbers, unique, 8 * count)
    assert merged == b"".join(struct.pack(f"<{count}Q", *row) for row in wanted.values())


@pytest.mark.parametrize("size", [1, 2, 4, 7, 8, 12, 16, 40, 64])
def test_keys_are_found(size: int):
    rng = random.Random(size)
    map_ = table("@", Int(size, False) if size in (1, 2, 4, 8) else Str(size), Aggregate("count"))
    large = LargeMaps("..", cached=False, tell=pytest.fail)
    for count in (1, 100, 5000):
        keys = list(dict.fromkeys(rng.randbytes(size) for _ in range(count)))
        rng.shuffle(keys)
        column = Column(size, bytearray(b"".join(keys)), bytearray(8 * len(keys)), len(keys))
        there = rng.sample(keys, min(len(keys), 300))
        wanted = [*there, *(rng.randbytes(size) for _ in range(100)), bytes(size)]
        rng.shuffle(wanted)
        for these in (wanted, [], [keys[0]], [keys[-1]]):
            found = large.places(map_, column, dict.fromkeys(these), 1, 8)
            assert found == {key: keys.index(key) for key in these if key in set(keys)}
        assert len(column.keys) == size * len(keys)


@pytest.mark.parametrize("value", [Aggregate("count"), Aggregate("hist", params=(5,)), I64], ids=str)
@pytest.mark.parametrize("key", [I64, Str(16), Tuple((I64, Str(8)))], ids=str)
def test_the_code_of_other_processors_stands_by_itself_too(key: Type, value: Type):
    triple = "aarch64-unknown-linux-gnu"
    machine = llvm.PackageMachine("generic", triple, "pic", "small")
    source = entries_source(b"@", key, [size_of(key)], value, b"..")
    assert source is not None
    header = f'target datalayout = "{machine.layout}"\ntarget triple = "{triple}"\n'
    sections = read_object(machine.compile(header + source.text, llvm._HOST_PASSES, None)).sections
    assert {section.name for section in sections if section.data} == {".text", ".strtab", ".symtab"}


def test_long_keys_are_not_looked_for():
    column = Column(128, bytearray(128), bytearray(8), 1)
    large = LargeMaps("..", cached=False, tell=pytest.fail)
    assert large.places(table("@", Str(128), Aggregate("count")), column, [bytes(128)], 1, 8) is None


@pytest.mark.parametrize("value", [Aggregate("avg"), Aggregate("max"), Aggregate("tseries"), BOOL, Str(8)], ids=str)
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
