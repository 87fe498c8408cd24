"""Unary and binary operators (LANGUAGE 14.2, 14.11, 16)."""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.frozen import replace
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import literals as rules
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    BOOL,
    I64,
    U64,
    UNKNOWN,
    Aggregate,
    Array,
    Bool,
    Buffer,
    Enum,
    Int,
    Opaque,
    Pointer,
    Record,
    Space,
    Stack,
    Str,
    Struct,
    Tuple,
    Type,
    Unknown,
    size_of,
)
from pytrace.semantics.typing import access
from pytrace.semantics.typing.constants import constant, literal_of
from pytrace.semantics.typing.convert import as_bool, as_i64, as_number, convert, settle
from pytrace.semantics.typing.lattice import integral, join, known, remarked
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper

__all__ = ["binary", "combine", "pointer_plus", "unary"]

_COMPARE = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_ARITH = {
    "+": "add", "-": "sub", "*": "mul", "/": "udiv", "%": "umod", "&": "and", "|": "or", "^": "xor", "<<": "shl",
    ">>": "lshr",
}
_LOGICAL = {"&&": "and", "||": "or"}


# --- unary


def unary(t: ProbeTyper, node: tree.Unary) -> core.Expr:
    if node.op == "&":
        return access.address_of(t, node)
    operand = t.expr(node.operand)
    if node.op == "*":
        return access.dereference(t, operand, node.span)
    value = literal_of(operand)
    if value is not None:
        try:
            folded = rules.unary(node.op, value)
        except rules.FoldError as error:
            return t.error(node.span, str(error))
        if folded is not None:
            return constant(folded, node.span)
    match node.op, operand.type:
        case _, Unknown():
            return core.Zero(BOOL if node.op == "!" else UNKNOWN, node.span)
        case "!", Int() | Bool() | Enum():
            return core.Not(BOOL, node.span, as_bool(operand))
        case "-", Int() | Enum():
            whole = as_i64(operand)
            return core.Arith(whole.type, node.span, "sub", core.Const(whole.type, node.span, 0), whole)
        case "~", Int() | Enum():
            whole = as_i64(operand)
            ones = -1 if whole.type == I64 else (1 << 64) - 1
            return core.Arith(whole.type, node.span, "xor", whole, core.Const(whole.type, node.span, ones))
    return t.error(node.span, f"The {node.op} operator can not be used on expressions of type '{operand.type}'")


# --- binary


def binary(t: ProbeTyper, node: tree.Binary) -> core.Expr:
    """A chain of binary operators, followed down its left side without recursion."""
    chain = [node]
    while isinstance(node.left, tree.Binary):
        node = node.left
        chain.append(node)
    left = t.expr(node.left)
    for at in reversed(chain):
        left = combine(t, at.op, left, t.expr(at.right), at.span)
    return left


def combine(t: ProbeTyper, op: str, left: core.Expr, right: core.Expr, span: Span) -> core.Expr:
    """`left op right` of two typed operands."""
    folded = _fold(t, op, left, right, span)
    if folded is not None:
        return folded
    as_written = left, right
    left, right = settle(left), settle(right)
    if not known(left.type) or not known(right.type):
        unsure = isinstance(left.type, Unknown) or isinstance(right.type, Unknown)
        if unsure or op not in _COMPARE:
            return core.Zero(UNKNOWN if op in _ARITH else BOOL, span)
    _check_spaces(t, left, right, span)
    pointers = _either_pointer(left, right)
    aggregates = isinstance(as_written[0].type, Aggregate) or isinstance(as_written[1].type, Aggregate)
    if pointers and aggregates:
        return _unusable(t, op, *as_written, span)
    if op in _LOGICAL:
        return _logical(t, op, left, right, as_written, span)
    if pointers:
        return _pointers(t, op, left, right, span)
    if integral(left.type) is not None and integral(right.type) is not None:
        return _numbers(t, op, *as_written, span)
    return _others(t, op, *as_written, span)


def _fold(t: ProbeTyper, op: str, left: core.Expr, right: core.Expr, span: Span) -> core.Expr | None:
    a = literal_of(left)
    b = None if a is None else literal_of(right)
    if a is None or b is None:
        return None
    try:
        value = rules.binary(op, a, b)
    except rules.FoldError as error:
        return t.error(span, str(error))
    if value is None:
        return None
    if rules.drops_all(op, a, b):
        t.warning(span, rules.ALWAYS_EMPTY)
    return constant(value, span)


def _mismatch(t: ProbeTyper, op: str, left: core.Expr, right: core.Expr, span: Span) -> core.Expr:
    notes = ((left.span, f"left ({left.type})"), (right.span, f"right ({right.type})"))
    t.error(span, f"Type mismatch for '{op}': comparing {left.type} with {right.type}", notes=notes)
    return _follow_up(op, span)


def _unusable(t: ProbeTyper, op: str, left: core.Expr, right: core.Expr, span: Span) -> core.Expr:
    t.error(span, f"The {op} operator can not be used on expressions of types {left.type}, {right.type}")
    return _follow_up(op, span)


def _either_pointer(left: core.Expr, right: core.Expr) -> bool:
    return isinstance(left.type, Pointer) or isinstance(right.type, Pointer)


def _follow_up(op: str, span: Span) -> core.Expr:
    """What an erroneous operation stands for, so that one error does not cause others."""
    return core.Zero(UNKNOWN if op in _ARITH else BOOL, span)


def _check_spaces(t: ProbeTyper, left: core.Expr, right: core.Expr, span: Span) -> None:
    spaces = {e.type.space for e in (left, right) if isinstance(e.type, (Int, Pointer))}
    if Space.KERNEL in spaces and Space.USER in spaces:
        t.warning(span, "Addrspace mismatch")


def _logical(
    t: ProbeTyper, op: str, left: core.Expr, right: core.Expr, as_written: tuple[core.Expr, core.Expr], span: Span
) -> core.Expr:
    usable = (Int, Bool, Enum, Pointer)
    if not isinstance(left.type, usable) or not isinstance(right.type, usable):
        if join(left.type, right.type) is None and not _either_pointer(left, right):
            return _mismatch(t, op, *as_written, span)
        return _unusable(t, op, *as_written, span)
    a, b = integral(left.type), integral(right.type)
    if a is not None and b is not None and (joined := join(a, b)) is not None:
        # Each side is asked by itself, but bpftrace brings both to one type first, and warns where that loses values.
        for side in as_written:
            if isinstance(side.type, (Int, Enum)):
                convert(t, side, joined)
    return core.Logical(BOOL, span, _LOGICAL[op], as_bool(left), as_bool(right))


def _numbers(t: ProbeTyper, op: str, left: core.Expr, right: core.Expr, span: Span) -> core.Expr:
    a, b = integral(left.type), integral(right.type)
    assert a is not None and b is not None
    if op in _COMPARE:
        return _compare_numbers(t, op, left, right, span)
    both_bool = isinstance(left.type, Bool) and isinstance(right.type, Bool)
    type_ = I64 if op == "-" and not both_bool else _result(t, a, b)
    if op in ("/", "%") and (a.size, a.signed) != (b.size, b.signed) and (_signed(a) or _signed(b)):
        t.warning(
            span,
            f"signed operands for '{op}' can lead to undefined behavior (cast to unsigned to silence warning)",
        )
    left, right = _operand(t, left, type_), _operand(t, right, type_)
    type_ = remarked(type_, a, b)
    if type_.clock == "monotonic":
        # A moment of this clock has no date, but what is calculated from one may be a duration.
        type_ = replace(type_, clock="")
    result = core.Arith(type_, span, _ARITH[op], left, right)
    return core.Convert(BOOL, span, result) if both_bool else result


def _signed(type_: Int) -> bool:
    return type_.signed and not type_.flexible


def _result(t: ProbeTyper, a: Int, b: Int) -> Int:
    """The type of arithmetic on two integers: 64 bits, signed if an operand is, or if both are flexible."""
    if _signed(a) or _signed(b):
        return I64
    if not a.signed or not b.signed:
        return U64
    if t.script.hopeful:
        t.undecided = True
        return replace(I64, flexible=True)
    return I64


def _operand(t: ProbeTyper, side: core.Expr, type_: Int) -> core.Expr:
    """An operand as an integer of the type; integers whose values may not survive that are warned of."""
    return convert(t, side, type_) if isinstance(side.type, (Int, Enum)) else as_number(side, type_)


def _compare_numbers(t: ProbeTyper, op: str, left: core.Expr, right: core.Expr, span: Span) -> core.Expr:
    if left.type != right.type or not isinstance(left.type, (Int, Bool, Enum)):
        a, b = integral(left.type), integral(right.type)
        joined = join(a, b) if a and b else None
        assert isinstance(joined, Int)
        left, right = _operand(t, left, joined), _operand(t, right, joined)
    return core.Compare(BOOL, span, _COMPARE[op], left, right)


# --- pointers


def _pointers(t: ProbeTyper, op: str, left: core.Expr, right: core.Expr, span: Span) -> core.Expr:
    a, b = left.type, right.type
    if op in _COMPARE:
        if isinstance(a, Pointer) and isinstance(b, Pointer):
            if a.pointee != b.pointee:
                notes = ((left.span, f"left ({a.pointee})"), (right.span, f"right ({b.pointee})"))
                t.warning(span, f"comparison of distinct pointer types: {a.pointee}, {b.pointee}", notes=notes)
        elif integral(b if isinstance(a, Pointer) else a) is None:
            return _unusable(t, op, left, right, span)
        return core.Compare(BOOL, span, _COMPARE[op], as_number(left, U64), as_number(right, U64))
    pointer, other = (left, right) if isinstance(a, Pointer) else (right, left)
    if integral(other.type) is None or op not in ("+", "-") or (isinstance(b, Pointer) and op == "-"):
        return _unusable(t, op, left, right, span)
    return pointer_plus(pointer, other, span, op)


def pointer_plus(pointer: core.Expr, count: core.Expr, span: Span, op: str = "+") -> core.Expr:
    """`pointer ± count` elements."""
    type_ = pointer.type
    assert isinstance(type_, Pointer)
    whole = as_number(as_i64(count), U64)
    size = max(size_of(type_.pointee), 1)
    if isinstance(whole, core.Const):
        offset: core.Expr = core.Const(U64, count.span, whole.value * size % (1 << 64))
    elif size == 1:
        offset = whole
    else:
        offset = core.Arith(U64, count.span, "mul", whole, core.Const(U64, count.span, size))
    address = core.Arith(U64, span, _ARITH[op], as_number(pointer, U64), offset)
    return core.Convert(replace(type_, trusted=False), span, address)


# --- everything else


def _others(t: ProbeTyper, op: str, left: core.Expr, right: core.Expr, span: Span) -> core.Expr:
    a, b = left.type, right.type
    if isinstance(a, Array) and isinstance(b, Array):
        return _arrays(t, op, left, right, span)
    joined = None if isinstance(a, Aggregate) or isinstance(b, Aggregate) else join(a, b)
    if joined is None or not isinstance(a, _COMPARABLE):
        return _mismatch(t, op, left, right, span)
    if op not in ("==", "!="):
        return _unusable(t, op, left, right, span)
    if isinstance(a, (Tuple, Record)):
        left, right = convert(t, left, joined), convert(t, right, joined)
    if isinstance(a, Opaque) and size_of(a) == 8:
        return core.Compare(BOOL, span, _COMPARE[op], left, right)
    return core.Equal(BOOL, span, left, right, op == "!=")


_COMPARABLE: tuple[type[Type], ...] = (Str, Buffer, Tuple, Record, Struct, Stack, Opaque)


def _arrays(t: ProbeTyper, op: str, left: core.Expr, right: core.Expr, span: Span) -> core.Expr:
    a, b = left.type, right.type
    assert isinstance(a, Array) and isinstance(b, Array)
    if op not in ("==", "!="):
        return t.error(span, f"The {op} operator cannot be used on arrays.")
    if a.count != b.count:
        t.error(span, "Only arrays of same size support comparison operators.")
    elif a.elem != b.elem or not isinstance(a.elem, Int):
        t.error(span, "Only arrays of same sized integer support comparison operators.")
    else:
        return core.Equal(BOOL, span, left, right, op == "!=")
    return core.Zero(BOOL, span)
