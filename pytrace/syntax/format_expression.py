"""Expressions and types in standard layout (CLI 11): what the formatter prints inside of one statement.

Whatever is printed reads as the same tree again. So parentheses stand around all nested operators, and wherever a form
would mean something else where it stands: see `Expressions.at_start`, `condition`, `_type_or_expr`.
"""

from __future__ import annotations

import re

from pytrace.lazy import pattern
from pytrace.syntax import tree
from pytrace.syntax.literals import quote
from pytrace.syntax.lookahead import is_type

__all__ = ["Expressions"]

WIDTH = 90
"""Calls that end behind this column are wrapped."""

_WORD = pattern(r"[A-Za-z_]\w*", re.ASCII)
_STATEMENT_WORDS = frozenset(
    ("break", "continue", "else", "for", "import", "let", "return", "unroll", "while")
)
_TYPE_WORDS = frozenset(("enum", "struct", "typeof", "union"))

# What stands in parentheses as an operand of anything.
_COMPOUND = (
    tree.Binary, tree.Ternary, tree.Unary, tree.IncDec, tree.Cast, tree.Comptime, tree.If, tree.Block,
)  # fmt: skip
_COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")
# What stands in parentheses as a condition.
_GROUPED = (tree.Binary, tree.Ternary, tree.If, tree.Block)
# What needs none as the end of a range.
_BOUNDS = (
    tree.IntLit, tree.StrLit, tree.BoolLit, tree.Ident, tree.Var, tree.MapRef, tree.MapIndex, tree.Positional,
    tree.ParamCount, tree.Call, tree.TupleLit, tree.RecordLit, tree.Sizeof, tree.Offsetof, tree.Typeinfo,
)  # fmt: skip


def _behind(column: int, text: str) -> int:
    """The column behind a text that starts at a column."""
    newline = text.rfind("\n")
    return column + len(text) if newline < 0 else len(text) - newline - 1


class Expressions:
    """Prints expressions. `column` is where a text starts, `indent` the number of blanks that its lines start with."""

    def block(self, block: tree.Block, indent: int, *, valueless: bool = False) -> str:
        """A block as an expression: `{ value }` or several lines."""
        raise NotImplementedError

    def if_(self, chain: tree.If, indent: int, *, inline: bool = True, valueless: bool = False) -> str:
        """An `if` with its branches."""
        raise NotImplementedError

    def expr(self, node: tree.Expr, column: int, indent: int) -> str:
        """The text of an expression."""
        match node:
            case tree.IntLit(value=value, text=text):
                return text or str(value)
            case tree.StrLit(value=value):
                return quote(value)
            case tree.BoolLit(value=value):
                return "true" if value else "false"
            case tree.Ident(name=name):
                return name
            case tree.Var(name=name):
                return f"${name}"
            case tree.MapRef(name=name):
                return f"@{name}"
            case tree.MapIndex(map=map_, key=key):
                return self._map_index(map_, key, column, indent)
            case tree.Positional(index=index):
                return f"${index}"
            case tree.ParamCount():
                return "$#"
            case tree.Unary(op=op, operand=operand):
                return op + self._operand(operand, column + 1, indent)
            case tree.IncDec(op=op, prefix=prefix, target=target):
                text = self.expr(target, column, indent)
                return op + text if prefix else text + op
            case tree.Binary(op=op, left=left, right=right):
                text = f"{self._side(left, op, column, indent)} {op} "
                return text + self._side(right, op, _behind(column, text), indent)
            case tree.Ternary():
                return self._ternary(node, column, indent)
            case tree.Cast(type=type_, operand=operand):
                text = f"({self.type_(type_)})"
                return text + self._operand(operand, column + len(text), indent)
            case tree.Comptime(expr=operand):
                return "comptime " + self._operand(operand, column + 9, indent)
            case tree.Block():
                return self.block(node, indent)
            case tree.If():
                return self.if_(node, indent)
        return self._postfix_or_primary(node, column, indent)

    def _postfix_or_primary(self, node: tree.Expr, column: int, indent: int) -> str:
        match node:
            case tree.Member(obj=obj, name=name):
                return f"{self._operand(obj, column, indent)}.{name}"
            case tree.TupleAccess(obj=obj, index=number):
                return f"{self._operand(obj, column, indent)}.{number}"
            case tree.Index(obj=obj, index=index):
                text = self._operand(obj, column, indent)
                if isinstance(obj, tree.MapRef):
                    text = f"({text})"  # else it would be the map's key
                return f"{text}[{self.expr(index, _behind(column, text) + 1, indent)}]"
            case tree.Call(name=name, args=args):
                return self._call(name, args, column, indent)
            case tree.TupleLit(items=items):
                text = ", ".join(self.expr(item, column + 1, indent) for item in items)
                return f"({text},)" if len(items) == 1 else f"({text})"
            case tree.RecordLit(fields=fields):
                return f"({', '.join(f'{name}={self.expr(value, column, indent)}' for name, value in fields)})"
            case tree.Sizeof(arg=arg):
                return f"sizeof({self._type_or_expr(arg, column, indent)})"
            case tree.Typeinfo(arg=arg):
                return f"typeinfo({self._type_or_expr(arg, column, indent)})"
            case tree.Offsetof(arg=arg, path=path):
                return f"offsetof({self._type_or_expr(arg, column, indent)}, {'.'.join(path)})"
        raise AssertionError(f"no expression: {type(node).__name__}")

    def _operand(self, node: tree.Expr, column: int, indent: int) -> str:
        if isinstance(node, _COMPOUND):
            return f"({self.expr(node, column + 1, indent)})"
        return self.expr(node, column, indent)

    def _side(self, node: tree.Expr, op: str, column: int, indent: int) -> str:
        """An operand of a binary operator: prefix operators go without parentheses, and so do comparisons in `&&`."""
        comparison = isinstance(node, tree.Binary) and node.op in _COMPARISONS and op in ("&&", "||")
        if comparison or isinstance(node, tree.Unary | tree.Cast):
            return self.expr(node, column, indent)
        return self._operand(node, column, indent)

    def _ternary(self, node: tree.Ternary, column: int, indent: int) -> str:
        def branch(node: tree.Expr) -> str:
            text = self.expr(node, column, indent)
            return f"({text})" if isinstance(node, tree.Ternary | tree.If) else text

        cond = self._operand(node.cond, column, indent)
        if node.then is None:
            return f"{cond} ?: {branch(node.orelse)}"
        return f"{cond} ? {branch(node.then)} : {branch(node.orelse)}"

    def _map_index(self, map_: tree.MapRef, key: tree.Expr, column: int, indent: int) -> str:
        text = self.expr(key, column + len(map_.name) + 2, indent)
        if isinstance(key, tree.TupleLit) and len(key.items) > 1:
            text = text[1:-1]
        return f"@{map_.name}[{text}]"

    def _call(self, name: str, args: tuple[tree.Expr | tree.Typeof, ...], column: int, indent: int) -> str:
        """Filled up to `WIDTH`; what does not fit goes on under the first argument."""
        start = column + len(name) + 1
        texts = [self._argument(arg, start, indent) for arg in args]
        line = ", ".join(texts)
        if start + len(line) + 2 <= WIDTH and "\n" not in line:
            return f"{name}({line})"
        parts: list[str] = []
        at = start
        for text in texts:
            if parts:
                fits = at + len(text) + 3 <= WIDTH
                parts.append(", " if fits else ",\n" + " " * start)
                at = at + 2 if fits else start
            parts.append(text)
            at = _behind(at, text)
        return f"{name}({''.join(parts)})"

    def _argument(self, arg: tree.Expr | tree.Typeof, column: int, indent: int) -> str:
        if isinstance(arg, tree.Typeof):
            return self.type_(arg)
        text = self.expr(arg, column, indent)
        return f"({text})" if _first_word(text) == "typeof" else text

    # --- types ----------------------------------------------------------------------------------------------------

    def type_(self, node: tree.TypeName | tree.Typeof) -> str:
        """A type as written."""
        if isinstance(node, tree.Typeof):
            return f"typeof({self._type_or_expr(node.arg, 0, 0)})"
        suffixes = ("*" if s == "*" else "[]" if s is None else f"[{s}]" for s in node.suffixes)
        return f"{node.tag} {node.name}".lstrip() + "".join(suffixes)

    def _type_or_expr(self, node: tree.TypeOrExpr, column: int, indent: int) -> str:
        """What stands where a type is looked for first: an expression that reads like one is put in parentheses."""
        if isinstance(node, tree.TypeName | tree.Typeof):
            return self.type_(node)
        text = self.expr(node, column, indent)
        if is_type(f"{text})", 0, len(text) + 1) and not isinstance(node, tree.BoolLit):
            return f"({text})"
        return f"({text})" if _first_word(text) in _TYPE_WORDS else text

    # --- places where an expression is read differently --------------------------------------------------------------

    def at_start(self, node: tree.Expr, indent: int) -> str:
        """An expression as a statement or as the value of a block."""
        text = self.expr(node, indent, indent)
        if _first_word(text) in _STATEMENT_WORDS:
            return f"({text})"
        # A statement that starts with a variable or a map is no ternary.
        return f"({text})" if isinstance(node, tree.Ternary) and text[0] in "$@" else text

    def condition(self, node: tree.Expr, column: int, indent: int) -> str:
        """What stands behind `if`, `while` and `unroll`: one operand, or an expression in parentheses."""
        text = self.expr(node, column, indent)
        return f"({text})" if text.startswith("(") or isinstance(node, _GROUPED) else text

    def bound(self, node: tree.Expr, column: int, indent: int) -> str:
        """An end of a range: a primary expression."""
        text = self.expr(node, column, indent)
        return text if isinstance(node, _BOUNDS) else f"({text})"


def _first_word(text: str) -> str:
    found = _WORD.match(text)
    return found[0] if found else ""
