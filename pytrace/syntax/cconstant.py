"""The value of C's integer constant expressions."""

from __future__ import annotations

from pytrace.hints import Callable
from pytrace.syntax import ctree
from pytrace.syntax.fault import Fault

__all__ = ["Value", "evaluate"]

Value = tuple[int, bool]
"""A number and whether its type is unsigned. All arithmetic is in 64 bits, as the preprocessor's is; in the sizes and
enumerators that a compiler computes in fewer, the difference shows only where it would overflow."""

_BITS = 64
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": int.__eq__, "!=": int.__ne__, "<": int.__lt__, ">": int.__gt__, "<=": int.__le__, ">=": int.__ge__,
}  # fmt: skip


def evaluate(node: ctree.Constant, name: Callable[[ctree.Name], int], size: Callable[[ctree.SizeOf], int]) -> Value:
    """The value of an expression; `name` and `size` say what enumerators and `sizeof` are.

    Raises `Fault` with places in the source of the node's span, and what the functions raise.
    """

    def value_of(node: ctree.Constant) -> Value:
        match node:
            case ctree.Number(value=value, unsigned_=unsigned):
                return value, unsigned
            case ctree.Name():
                return name(node), False
            case ctree.SizeOf():
                return size(node), True
            case ctree.Prefix(op=op, operand=operand):
                value, unsigned = value_of(operand)
                if op == "!":
                    return int(not value), False
                return _wrap(-value if op == "-" else ~value if op == "~" else value, unsigned)
            case ctree.Conditional(cond=cond, then=then, orelse=orelse):
                return value_of(then if value_of(cond)[0] else orelse)
            case ctree.Converted(type=type_, operand=operand):
                return _convert(type_, value_of(operand)[0])
            case ctree.Operation():
                return operation(node)

    def operation(node: ctree.Operation) -> Value:
        left, unsigned = value_of(node.left)
        if node.op in ("&&", "||"):
            if bool(left) == (node.op == "||"):
                return int(bool(left)), False
            return int(bool(value_of(node.right)[0])), False
        right, also = value_of(node.right)
        if node.op in ("<<", ">>"):
            if not 0 <= right < _BITS:
                raise Fault("shift count out of range", node.span.start, node.span.end)
            return _wrap(left << right if node.op == "<<" else left >> right, unsigned)
        unsigned = unsigned or also
        left, right = _wrap(left, unsigned)[0], _wrap(right, unsigned)[0]
        if node.op in _COMPARISONS:
            return int(_COMPARISONS[node.op](left, right)), False
        if node.op in ("/", "%") and not right:
            raise Fault("division by zero in constant expression", node.span.start, node.span.end)
        return _wrap(_arithmetic(node.op, left, right), unsigned)

    return value_of(node)


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
    quotient = abs(left) // abs(right)
    if (left < 0) != (right < 0):
        quotient = -quotient
    return quotient if op == "/" else left - quotient * right


def _wrap(value: int, unsigned: bool, bits: int = _BITS) -> Value:
    value &= (1 << bits) - 1
    if not unsigned and value >> (bits - 1):
        value -= 1 << bits
    return value, unsigned


def _convert(type_: ctree.Base, value: int) -> Value:
    words = type_.words
    if "_Bool" in words:
        return int(bool(value)), False
    bits = 8 if "char" in words else 16 if "short" in words else 64 if "long" in words else 32
    return _wrap(value, "unsigned" in words, bits)
