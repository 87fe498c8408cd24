"""From reductions of the C grammar to the nodes of `ctree` (see `expressions` for how)."""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.hints import Any, Callable
from pytrace.lazy import pattern
from pytrace.syntax import ctree
from pytrace.syntax.fault import Fault

__all__ = ["CBuilder"]

# What the children are is the grammar's matter, which no type checker knows.
Children = list[Any]
# What a declarator makes of the type before it, the last step first.
Steps = list[Callable[[ctree.Type], ctree.Type]]
Declarator = tuple[str, Steps, Span]

_LEVELS = (
    ("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<", ">", "<=", ">="), ("<<", ">>"), ("+", "-"),
    ("*", "/", "%"),
)  # fmt: skip
_PRECEDENCE = {op: level for level, ops in enumerate(_LEVELS) for op in ops}
_QUALIFIERS = frozenset(("const", "volatile", "restrict", "__extension__"))
_NUMBER = pattern(r"(0[xX][0-9A-Fa-f]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)([uU]?(?:l|L|ll|LL)?|(?:l|L|ll|LL)[uU])")
_CHARACTER = pattern(r"'(?:\\(?:([0-7]{1,3})|x([0-9A-Fa-f]+)|([abfnrtv\\'\"?]))|([^\\]))'")
_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34, "?": 63}


class CBuilder:
    """Builds the nodes of one definition or expression."""

    def __init__(self, span: Callable[[int, int], Span], pack: int = 0) -> None:
        """`span` makes a span of two offsets; `pack` is the limit set by `#pragma pack`, or 0."""
        self.span = span
        self._pack = pack

    def definition(self, start: int, end: int, children: Children) -> ctree.Definition:
        return children[0]  # type: ignore[no-any-return]  # a record or an enumeration

    # --- types ----------------------------------------------------------------------------------------------------

    def record(self, start: int, end: int, children: Children) -> ctree.Record:
        kind, *parts = children
        name = next((part for part in parts if isinstance(part, str)), "")
        members = next(part for part in parts if isinstance(part, tuple))
        return ctree.Record(self.span(start, end), kind, name, members, _attributes(parts), self._pack)

    def members(self, start: int, end: int, children: Children) -> tuple[ctree.Member, ...]:
        return tuple(member for group in children if group for member in group)

    def member(self, start: int, end: int, children: Children) -> list[ctree.Member]:
        (type_, shared), fields = children
        found = []
        for (name, steps, span), bits, own in fields:
            declared = type_
            for step in reversed(steps):
                declared = step(declared)
            found.append(ctree.Member(span, name, declared, bits, (*shared, *own)))
        return found

    def anonymous_member(self, start: int, end: int, children: Children) -> list[ctree.Member]:
        type_, attributes = children[0]
        return [ctree.Member(self.span(start, end), "", type_, None, attributes)]

    def no_member(self, start: int, end: int, children: Children) -> list[ctree.Member]:
        return []

    def declarators(self, start: int, end: int, children: Children) -> Children:
        return children

    def field(self, start: int, end: int, children: Children) -> tuple[Declarator, None, tuple[ctree.Attribute, ...]]:
        return children[0], None, _attributes(children)

    def bit_field(
        self, start: int, end: int, children: Children
    ) -> tuple[Declarator, ctree.Constant, tuple[ctree.Attribute, ...]]:
        return children[0], children[1], _attributes(children)

    def unnamed_bit_field(
        self, start: int, end: int, children: Children
    ) -> tuple[Declarator, ctree.Constant, tuple[ctree.Attribute, ...]]:
        return ("", [], self.span(start, end)), children[0], _attributes(children)

    def enumeration(self, start: int, end: int, children: Children) -> ctree.Enumeration:
        name = next((part for part in children if isinstance(part, str)), "")
        enumerators = tuple(part for part in children if isinstance(part, tuple))
        return ctree.Enumeration(self.span(start, end), name, enumerators, _attributes(children))

    def enumerator(self, start: int, end: int, children: Children) -> tuple[str, ctree.Constant | None]:
        return children[0], children[-1]

    def record_name(self, start: int, end: int, children: Children) -> ctree.Tagged:
        return ctree.Tagged(self.span(start, end), children[0], children[-1])

    def enumeration_name(self, start: int, end: int, children: Children) -> ctree.Tagged:
        return ctree.Tagged(self.span(start, end), "enum", children[0])

    def tag(self, start: int, end: int, children: Children) -> str:
        return str(children[0])

    def specifiers(self, start: int, end: int, children: Children) -> tuple[ctree.Type, tuple[ctree.Attribute, ...]]:
        parts = _flat(children)
        type_ = next(part for part in parts if isinstance(part, ctree.Node) and not isinstance(part, ctree.Attribute))
        return type_, _attributes(parts)  # type: ignore[return-value]  # the grammar has one type here

    def base_type(self, start: int, end: int, children: Children) -> list[ctree.Node]:
        """The type, then the attributes between its words."""
        words = tuple(part for part in children if isinstance(part, str) and part not in _QUALIFIERS)
        return [ctree.Base(self.span(start, end), words), *_attributes(children)]

    def typedef_name(self, start: int, end: int, children: Children) -> ctree.Typedef:
        return ctree.Typedef(self.span(start, end), children[0])

    # --- declarators and attributes -------------------------------------------------------------------------------

    def pointer(self, start: int, end: int, children: Children) -> Declarator:
        place = self.span(start, end)
        children[-1][1].append(lambda type_: ctree.Pointer(place, type_))
        return children[-1]  # type: ignore[no-any-return]  # the declarator inside

    def declared(self, start: int, end: int, children: Children) -> Declarator:
        return children[0], [], self.span(start, end)

    def array(self, start: int, end: int, children: Children) -> Declarator:
        place, (declarator, size) = self.span(start, end), children
        declarator[1].append(lambda type_: ctree.Array(place, type_, size))
        return declarator  # type: ignore[no-any-return]  # the declarator inside

    def function(self, start: int, end: int, children: Children) -> Declarator:
        place = self.span(start, end)
        children[0][1].append(lambda type_: ctree.Function(place))
        return children[0]  # type: ignore[no-any-return]  # the declarator inside

    def attribute(self, start: int, end: int, children: Children) -> list[ctree.Attribute]:
        return children

    def attribute_item(self, start: int, end: int, children: Children) -> ctree.Attribute:
        name, *args = children
        return ctree.Attribute(self.span(start, end), name.strip("_"), tuple(args))

    # --- constant expressions -------------------------------------------------------------------------------------

    def condition(self, start: int, end: int, children: Children) -> ctree.Constant:
        return children[0]  # type: ignore[no-any-return]  # the expression

    def conditional(self, start: int, end: int, children: Children) -> ctree.Conditional:
        return ctree.Conditional(self.span(start, end), *children)

    def operand(self, start: int, end: int, children: Children) -> tuple[str, ctree.Constant]:
        return children[0], children[1]

    def binary(self, start: int, end: int, children: Children) -> ctree.Constant:
        """Groups `a + b * c …` by precedence, all levels being left-associative."""
        left: ctree.Constant = children[0]
        waiting: list[tuple[ctree.Constant, str]] = []
        for op, right in children[1:]:
            while waiting and _PRECEDENCE[waiting[-1][1]] >= _PRECEDENCE[op]:
                left = _operate(*waiting.pop(), left)
            waiting.append((left, op))
            left = right
        while waiting:
            left = _operate(*waiting.pop(), left)
        return left

    def prefix(self, start: int, end: int, children: Children) -> ctree.Prefix:
        return ctree.Prefix(self.span(start, end), *children)

    def cast(self, start: int, end: int, children: Children) -> ctree.Converted:
        return ctree.Converted(self.span(start, end), children[0][0], children[1])

    def number(self, start: int, end: int, children: Children) -> ctree.Number:
        found = _NUMBER.fullmatch(children[0])
        if found is None:
            raise Fault(f"invalid integer constant '{children[0]}'", start, end)
        digits, suffix = found.groups()
        octal = digits[0] == "0" and digits.isdigit()
        value = int(digits, 8 if octal else 0) if len(digits) < 100 else 2**64
        if value >= 2**64:
            raise Fault("integer literal is too large to be represented in any integer type", start, end)
        return ctree.Number(self.span(start, end), value, "u" in suffix.lower() or value >= 2**63)

    def character(self, start: int, end: int, children: Children) -> ctree.Number:
        found = _CHARACTER.fullmatch(children[0])
        if found is None:
            raise Fault(f"invalid character constant {children[0]}", start, end)
        octal, hexadecimal, escape, plain = found.groups()
        if octal is not None or hexadecimal is not None:
            value = int(octal, 8) if octal is not None else int(hexadecimal, 16)
        else:
            value = _ESCAPES[escape] if escape is not None else ord(plain)
        # A character is a signed char, made an int.
        value &= 0xFF
        return ctree.Number(self.span(start, end), value - 256 if value > 127 else value)

    def name(self, start: int, end: int, children: Children) -> ctree.Name:
        return ctree.Name(self.span(start, end), children[0])

    def size_of_name(self, start: int, end: int, children: Children) -> ctree.SizeOf:
        operand = children[0]
        if not isinstance(operand, ctree.Name):
            # Constants have the size of an int, or of a long.
            wide = not isinstance(operand, ctree.Number) or not -(2**31) <= operand.value < 2**31
            operand = ctree.Base(operand.span, ("long",) if wide else ("int",))
        return ctree.SizeOf(self.span(start, end), operand)

    def size_of_type(self, start: int, end: int, children: Children) -> ctree.SizeOf:
        operand, *stars = children
        span = self.span(start, end)
        type_ = operand[0] if isinstance(operand, list) else operand
        return ctree.SizeOf(span, ctree.Pointer(span, type_) if stars else type_)


def _operate(left: ctree.Constant, op: str, right: ctree.Constant) -> ctree.Operation:
    return ctree.Operation(left.span.to(right.span), op, left, right)


def _flat(parts: Children) -> Children:
    found: Children = []
    for part in parts:
        if isinstance(part, list):
            found += part
        else:
            found.append(part)
    return found


def _attributes(parts: Children) -> tuple[ctree.Attribute, ...]:
    return tuple(part for part in _flat(parts) if isinstance(part, ctree.Attribute))
