"""Integers and booleans as the language has them: their types, and what operators do.

This is written down here a second time, in Python, from the rules alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = [
    "BOOL", "COMPARE", "I64", "TYPES", "U64", "Env", "Expr", "Run", "Type", "join", "literal", "operate", "result",
]  # fmt: skip

Env = dict[str, int]
Run = Callable[[Env], int]

WORD = 1 << 64


@dataclass(frozen=True)
class Type:
    """An integer, or a boolean if `size` is 0. `flexible`: known not to be negative."""

    size: int
    signed: bool
    flexible: bool = False

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}int{8 * self.size}" if self.size else "bool"

    def wrap(self, value: int) -> int:
        if not self.size:
            return int(value != 0)
        value %= 1 << 8 * self.size
        return value - (1 << 8 * self.size) if self.signed and value >> (8 * self.size - 1) else value

    @property
    def as_int(self) -> Type:
        return self if self.size else Type(1, False)


BOOL = Type(0, False)
I64, U64 = Type(8, True), Type(8, False)
TYPES = tuple(Type(size, signed) for size in (1, 2, 4, 8) for signed in (True, False))


@dataclass(frozen=True)
class Expr:
    """`literal` is set where the value is known from the text: such expressions fold, by other rules."""

    text: str
    type: Type
    run: Run
    literal: int | None = None


def literal(value: int) -> Expr:
    size = next((size for size in (1, 2, 4, 8) if -(1 << 8 * size - 1) <= value < 1 << 8 * size - 1), 8)
    type_ = Type(size, value < 1 << 63, flexible=value >= 0)
    return Expr(str(value) if value >= 0 else f"(-{-value})", type_, lambda env: value, value)


def join(a: Type, b: Type) -> Type:
    """The common type of two integers."""
    size = max(a.size, b.size)
    if a.signed == b.signed:
        return Type(size, a.signed, a.flexible and b.flexible)
    signed, unsigned = (a, b) if a.signed else (b, a)
    if signed.flexible:
        return Type(size, False)
    return Type(signed.size if signed.size > unsigned.size else min(8, 2 * size), True)


def result(op: str, a: Type, b: Type) -> Type:
    if not a.size and not b.size:
        return BOOL
    a, b = a.as_int, b.as_int
    if op == "-" or any(t.signed and not t.flexible for t in (a, b)):
        return I64
    return I64 if a.signed and b.signed else U64


def operate(op: str, a: int, b: int) -> int:
    """On 64-bit words, without a sign."""
    a, b = a % WORD, b % WORD
    match op:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return a // b if b else 1
        case "%":
            return a % b if b else 1
        case "&":
            return a & b
        case "|":
            return a | b
        case "^":
            return a ^ b
        case "<<":
            return a << b
        case ">>":
            return a >> b
    raise AssertionError(op)


COMPARE: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
