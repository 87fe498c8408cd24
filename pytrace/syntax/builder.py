"""From reductions to the nodes of top-level items and statements (see `expressions` for how)."""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.lazy import ASCII, pattern
from pytrace.syntax import tree
from pytrace.syntax.assemble import Part
from pytrace.syntax.automaton import Unfit
from pytrace.syntax.body import without_value
from pytrace.syntax.expressions import TARGETS, Children, ExpressionBuilder
from pytrace.syntax.fault import Fault
from pytrace.syntax.lookahead import is_core_builtin

__all__ = ["Builder"]

_IDENTIFIER = pattern(r"(?!(?:true|false)\Z)[A-Za-z_]\w*", ASCII)
_IMMUTABLE = (
    "Tuples and records are immutable once created. Consider creating a new value and assigning it instead."
)
_OPEN_STATEMENTS = (tree.Break, tree.Continue, tree.Return, tree.Discard, tree.Let, tree.Assign)


class Builder(ExpressionBuilder):
    """Builds the nodes of one source."""

    # --- top level ------------------------------------------------------------------------------------------------

    def script(self, start: int, end: int, parts: list[Part]) -> list[Part]:
        return parts

    def expression(self, start: int, end: int, children: Children) -> object:
        return children[0]

    def shebang(self, start: int, end: int, children: Children) -> str:
        return str(children[0])

    def c_line(self, start: int, end: int, children: Children) -> tree.CLine:
        return tree.CLine(self.span(start, end), children[0])

    def c_def(self, start: int, end: int, children: Children) -> tree.CDef:
        return tree.CDef(self.span(start, end), children[0])

    def config(self, start: int, end: int, settings: Children) -> tree.Config:
        return tree.Config(self.span(start, end), tuple(settings))

    def setting(self, start: int, end: int, children: Children) -> tree.Setting:
        """A string that is a word says the same as the bare word: both are the word."""
        name, value = children
        if isinstance(value, tree.StrLit) and _IDENTIFIER.fullmatch(text := value.value.decode("latin-1")):
            value = tree.Ident(value.span, text)
        return tree.Setting(self.span(start, end), name, value)

    def import_(self, start: int, end: int, children: Children) -> tree.Import:
        # The `;` may stand apart: look for the literal from its quote.
        path = self._unescape(children[0], self.source.text.index('"', start))
        return tree.Import(self.span(start, end), path.decode("latin-1"))

    def macro(self, start: int, end: int, children: Children) -> tree.Macro:
        (name, span), *params, block = children
        return tree.Macro(span, name, tuple(params), block)

    def macro_head(self, start: int, end: int, children: Children) -> tuple[str, Span]:
        return children[0], self.span(start, end)

    def param(self, start: int, end: int, children: Children) -> tree.Param:
        text = children[0]
        sigil = text[0] if text[0] in "$@" else ""
        if not sigil and is_core_builtin(text):
            self.faults.append(Fault(f"builtin '{text}' can't be used as a macro argument", start, end))
        return tree.Param(self.span(start, end), sigil, text[len(sigil) :])

    def function(self, start: int, end: int, children: Children) -> tree.Function:
        name, params, returns, block = children
        return tree.Function(self.span(start, returns.span.end), name, params, returns, without_value(block))

    def parameters(self, start: int, end: int, children: Children) -> tuple[tuple[tree.Var, object], ...]:
        return tuple(zip(children[::2], children[1::2], strict=True))

    def map_decl(self, start: int, end: int, children: Children) -> tree.MapDecl:
        name, kind, size = children
        return tree.MapDecl(self.span(start, end), name[1:], kind, size.value)

    def probe(self, start: int, end: int, children: Children) -> tree.Probe:
        attach_points, predicate, block = children
        span = attach_points[0].span.to(attach_points[-1].span)
        return tree.Probe(span, attach_points, predicate, without_value(block))

    def attach_points(self, start: int, end: int, children: Children) -> tuple[tree.AttachPoint, ...]:
        return tuple(children)

    def attach_point(self, start: int, end: int, children: Children) -> tree.AttachPoint:
        return tree.AttachPoint(self.span(start, end), children[0])

    # --- statements -----------------------------------------------------------------------------------------------

    def block(self, start: int, end: int, children: Children) -> tree.Block:
        last = children.pop()
        if isinstance(last, _OPEN_STATEMENTS):
            return tree.Block(self.span(start, end), (*children, last))
        return tree.Block(self.span(start, end), tuple(children), last)

    def open_stmt(self, start: int, end: int, children: Children) -> tree.Statement:
        """A statement with its `;`, which only a jump includes in what is marked."""
        match children[0]:
            case tree.Break():
                return tree.Break(self.span(start, end))
            case tree.Continue():
                return tree.Continue(self.span(start, end))
            case tree.Return(value=value):
                return tree.Return(self.span(start, end), value)
            case statement:
                return statement  # type: ignore[no-any-return]  # the other statements of the rule `open`

    def expr_stmt(self, start: int, end: int, children: Children) -> tree.ExprStmt:
        return tree.ExprStmt(self.span(start, end), children[0])

    def lead_stmt(self, start: int, end: int, children: Children) -> tree.ExprStmt:
        return tree.ExprStmt(children[0].span, children[0])

    def ended_stmt(self, start: int, end: int, children: Children) -> tree.ExprStmt:
        """An expression without its `;`, as only these may be."""
        expr = children[0]
        if not isinstance(expr, tree.If | tree.Block | tree.Ternary):
            raise Unfit("expected ';'")
        return tree.ExprStmt(expr.span, expr)

    def break_(self, start: int, end: int, children: Children) -> tree.Break:
        return tree.Break(self.span(start, end))

    def continue_(self, start: int, end: int, children: Children) -> tree.Continue:
        return tree.Continue(self.span(start, end))

    def return_(self, start: int, end: int, children: Children) -> tree.Return:
        return tree.Return(self.span(start, end), children[0])

    def discard(self, start: int, end: int, children: Children) -> tree.Discard:
        return tree.Discard(self.span(start, end), children[0])

    def let(self, start: int, end: int, children: Children) -> tree.Let:
        return tree.Let(self.span(start, end), *children)

    def let_pointer(self, start: int, end: int, children: Children) -> tree.Let:
        """`let $p: int8*=0`, where `*=` was read as one token."""
        var, type_, op, value = children
        if op != "*=":
            raise Fault("expected ';'", type_.span.end, type_.span.end + len(op))
        span = self.span(type_.span.start, type_.span.end + 1)
        type_ = tree.TypeName(span, type_.tag, type_.name, (*type_.suffixes, "*"))
        return tree.Let(self.span(start, end), var, type_, value)

    def assign(self, start: int, end: int, children: Children) -> tree.Assign:
        target, value = children
        if not isinstance(target, TARGETS):
            immutable = isinstance(target, tree.Member | tree.TupleAccess)
            raise Fault(_IMMUTABLE if immutable else "invalid assignment target", start, end)
        return tree.Assign(self.span(start, end), target, "=", value)

    def compound(self, start: int, end: int, children: Children) -> tree.Assign:
        return tree.Assign(self.span(start, end), *children)

    def for_(self, start: int, end: int, children: Children) -> tree.For:
        var, iterable, block = children
        if isinstance(iterable, tree.Range):
            iterable = tree.Range(self.span(start, iterable.span.end), iterable.start, iterable.end)
        elif not isinstance(iterable, tree.MapRef):
            raise Fault("expected map or range in for loop", block.span.start, block.span.start + 1)
        return tree.For(self.span(start, end), var, iterable, without_value(block))

    def range_(self, start: int, end: int, children: Children) -> tree.Range:
        return tree.Range(self.span(start, end), *children)

    def while_(self, start: int, end: int, children: Children) -> tree.While:
        return tree.While(self.span(start, end), children[0], without_value(children[1]))

    def unroll(self, start: int, end: int, children: Children) -> tree.Unroll:
        return tree.Unroll(self.span(start, end), children[0], without_value(children[1]))
