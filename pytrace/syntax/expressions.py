"""From reductions to nodes: each method makes the node of the grammar's rule or alias of its name.

A method is given the offsets of what the rule covers, and its children: the texts of tokens and what was built for the
rules inside. Where a diagnostic about a construct marks something else (LANGUAGE 20.1), that is the node's span: a
binary expression starts at its left operand's node, so inside of that operand's parentheses; a cast is its `(T)`; a
probe its attach points; a macro its head.
"""

from __future__ import annotations

from pytrace.diagnostics import Source, Span
from pytrace.hints import Any
from pytrace.syntax import tree
from pytrace.syntax.fault import Fault
from pytrace.syntax.literals import LiteralError, integer, unescape

__all__ = ["TARGETS", "Children", "ExpressionBuilder"]

# What the children are is the grammar's matter, which no type checker knows.
Children = list[Any]

TARGETS = (tree.Var, tree.MapRef, tree.MapIndex)
"""What can be assigned to, incremented and decremented."""

_LEVELS = (
    ("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<", ">", "<=", ">="), ("<<", ">>"), ("+", "-"),
    ("*", "/", "%"),
)  # fmt: skip
_PRECEDENCE = {op: level for level, ops in enumerate(_LEVELS) for op in ops}
_POSITIONAL_MAXIMUM = 2**63 - 1


class ExpressionBuilder:
    """Builds the expressions and types of one source. `faults` gathers what does not end the parsing: malformed
    literals, for instance, are all reported."""

    def __init__(self, source: Source, via: Span | None = None, place: Span | None = None) -> None:
        """`via` is where the source was brought in; with `place`, all nodes are given that span."""
        self.source = source
        self.faults: list[Fault] = []
        self._via = via
        self._place = place

    def span(self, start: int, end: int) -> Span:
        """The span of a range of the source."""
        return self._place or Span(self.source, start, end, self._via)

    def _from(self, node: Any, end: int) -> Span:
        return self._place or Span(self.source, node.span.start, end, self._via)

    # --- operators ------------------------------------------------------------------------------------------------

    def ternary(self, start: int, end: int, children: Children) -> tree.Ternary:
        return tree.Ternary(self._from(children[0], end), *children)

    def elvis(self, start: int, end: int, children: Children) -> tree.Ternary:
        return tree.Ternary(self._from(children[0], end), children[0], None, children[1])

    def operand(self, start: int, end: int, children: Children) -> tuple[str, tree.Expr, int]:
        """An operator, what stands to its right, and where that ends: behind its parentheses."""
        return children[0], children[1], end

    def binary(self, start: int, end: int, children: Children) -> tree.Expr:
        """Groups `a + b * c …` by precedence, all levels being left-associative."""
        left: tree.Expr = children[0]
        waiting: list[tuple[tree.Expr, str, int]] = []
        last_end = 0
        for op, right, right_end in children[1:]:
            level = _PRECEDENCE[op]
            while waiting and waiting[-1][2] >= level:
                left = self._operate(*waiting.pop()[:2], left, last_end)
            waiting.append((left, op, level))
            left, last_end = right, right_end
        while waiting:
            left = self._operate(*waiting.pop()[:2], left, last_end)
        return left

    def _operate(self, left: tree.Expr, op: str, right: tree.Expr, end: int) -> tree.Binary:
        return tree.Binary(self._from(left, end), op, left, right)

    def prefix(self, start: int, end: int, children: Children) -> tree.Unary:
        return tree.Unary(self.span(start, end), *children)

    def prefix_incdec(self, start: int, end: int, children: Children) -> tree.IncDec:
        op, target = children
        if not isinstance(target, TARGETS):
            self._not_a_target(target.span.start, end)
        return tree.IncDec(self.span(start, end), op, True, target)

    def postfix_incdec(self, start: int, end: int, children: Children) -> tree.IncDec:
        target, op = children
        if not isinstance(target, TARGETS):
            self._not_a_target(end - 2, end)
        return tree.IncDec(self.span(start, end), op, False, target)

    def _not_a_target(self, start: int, end: int) -> None:
        raise Fault("increment/decrement requires a variable or map", start, end)

    def cast(self, start: int, end: int, children: Children) -> tree.Cast:
        (type_, span), operand = children
        return tree.Cast(span, type_, operand)

    def cast_type(self, start: int, end: int, children: Children) -> tuple[tree.TypeName | tree.Typeof, Span]:
        return children[0], self.span(start, end)

    def comptime(self, start: int, end: int, children: Children) -> tree.Comptime:
        return tree.Comptime(self.span(start, end), children[0])

    def tuple_access(self, start: int, end: int, children: Children) -> tree.TupleAccess:
        obj, text = children
        return tree.TupleAccess(self._from(obj, end), obj, self._integer(text, end - len(text)))

    def member(self, start: int, end: int, children: Children) -> tree.Member:
        return tree.Member(self._from(children[0], end), *children)

    def index(self, start: int, end: int, children: Children) -> tree.Index:
        return tree.Index(self._from(children[0], end), *children)

    # --- primaries ------------------------------------------------------------------------------------------------

    def group(self, start: int, end: int, children: Children) -> tree.Expr:
        return children[0]  # type: ignore[no-any-return]  # the expression inside

    def tuple_(self, start: int, end: int, items: Children) -> tree.TupleLit:
        return tree.TupleLit(self.span(start, end), tuple(items))

    def record(self, start: int, end: int, fields: Children) -> tree.RecordLit:
        names = set()
        for name, _, place in fields:
            if name in names:
                self.faults.append(Fault(f"Named argument list already contains name: {name}", *place))
            names.add(name)
        return tree.RecordLit(self.span(start, end), tuple((name, value) for name, value, _ in fields))

    def field(self, start: int, end: int, children: Children) -> tuple[str, tree.Expr, tuple[int, int]]:
        return children[0], children[1], (start, end)

    def if_(self, start: int, end: int, children: Children) -> tree.If:
        return tree.If(self.span(start, end), *children)

    def sizeof(self, start: int, end: int, children: Children) -> tree.Sizeof:
        return tree.Sizeof(self.span(start, end), children[0])

    def typeinfo(self, start: int, end: int, children: Children) -> tree.Typeinfo:
        return tree.Typeinfo(self.span(start, end), children[0])

    def offsetof(self, start: int, end: int, children: Children) -> tree.Offsetof:
        return tree.Offsetof(self.span(start, end), children[0], tuple(children[1:]))

    def call(self, start: int, end: int, children: Children) -> tree.Call:
        return tree.Call(self.span(start, end), children[0], tuple(children[1:]))

    def ident(self, start: int, end: int, children: Children) -> tree.Ident:
        return tree.Ident(self.span(start, end), children[0])

    def var(self, start: int, end: int, children: Children) -> tree.Var:
        return tree.Var(self.span(start, end), children[0][1:])

    def map_(self, start: int, end: int, children: Children) -> tree.MapRef:
        return tree.MapRef(self.span(start, end), children[0][1:])

    def map_index(self, start: int, end: int, children: Children) -> tree.MapIndex:
        name, key = children
        map_ = tree.MapRef(self.span(start, start + len(name)), name[1:])
        return tree.MapIndex(self.span(start, end), map_, key)

    def keys(self, start: int, end: int, children: Children) -> tree.Expr:
        return children[0] if len(children) == 1 else tree.TupleLit(self.span(start, end), tuple(children))

    def positional(self, start: int, end: int, children: Children) -> tree.Positional:
        digits = children[0][1:].lstrip("0")
        number = int(digits) if digits and len(digits) < 20 else 0
        if not 0 < number <= _POSITIONAL_MAXIMUM:
            message = f"param {children[0]} is out of integer range [1, {_POSITIONAL_MAXIMUM}]"
            self.faults.append(Fault(message, start, end))
        return tree.Positional(self.span(start, end), number)

    def param_count(self, start: int, end: int, children: Children) -> tree.ParamCount:
        return tree.ParamCount(self.span(start, end))

    def integer(self, start: int, end: int, children: Children) -> tree.IntLit:
        return tree.IntLit(self.span(start, end), self._integer(children[0], start), children[0])

    def string(self, start: int, end: int, children: Children) -> tree.StrLit:
        return tree.StrLit(self.span(start, end), self._unescape(children[0], start))

    def boolean(self, start: int, end: int, children: Children) -> tree.BoolLit:
        return tree.BoolLit(self.span(start, end), children[0] == "true")

    def _integer(self, text: str, at: int) -> int:
        try:
            return integer(text)
        except LiteralError as error:
            self.faults.append(Fault(error.message, at + error.start, at + error.end))
            return 0

    def _unescape(self, text: str, at: int) -> bytes:
        try:
            return unescape(text)
        except LiteralError as error:
            self.faults.append(Fault(error.message, at + error.start, at + error.end))
            return b""

    # --- types ----------------------------------------------------------------------------------------------------

    def named_type(self, start: int, end: int, children: Children) -> tree.TypeName:
        return tree.TypeName(self.span(start, end), "", children[0], tuple(children[1:]))

    def tagged_type(self, start: int, end: int, children: Children) -> tree.TypeName:
        return tree.TypeName(self.span(start, end), children[0], children[1], tuple(children[2:]))

    def suffix(self, start: int, end: int, children: Children) -> str | int | None:
        if not children:
            return None
        text = children[0]
        if text == "*":
            return "*"
        return self._integer(text, self.source.text.index(text, start))

    def typeof(self, start: int, end: int, children: Children) -> tree.Typeof:
        return tree.Typeof(self.span(start, end), children[0])
