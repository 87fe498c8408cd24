"""Records formatted by machine code: the same bytes as by Python, whatever the format and the values."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pytrace.codegen.image import Action, Image, Place
from pytrace.codegen.module import layout_of
from pytrace.codegen.native.compile import compile_native
from pytrace.kernel.ring import RingReader
from pytrace.output.json_printer import JsonPrinter
from pytrace.output.printer import Printer, Style
from pytrace.output.streams import Messages, Output
from pytrace.output.text_printer import TextPrinter
from pytrace.runtime.actions import Consumer
from pytrace.runtime.loading import Loaded
from pytrace.runtime.maps import MapStore
from pytrace.runtime.native import NativeText
from pytrace.runtime.outcome import Outcome
from pytrace.runtime.stream import Stream
from pytrace.semantics.configuration import Config
from pytrace.semantics.types import (
    BOOL,
    I64,
    Array,
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
from tests.kernel.test_ring import DISCARDED, SIZE, FakeRing
from tests.output.common import COLOUR, text_values

INTS = tuple(Int(size, signed) for size in (1, 2, 4, 8) for signed in (False, True))
SIMPLE: tuple[Type, ...] = (*INTS, BOOL, COLOUR, Pointer(I64), Str(1), Str(7), Str(8), Str(16), Str(65))
PAIR = Tuple((I64, Str(8)))
TOGETHER: tuple[Type, ...] = (
    PAIR, Tuple((BOOL,)), Tuple((PAIR, Int(1, False), PAIR)), Record((("a", I64), ("long_name", PAIR))), Record(()),
    Array(Int(2, True), 5), Array(Str(3), 2), Tuple((Array(PAIR, 2), Record((("x", BOOL),)))),
)  # fmt: skip
TYPES = SIMPLE + TOGETHER
NUMBERS = (0, 1, 9, 10, 99, 100, 127, 128, 255, 999, 1000, 65535, 1 << 31, (1 << 31) - 1, 1 << 63, (1 << 64) - 1)
PLACE = Place("test", 1, 1, (("test:1:1-2", ""),))
TRAILER = b".."


class Kept(Output):
    """What was written, in memory."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def flush(self) -> None:
        pass


def random_value(chance: random.Random, type_: Type) -> bytes:
    size = size_of(type_)
    match type_:
        case Str():
            length = chance.choice((0, size - 1, size, chance.randrange(size + 1)))
            text = bytes(chance.choices(range(1, 256) if chance.random() < 0.3 else range(32, 127), k=length))
            return (text + b"\0" + chance.randbytes(size))[:size]  # what is behind the NUL is anything
        case Bool():
            return bytes([chance.randrange(2)])
        case Tuple() | Record():
            data = bytearray(chance.randbytes(size))
            for offset, member in zip(offsets_of(type_), members_of(type_), strict=True):
                data[offset : offset + size_of(member)] = random_value(chance, member)
            return bytes(data)
        case Array(elem=elem, count=count):
            return b"".join(random_value(chance, elem) for _ in range(count))
    number = chance.choice((*NUMBERS, chance.getrandbits(64), -1, -chance.getrandbits(40)))
    return (number & (1 << 8 * size) - 1).to_bytes(size, "little")


def random_format(chance: random.Random) -> tuple[tuple[object, ...], tuple[Type, ...]]:
    pieces: list[object] = []
    types: list[Type] = []
    for index in range(chance.randrange(1, 6)):
        if chance.random() < 0.7:
            pieces.append(bytes(chance.choices(range(32, 127), k=chance.choice((1, 2, 8, 9, 40)))))
        type_ = chance.choice(TYPES)
        if isinstance(type_, Str) or type_ in TOGETHER:
            conversion = "s"
        elif type_ == COLOUR:
            conversion = chance.choice("duoxXcp")
        else:
            conversion = chance.choice("duoxXcps")
        flags = "".join(flag for flag in "-+ #0" if chance.random() < 0.3)
        width = chance.choice((0, 0, 1, 2, 5, 20, 33))
        pieces.append(("conv", flags, width, chance.choice(("hh", "h", "", "l")), conversion, index))
        types.append(type_)
    return tuple(pieces), tuple(types)


def formatted(pieces: tuple[object, ...], types: tuple[Type, ...], kind: str = "printf") -> Action:
    static = () if kind == "print" else (pieces, ())
    return Action(kind, static, layout_of(types), PLACE, 1)


def record(index: int, action: Action, values: list[bytes]) -> bytes:
    data = bytearray(os.urandom(action.layout.size))
    struct.pack_into("<I", data, 0, index)
    for (offset, _), value in zip(action.layout.fields, values, strict=True):
        data[offset : offset + len(value)] = value
    return bytes(data)


def printer_for(output: Output, as_json: bool) -> Printer:
    kind = JsonPrinter if as_json else TextPrinter
    return kind(output, Messages(output, -1), text_values().meaning, 0, Style())


@contextmanager
def both_ways(actions: tuple[Action, ...], as_json: bool = False) -> Iterator[tuple[FakeRing, Stream, Kept, Consumer]]:
    """A ring that is read by machine code, as far as that goes."""
    image = Image((), (), (), actions, Config())
    fake, output = FakeRing(), Kept()
    consumer = Consumer(image, printer_for(output, as_json), MapStore(Loaded(image)), Outcome(), 0)
    with RingReader(fake.fd, SIZE) as reader:
        stream = Stream(reader, None)
        stream._native = NativeText(compile_native(actions, TRAILER, json=as_json), reader, output)
        yield fake, stream, output, consumer
        stream._native.close()
    os.close(fake.fd)


def compare(actions: tuple[Action, ...], records: list[bytes], as_json: bool = False) -> None:
    expected = Kept()
    image = Image((), (), (), actions, Config())
    reference = Consumer(image, printer_for(expected, as_json), MapStore(Loaded(image)), Outcome(), 0)
    with both_ways(actions, as_json) as (fake, stream, output, consumer):
        for each in records:
            fake.put(each)
            before = len(expected.data)
            reference.consume([each])
            assert stream.handle(consumer.consume) is False
            assert output.data[before:] == expected.data[before:], (actions[each[0]], each)
        assert fake.consumed == fake.produced


@pytest.mark.parametrize("seed", range(12))
def test_any_format_of_any_values(seed: int):
    chance = random.Random(seed)
    actions = tuple(formatted(*random_format(chance)) for _ in range(12))
    records = []
    for _ in range(300):
        index = chance.randrange(len(actions))
        fields = actions[index].layout.fields
        records.append(record(index, actions[index], [random_value(chance, type_) for _, type_ in fields]))
    compare(actions, records, as_json=seed % 3 == 2)


def test_printed_values():
    chance = random.Random(1)
    actions = tuple(formatted((), (type_,), "print") for type_ in TYPES)
    records = [
        record(index, action, [random_value(chance, TYPES[index])])
        for index, action in enumerate(actions) for _ in range(20)
    ]  # fmt: skip
    compare(actions, records)


def test_records_for_python_keep_their_place():
    """Wide padding of an array is Python's, a number is not: both print in the order of the ring."""
    pair = formatted((("conv", "", 1, "", "s", 0), b"\n"), (Array(I64, 2),))
    one = formatted((("conv", "", 0, "l", "d", 0), b"\n"), (I64,))
    chance = random.Random(2)
    records = [
        record(*((0, pair, [struct.pack("<qq", n, -n)]) if chance.random() < 0.4 else (1, one, [struct.pack("<q", n)])))
        for n in range(200)
    ]
    compare((pair, one), records)
    with both_ways((pair, one)) as (fake, stream, output, consumer):
        for each in records[:40]:
            fake.put(each)
        assert stream.handle(consumer.consume) is False
        lines = output.data.splitlines()
    assert lines == [b"[%d,-%d]" % (n, n) if records[n][0] == 0 else b"%d" % n for n in range(40)]


def test_text_that_is_longer_than_the_buffer(monkeypatch: pytest.MonkeyPatch):
    """It is written in pieces, and nothing is missing between them."""
    from pytrace.runtime import native

    monkeypatch.setattr(native, "_ROOM", 0)  # room for two records
    action = formatted((b"<", ("conv", "", 90, "l", "d", 0), b">\n"), (I64,))
    with both_ways((action,)) as (fake, stream, output, consumer):
        for n in range(50):
            fake.put(record(0, action, [struct.pack("<q", n)]))
        assert stream.handle(consumer.consume) is False
        assert output.data == b"".join(b"<%90d>\n" % n for n in range(50))


def test_json_is_json():
    action = formatted((("conv", "", 0, "", "s", 0),), (Str(64),))
    texts = [bytes(range(1, 60)), b'a "quoted" \\ text', "ü ∀".encode(), b"\xff\xfe", b"", b"\x08\x0c\x7f"]
    with both_ways((action,), as_json=True) as (fake, stream, output, consumer):
        for text in texts:
            fake.put(record(0, action, [text.ljust(64, b"\0")]))
        stream.handle(consumer.consume)
        lines = [json.loads(line) for line in output.data.splitlines()]
    read = [text.decode("latin-1") if b"\xff" in text else text.decode() for text in texts]
    assert [line["data"] for line in lines] == read


def test_what_is_not_worth_it_is_not_compiled():
    pair = formatted((("conv", "", 0, "", "s", 0), b"\n"), (Array(I64, 200),))
    assert compile_native((pair,), TRAILER)[0] == b""
    assert compile_native((), TRAILER)[0] == b""


def test_discarded_records_are_passed_over():
    action = formatted((("conv", "", 0, "l", "d", 0), b"\n"), (I64,))
    with both_ways((action,)) as (fake, stream, output, consumer):
        for n in range(6):
            fake.put(record(0, action, [struct.pack("<q", n)]), DISCARDED if n % 2 else 0)
        stream.handle(consumer.consume)
        assert output.data == b"0\n2\n4\n"
