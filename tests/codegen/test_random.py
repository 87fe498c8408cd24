"""Random expressions: the kernel computes what Python computes. A failing seed makes the same expressions again."""

from __future__ import annotations

import random

import pytest

from pytrace.semantics import program as core
from pytrace.semantics.types import BOOL, I8, I16, I32, I64, U8, U16, U32, U64, Bool, Int, Type
from tests.codegen.harness import SPAN, Names, arith, compare, convert, emit, num, run

pytestmark = pytest.mark.live

INTEGERS = (I8, I16, I32, I64, U8, U16, U32, U64)
Pair = tuple[core.Expr, int]


def wrap(value: int, type_: Type) -> int:
    """The value as the type holds it."""
    if isinstance(type_, Bool):
        return int(value != 0)
    assert isinstance(type_, Int)
    width = 8 * type_.size
    value &= (1 << width) - 1
    return value - (1 << width) if type_.signed and value >> (width - 1) else value


class Maker:
    """Makes expressions, each with the value that it must give."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = Names()

    def leaf(self, type_: Type) -> Pair:
        rng = self.random
        if isinstance(type_, Bool):
            value = rng.randrange(2)
            known = rng.random() < 0.3
            return num(value, BOOL) if known else compare("ne", self.names.hidden(value), num(0)), value
        odd = rng.getrandbits(64), 1 << rng.randrange(64), -rng.getrandbits(16)
        value = wrap(rng.choice((0, 1, 2, -1, 7, 255, *odd)), type_)
        return (self.names.hidden(value, type_) if rng.random() < 0.7 else num(value, type_)), value

    def make(self, type_: Type, depth: int) -> Pair:
        rng = self.random
        if depth == 0 or rng.random() < 0.1:
            return self.leaf(type_)
        kind = rng.randrange(4)
        if kind == 0:
            source = rng.choice((*INTEGERS, BOOL))
            value, number = self.make(source, depth - 1)
            return convert(value, type_), wrap(number, type_)
        if kind == 1:
            cond, truth = self.make(BOOL, depth - 1)
            then, yes = self.make(type_, depth - 1)
            orelse, no = self.make(type_, depth - 1)
            return core.Select(type_, SPAN, cond, then, orelse), yes if truth else no
        if isinstance(type_, Bool):
            return self.condition(depth)
        assert isinstance(type_, Int)
        return self.operation(type_, depth)

    def condition(self, depth: int) -> Pair:
        rng = self.random
        if rng.random() < 0.5:
            op = rng.choice(("and", "or"))
            left, a = self.make(BOOL, depth - 1)
            right, b = self.make(BOOL, depth - 1)
            logical = core.Logical(BOOL, SPAN, op, left, right)
            result = a & b if op == "and" else a | b
            return (logical, result) if rng.random() < 0.7 else (core.Not(BOOL, SPAN, logical), 1 - result)
        type_ = rng.choice(INTEGERS)
        op = rng.choice(("eq", "ne", "lt", "le", "gt", "ge"))
        left, a = self.make(type_, depth - 1)
        right, b = self.make(type_, depth - 1)
        truths = {"eq": a == b, "ne": a != b, "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}
        return compare(op, left, right), int(truths[op])

    def operation(self, type_: Int, depth: int) -> Pair:
        rng, width = self.random, 8 * type_.size
        op = rng.choice(("add", "sub", "mul", "and", "or", "xor", "udiv", "umod", "shl", "lshr"))
        left, a = self.make(type_, depth - 1)
        if op in ("shl", "lshr"):
            b = rng.randrange(min(width, 100))
            right = num(b, type_) if rng.random() < 0.5 else self.names.hidden(b, type_)
        else:
            right, b = self.make(type_, depth - 1)
        bits = (1 << width) - 1
        x, y = a & bits, b & bits
        results = {
            "add": a + b, "sub": a - b, "mul": a * b, "and": a & b, "or": a | b, "xor": a ^ b,
            "shl": x << b if op == "shl" else 0, "lshr": x >> b if op == "lshr" else 0,
            "udiv": x // y if y else 1, "umod": x % y if y else 1,
        }  # fmt: skip
        return arith(op, left, right), wrap(results[op], type_)


@pytest.mark.parametrize("seed", range(25))
def test_random_expressions(seed: int):
    maker = Maker(seed)
    types = [maker.random.choice((*INTEGERS, BOOL)) for _ in range(15)]
    pairs = [maker.make(type_, 4) for type_ in types]
    done = run([emit(value) for value, _ in pairs], maker.names)
    assert [int(value) for (value,) in done.records] == [number for _, number in pairs]  # type: ignore[call-overload]
