"""Damaged type information is refused, and never sends a reader round in circles."""

from __future__ import annotations

import contextlib
import random

import pytest

from pytrace.kernel import btf_print, btf_types
from pytrace.kernel.btf import Btf, BtfError, Kind
from pytrace.kernel.btf_check import check
from tests.kernel.btf_writer import BtfWriter


def written() -> BtfWriter:
    w = BtfWriter()
    number, char = w.int("int", 4, 1), w.int("char", 1)
    text = w.pointer(w.add(Kind.CONST, "", char))
    # The struct of this id refers to itself by a pointer.
    node = w.struct("node", 24, [("next", 6, 0), ("name", text, 64), ("bits", number, 128)])
    w.pointer(node)
    w.array(text, 3)
    w.enum("colour", [("RED", 0)])
    w.add(Kind.TYPEDEF, "node_t", node)
    w.add(Kind.FUNC, "walk", w.prototype(number, [("at", 6), ("", 0)]))
    return w


def use(read: Btf) -> None:
    """Everything that readers do with types."""
    for id in range(1, read.count):
        type = read.type(id)
        btf_types.convert(read, id)
        btf_print.type_text(read, id)
        read.size(id)
        # A hole of gigabytes is described by as many lines: right, and long.
        if type.kind in (Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64) and type.value < 1 << 16:
            btf_print.definition(read, type)


def test_what_is_right_is_accepted():
    read = Btf(written().data())
    check(read)
    use(read)


def test_circles_of_names():
    w = BtfWriter()
    w.add(Kind.TYPEDEF, "a", 2)
    w.add(Kind.CONST, "", 1)
    with pytest.raises(BtfError, match="defined by itself"):
        check(Btf(w.data()))


def test_pointers_that_lead_back():
    w = BtfWriter()
    w.add(Kind.PTR, "", 2)
    w.add(Kind.PTR, "", 1)
    with pytest.raises(BtfError, match="defined by itself"):
        check(Btf(w.data()))


def test_a_struct_within_itself():
    w = BtfWriter()
    w.struct("self", 8, [("inner", 1, 0)])
    with pytest.raises(BtfError, match="defined by itself"):
        check(Btf(w.data()))


def test_references_to_nothing():
    w = BtfWriter()
    w.pointer(7)
    with pytest.raises(BtfError, match="does not exist"):
        check(Btf(w.data()))


def test_random_damage_is_refused_or_harmless():
    original = written().data()
    chance = random.Random(11)
    for _ in range(3000):
        data = bytearray(original)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 2, 255, chance.randrange(256)))
        with contextlib.suppress(BtfError):
            read = Btf(bytes(data))
            check(read)
            btf_types._places.clear()
            btf_types._enum_places.clear()
            use(read)


@pytest.mark.live
def test_the_kernel_is_right():
    from pytrace.kernel.btf import kernel_btf

    kernel = kernel_btf()
    if kernel is None:
        pytest.skip("this kernel offers no BTF")
    check(kernel)
