"""How types combine (LANGUAGE 14.1–14.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.semantics.types import (
    BOOL,
    I8,
    I16,
    I32,
    I64,
    KSYM,
    MAC,
    U8,
    U16,
    U32,
    U64,
    UNKNOWN,
    Aggregate,
    Array,
    Buffer,
    Enum,
    Int,
    Pointer,
    Record,
    Space,
    Stack,
    Str,
    Struct,
    Tuple,
    Type,
)
from pytrace.semantics.typing.lattice import exact, fits, join, known, literal_int, preserves

FLEX8, FLEX16 = literal_int(1), literal_int(300)

ints = st.builds(Int, st.sampled_from((1, 2, 4, 8)), st.booleans())
flexible = st.sampled_from((0, 300, 70000, 1 << 40)).map(literal_int)
leaves = st.one_of(
    ints,
    flexible,
    st.builds(Str, st.integers(1, 99)),
    st.builds(Buffer, st.integers(1, 99)),
    st.sampled_from((BOOL, KSYM, MAC, Enum("a"), Enum("b"), Stack("kstack", "perf", 5), Struct("s", 8))),
    st.builds(Array, ints, st.integers(1, 3)),
)
types: st.SearchStrategy[Type] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda elems: Tuple(tuple(elems))),
        st.lists(inner, min_size=1, max_size=3).map(lambda elems: Record(tuple(zip("abc", elems, strict=False)))),
        st.builds(Pointer, inner, st.sampled_from((Space.NONE, Space.KERNEL))),
    ),
    max_leaves=6,
)


@given(types)
def test_join_with_itself(type_: Type) -> None:
    """A type joined with itself is itself, remarks included."""
    joined = join(type_, type_)
    assert joined is not None and exact(joined, type_)


@given(types)
def test_unknown_is_neutral(type_: Type) -> None:
    """UNKNOWN agrees with every type."""
    assert join(UNKNOWN, type_) is type_ and join(type_, UNKNOWN) is type_


@given(types, types)
def test_join_commutes(a: Type, b: Type) -> None:
    """The order of two sources does not matter, but for the order of a record's members."""
    assert join(a, b) == join(b, a)


@given(types, types)
def test_join_absorbs(a: Type, b: Type) -> None:
    """Joining again with a source changes nothing: solving comes to an end."""
    joined = join(a, b)
    if joined is not None:
        again = join(joined, b)
        assert again is not None and exact(again, joined)


@given(ints, ints)
def test_join_preserves_values_unless_64_bits_do_not_suffice(a: Int, b: Int) -> None:
    """Below 64 bits, the common type of two integers holds all values of both."""
    joined = join(a, b)
    assert isinstance(joined, Int)
    if not (a.signed != b.signed and max(a.size, b.size) == 8):
        assert preserves(a, joined) and preserves(b, joined)
    else:
        assert joined == I64


@pytest.mark.parametrize(
    ("a", "b", "joined"),
    [
        (I8, I32, I32),
        (U8, U64, U64),
        (FLEX8, U8, U8),
        (FLEX16, U8, U16),
        (FLEX8, FLEX16, I16),
        (I32, U8, I32),
        (I8, U8, I16),
        (I16, U32, I64),
        (I64, U64, I64),
        (FLEX8, U64, U64),
        (Enum("e"), FLEX8, U64),
        (Enum("e"), Enum("f"), U64),
        (Enum("e"), Enum("e"), Enum("e")),
        (Str(3), Str(8), Str(8)),
        (Tuple((FLEX8, Str(2))), Tuple((U32, Str(5))), Tuple((U32, Str(5)))),
        (Record((("a", I8), ("b", Str(2)))), Record((("b", Str(4)), ("a", I16))), Record((("a", I16), ("b", Str(4))))),
        (Pointer(I8), Pointer(U32), Pointer(I64)),
        (Aggregate("sum", False), Aggregate("sum", True), Aggregate("sum", True)),
        (Aggregate("count", False), I8, I64),
    ],
)
def test_common_types(a: Type, b: Type, joined: Type) -> None:
    """The promotion table of LANGUAGE 14.3."""
    assert joined == join(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (BOOL, I8),
        (I64, Pointer(I8)),
        (Str(2), I8),
        (Tuple((I8,)), Tuple((I8, I8))),
        (Tuple((I8,)), Record((("a", I8),))),
        (Record((("a", I8),)), Record((("b", I8),))),
        (Array(U8, 4), Array(I8, 4)),
        (Array(U8, 4), Array(U8, 8)),
        (Stack("kstack", "perf", 5), Stack("kstack", "perf", 6)),
        (Struct("a", 8), Struct("b", 8)),
        (Aggregate("sum"), Aggregate("count")),
        (Aggregate("hist", True, (0,)), I64),
        (KSYM, U64),
    ],
)
def test_disagreement(a: Type, b: Type) -> None:
    """Types that cannot be stored in one place."""
    assert join(a, b) is None


def test_flexible_literals_stay_flexible_together() -> None:
    """A variable that only gets literals may still turn unsigned."""
    joined = join(FLEX8, FLEX16)
    assert isinstance(joined, Int) and joined.flexible
    assert not join(FLEX8, I8).flexible  # type: ignore[union-attr]  # the join of integers is one


@pytest.mark.parametrize(
    ("value", "type_"),
    [(0, I8), (127, I8), (128, I16), (32768, I32), (1 << 31, I64), (1 << 63, U64), (-1, I8), (-129, I16)],
)
def test_literal_types(value: int, type_: Int) -> None:
    """Literals take the smallest signed type that holds them."""
    assert literal_int(value) == type_ and literal_int(value).flexible == (value >= 0)


def test_fits() -> None:
    """Bounds of the integer types."""
    assert fits(255, U8) and not fits(256, U8) and not fits(-1, U16) and fits(-128, I8) and not fits(128, I8)


def test_preserves() -> None:
    """Which conversions keep every value."""
    assert preserves(U32, I64) and not preserves(U64, I64) and not preserves(I8, U64) and preserves(FLEX8, U8)
    assert not preserves(I64, I32) and preserves(I32, I32)


def test_known() -> None:
    """A type with an unsolved part is unsolved."""
    assert not known(Tuple((I8, Pointer(UNKNOWN)))) and known(Tuple((I8, Pointer(I16)))) and known(U16)
