"""Scalar expressions give what the language says, computed from values that the compiler does not know."""

from __future__ import annotations

import pytest

from pytrace.semantics import program as core
from pytrace.semantics.types import (
    BOOL,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    VOID,
    Array,
    Enum,
    Int,
    Pointer,
    Str,
    Type,
)
from tests.codegen.harness import (
    SPAN,
    Names,
    arith,
    compare,
    convert,
    do,
    emit,
    features,
    num,
    pair,
    put,
    read,
    run,
    text,
    value_of,
)

pytestmark = pytest.mark.live

MAX = (1 << 64) - 1


@pytest.mark.parametrize(
    ("op", "left", "right", "result"),
    [
        ("add", (1 << 63) - 1, 1, -(1 << 63)),
        ("sub", 3, 5, -2),
        ("mul", -7, 6, -42),
        ("udiv", -7, 2, (MAX - 6) // 2),
        ("umod", -7, 4, (MAX - 6) % 4),
        ("and", -1, 0xF0F0, 0xF0F0),
        ("or", 1 << 40, 3, (1 << 40) | 3),
        ("xor", -1, 1, -2),
        ("shl", 3, 62, -(1 << 62)),
        ("lshr", -9, 60, 15),
    ],
)
def test_arithmetic_is_in_64_bits(op: str, left: int, right: int, result: int):
    names = Names()
    assert value_of(arith(op, names.hidden(left), names.hidden(right)), names) == result


@pytest.mark.parametrize("op", ["udiv", "umod"])
def test_division_by_zero_gives_one_and_a_warning(op: str):
    names = Names()
    done = run([emit(arith(op, names.hidden(8), names.hidden(0)))], names)
    assert done.records == [(1,)]
    assert done.errors == [("divide_by_zero", "", 0)]
    assert done.kinds == ["test", "runtime_error"] or done.kinds == ["runtime_error", "test"]


def test_division_by_a_power_of_two_that_is_not_known():
    """LLVM makes a shift of it by the number of trailing zeros, which it looks up in a table of its own."""
    names = Names()
    for value in (1, 8, 1 << 40):
        hidden = names.hidden(value, U64)
        power = arith("and", hidden, arith("sub", names.hidden(0, U64), hidden))
        assert value_of(arith("udiv", names.hidden(1 << 62, U64), power), names) == (1 << 62) // value


@pytest.mark.parametrize("type_", [I8, U8, I16, U16, I32, U32])
def test_arithmetic_in_narrow_types_wraps(type_: Int):
    names = Names()
    top = (1 << (8 * type_.size - type_.signed)) - 1
    expected = -(top + 1) if type_.signed else 0
    assert value_of(arith("add", names.hidden(top, type_), names.hidden(1, type_)), names) == expected


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("op", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparison_follows_the_type(op: str, signed: bool):
    type_ = Int(8, signed)
    pairs = [(1, 2), (2, 2), (-1 if signed else MAX, 1)]
    python = {"eq": "__eq__", "ne": "__ne__", "lt": "__lt__", "le": "__le__", "gt": "__gt__", "ge": "__ge__"}[op]
    names = Names()
    body = [emit(compare(op, names.hidden(a, type_), names.hidden(b, type_))) for a, b in pairs]
    assert [value for (value,) in run(body, names).records] == [getattr(a, python)(b) for a, b in pairs]


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (-2, I64, U16, 65534),
        (-2, I8, I64, -2),
        (254, U8, I64, 254),
        (-3, I8, U64, MAX - 2),
        (511, I16, U8, 255),
        (300, I32, BOOL, True),
        (0, I32, BOOL, False),
        (1, BOOL, I64, 1),
        (-3, I8, Pointer(I8), 0xFD),
        (-1, I32, Enum("e"), MAX),
        (0x1234, Pointer(I8), U8, 0x34),
        (7, Enum("e"), I8, 7),
    ],
)
def test_conversion(value: int, source: Type, target: Type, expected: object):
    names = Names()
    assert value_of(convert(names.hidden(value, source), target), names) == expected


def test_conversion_between_integers_and_arrays():
    names = Names()
    number = names.hidden(0x04030201, U32)
    body = [
        emit(convert(number, Array(U8, 4))),
        emit(convert(number, Array(U8, 6))),
        emit(convert(number, Array(U8, 3))),
        emit(convert(convert(number, Array(U8, 4)), U32)),
        emit(convert(convert(number, Array(U8, 3)), U32)),
        emit(convert(names.hidden(256, U16), Array(BOOL, 2))),
        emit(convert(text("ab"), Array(I8, 3))),
    ]
    found = [value for (value,) in run(body, names).records]
    assert [list(each) if isinstance(each, tuple | list) else each for each in found] == [
        [1, 2, 3, 4], [1, 2, 3, 4, 0, 0], [1, 2, 3], 0x04030201, 0x030201, [False, True], [97, 98, 0],
    ]  # fmt: skip


def test_logic_evaluates_the_right_side_only_if_needed():
    names = Names()
    count = names.map(I64)
    yes, no = (compare("eq", names.hidden(n), num(1)) for n in (1, 0))

    def counted(value: core.Expr) -> core.Expr:
        return core.Do(BOOL, SPAN, (do(core.Step(I64, SPAN, count, None, 1, False)),), value)

    body = [
        emit(core.Logical(BOOL, SPAN, "and", no, counted(yes)), read(count)),
        emit(core.Logical(BOOL, SPAN, "or", yes, counted(no)), read(count)),
        emit(core.Logical(BOOL, SPAN, "and", yes, counted(yes)), read(count)),
        emit(core.Logical(BOOL, SPAN, "or", no, counted(no)), read(count)),
        emit(core.Not(BOOL, SPAN, core.Logical(BOOL, SPAN, "or", no, core.Not(BOOL, SPAN, yes)))),
    ]
    assert run(body, names).records == [(False, 0), (True, 0), (True, 1), (False, 2), (True,)]


def test_select_evaluates_one_side():
    names = Names()
    count = names.map(I64)

    def counted(value: core.Expr) -> core.Expr:
        return core.Do(value.type, SPAN, (do(core.Step(I64, SPAN, count, None, 1, False)),), value)

    cond = compare("gt", names.hidden(5), num(3))
    body = [
        emit(core.Select(I64, SPAN, cond, num(10), counted(num(20)))),
        emit(core.Select(Str(4), SPAN, core.Not(BOOL, SPAN, cond), counted(text("abc")), text("xyz"))),
        do(core.Select(VOID, SPAN, cond, core.Do(VOID, SPAN, (emit(num(1)),), None), core.Zero(VOID, SPAN))),
        emit(read(count)),
    ]
    assert run(body, names).records == [(10,), (b"xyz",), (1,), (0,)]


def test_steps_of_variables():
    names = Names()
    small, pointer = names.var(U8), names.var(Pointer(I16))
    body = [
        put(small, names.hidden(255, U8)),
        put(pointer, convert(names.hidden(64), Pointer(I16))),
        emit(core.Step(U8, SPAN, small, None, 1, True), core.Step(U8, SPAN, small, None, -1, False), read(small)),
        emit(core.Step(Pointer(I16), SPAN, pointer, None, 2, True)),
    ]
    assert run(body, names).records == [(0, 0, 255), (66,)]


def test_a_thousand_terms():
    names = Names()
    total: core.Expr = names.hidden(1)
    for i in range(3000):
        total = arith("add", total, num(i % 7))
    assert value_of(total, names) == 1 + sum(i % 7 for i in range(3000))


def test_deeply_nested_operands_keep_within_the_stack():
    """Each left operand waits for the right one: more than registers, and more than the stack at the first try."""
    names = Names()
    value = names.hidden(2)
    total = value
    for _ in range(200):
        total = arith("sub", value, total)
    assert value_of(total, names) == 2


def test_constants_of_all_widths():
    values = [(-128, I8), (255, U8), (-1, I16), (1 << 31, U32), (-(1 << 63), I64), (MAX, U64), (1, BOOL)]
    body = [emit(num(value, type_)) for value, type_ in values]
    assert [value for (value,) in run(body).records] == [value for value, _ in values]


def test_a_block_that_returns_inside_an_expression_ends_the_program():
    names = Names()
    inner = core.Do(I64, SPAN, (core.Return(SPAN, num(3)),), num(1))
    done = run([emit(num(1)), emit(arith("add", names.hidden(4), inner)), emit(num(2))], names)
    assert (done.records, done.retval) == ([(1,)], 3)


@pytest.mark.parametrize("instruction_set", ["v3", "v4"])
def test_both_instruction_sets(instruction_set: str):
    names = Names()
    body = [emit(arith("udiv", names.hidden(-8), names.hidden(3)), convert(names.hidden(-1, I8), I64))]
    done = run(body, names, offers=features(instruction_set=instruction_set))
    assert done.records == [(((1 << 64) - 8) // 3, -1)] or done.records == [(((1 << 64) - 8) // 3 - (1 << 64), -1)]


def test_pairs_of_scalars():
    names = Names()
    assert value_of(pair(names.hidden(-1, I8), names.hidden(5), names.hidden(1, BOOL)), names) == (-1, 5, True)
