"""The rules of constant folding, on plain Python values (LANGUAGE 17).

A literal is an `int` (−2^63 … 2^64 − 1), a `bool`, `bytes` (a string), a `tuple`, or a `dict` (a record, in the order
of its members). The functions give a value, or None where the language leaves the operation to run time or to the type
checker, or raise `FoldError` where it has no result. `value_of` and `node_of` are the way from syntax to values and
back.
"""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.hints import Callable
from pytrace.semantics.numbers import U64_MAX, fits
from pytrace.syntax import tree

__all__ = ["ALWAYS_EMPTY", "FoldError", "Value", "binary", "index", "node_of", "truth", "unary", "value_of"]

Value = int | bool | bytes | tuple["Value", ...] | dict[str, "Value"]

U64 = U64_MAX + 1
I64_MAX = (1 << 63) - 1

ALWAYS_EMPTY = "literal string will always be empty"
"""The warning where `string + n` leaves nothing; see `drops_all`."""

_OUT_OF_RANGE = "unable to fold literals due to overflow or underflow"


class FoldError(Exception):
    """An operation on literals that has no result; the message is what the user gets."""


def value_of(node: tree.Node | None) -> Value | None:
    """The value of a node that is a literal already; None for any other node."""
    match node:
        case tree.IntLit(value=value) | tree.BoolLit(value=value) | tree.StrLit(value=value):
            return value
        case tree.TupleLit(items=items):
            values = [value_of(item) for item in items]
            return None if None in values else tuple(v for v in values if v is not None)
        case tree.RecordLit(fields=fields):
            members = {name: value_of(item) for name, item in fields}
            return None if None in members.values() else {n: v for n, v in members.items() if v is not None}
    return None


def node_of(value: Value, span: Span) -> tree.Expr:
    """A literal of that value, standing for what is at `span`."""
    if isinstance(value, bool):
        return tree.BoolLit(span, value)
    if isinstance(value, int):
        return tree.IntLit(span, value)
    if isinstance(value, bytes):
        return tree.StrLit(span, value)
    if isinstance(value, tuple):
        return tree.TupleLit(span, tuple(node_of(item, span) for item in value))
    return tree.RecordLit(span, tuple((name, node_of(item, span)) for name, item in value.items()))


def truth(value: Value) -> bool | None:
    """Whether a literal condition holds; None if it is no condition (tuples, records)."""
    return None if isinstance(value, (tuple, dict)) else bool(value)


def unary(op: str, value: Value) -> Value | None:
    """`op value` for `- ~ !`."""
    if op == "!":
        return not value if isinstance(value, int) else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    if op == "~":
        return ~value % U64
    if op == "-":
        if not fits(-value):
            raise FoldError("negative value will underflow")
        return -value
    return None


def binary(op: str, left: Value, right: Value) -> Value | None:
    """`left op right` for every binary operator."""
    if isinstance(left, (tuple, dict)) or isinstance(right, (tuple, dict)):
        return _aggregates(op, left, right)
    if isinstance(left, bytes) and isinstance(right, bytes):
        return _strings(op, left, right)
    if isinstance(left, bytes) or isinstance(right, bytes):
        return _string_with_other(op, left, right)
    if isinstance(left, bool) and isinstance(right, bool):
        return _booleans(op, left, right)
    if isinstance(left, bool) or isinstance(right, bool):
        # Arithmetic of the two has a type of its own, which only the checker knows.
        return _compare(op, int(left), int(right))
    return _integers(op, left, right)


def drops_all(op: str, left: Value, right: Value) -> bool:
    """Whether `binary` gave an empty string because the number is as long as the text: worth a warning."""
    if op != "+":
        return False
    text, count = (left, right) if isinstance(left, bytes) else (right, left)
    return isinstance(text, bytes) and isinstance(count, int) and not isinstance(count, bool) and count >= len(text)


def index(value: Value, at: Value) -> Value | None:
    """`value[at]`: the byte of a string (its NUL included) as int8, or the element of a tuple. None when out of
    range, which the checker reports."""
    if isinstance(at, bool) or not isinstance(at, int) or at < 0:
        return None
    if isinstance(value, bytes):
        if at > len(value):
            return None
        byte = (value + b"\0")[at]
        return byte - 256 if byte > 127 else byte
    if isinstance(value, tuple):
        return value[at] if at < len(value) else None
    return None


_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "&&": lambda a, b: a != 0 and b != 0,
    "||": lambda a, b: a != 0 or b != 0,
}


def _compare(op: str, left: int, right: int) -> bool | None:
    compare = _COMPARISONS.get(op)
    return None if compare is None else compare(left, right)


def _integers(op: str, left: int, right: int) -> int | bool:
    if min(left, right) < 0 and max(left, right) > I64_MAX:
        # No 64-bit type holds both operands.
        raise FoldError(_OUT_OF_RANGE)
    if op in _COMPARISONS:
        return _COMPARISONS[op](left, right)
    result = _arithmetic(op, left, right)
    if not fits(result):
        raise FoldError(_OUT_OF_RANGE)
    return result


def _arithmetic(op: str, left: int, right: int) -> int:
    match op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "&":
            return left & right
        case "|":
            return left | right
        case "^":
            return left ^ right
        case "/" | "%":
            if right == 0:
                raise FoldError(_OUT_OF_RANGE)
            # As in C: the quotient is cut towards zero, the remainder has the sign of the dividend.
            quotient = abs(left) // abs(right)
            quotient = quotient if (left < 0) == (right < 0) else -quotient
            return quotient if op == "/" else left - quotient * right
        case "<<" | ">>":
            if not 0 <= right <= 63:
                raise FoldError(_OUT_OF_RANGE)
            if op == ">>":
                return left >> right
            shifted = (left << right) % U64
            return shifted - U64 if left < 0 and shifted > I64_MAX else shifted
    raise ValueError(f"no binary operator: {op}")


def _booleans(op: str, left: bool, right: bool) -> bool:
    if op == "<<":
        # One bit wide, like the operands: what leaves it is lost.
        return left and not right
    return bool(_integers(op, int(left), int(right)))


def _strings(op: str, left: bytes, right: bytes) -> Value:
    match op:
        case "+":
            return left + right
        case "==" | "!=" | "<" | "<=" | ">" | ">=":
            return _COMPARISONS[op]((left > right) - (left < right), 0)
        case "&&":
            # bpftrace's scripts see the right side negated, here and below.
            return bool(left) and not right
        case "||":
            return bool(left) or not right
    raise FoldError("illegal literal operation with strings")


def _string_with_other(op: str, left: int | bytes, right: int | bytes) -> Value | None:
    text, other = (left, right) if isinstance(left, bytes) else (right, left)
    if isinstance(other, bool):
        return _compare(op, int(bool(left)), int(bool(right))) if op in ("&&", "||") else None
    if op == "+" and isinstance(text, bytes) and isinstance(other, int) and other >= 0:
        return text[other:]
    return None


def _aggregates(op: str, left: Value, right: Value) -> bool | None:
    if op not in ("==", "!="):
        return None
    if isinstance(left, dict) and isinstance(right, dict):
        if left.keys() != right.keys():
            return None
    elif not (isinstance(left, tuple) and isinstance(right, tuple)):
        return None
    return same(left, right) == (op == "==")


def same(left: Value, right: Value) -> bool:
    """Whether two literals are of one kind and equal; tuples and records member by member, records by name."""
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    return type(left) is type(right) and left == right
