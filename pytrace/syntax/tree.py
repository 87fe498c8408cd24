"""The syntax tree: what a script says, before anything is known about it.

Read it from the bottom: a `Script` holds its preamble, settings and items; an item is a probe, a macro, a map
declaration or a function; a probe holds a `Block`; a block holds statements and perhaps a trailing value. Blocks and
`if` are expressions.

Nodes are frozen dataclasses and are compared without their spans: two scripts are equal when they say the same.
Nothing here is resolved: a bare word is an `Ident`, whether it will turn out to be a builtin, a macro without
arguments, a `#define` or an enumerator.
"""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.frozen import field, frozen

# --- types as written ---------------------------------------------------------------------------------------------


@frozen
class Node:
    span: Span = field(compare=False, repr=False)


@frozen
class TypeName(Node):
    """`struct task_struct *[4]`: `tag` is "struct", "union", "enum" or ""; a suffix is "*", a length, or None for
    `[]`."""

    tag: str
    name: str
    suffixes: tuple[str | int | None, ...] = ()


@frozen
class Typeof(Node):
    """`typeof(T or expr)` where a type is expected, or as an argument of a call."""

    arg: TypeOrExpr


# --- expressions --------------------------------------------------------------------------------------------------


@frozen
class IntLit(Node):
    """`text` is the spelling, for the formatter; "" when the literal was computed."""

    value: int
    text: str = field(default="", compare=False)


@frozen
class StrLit(Node):
    value: bytes


@frozen
class BoolLit(Node):
    value: bool


@frozen
class Ident(Node):
    name: str


@frozen
class Var(Node):
    """`$name`; the name is kept without its sigil. Expanding a macro renames the macro's own variables to
    `name'number`, which no script can write."""

    name: str

    @property
    def shown(self) -> str:
        """The variable as the script writes it, for messages."""
        return f"${self.name.partition(chr(39))[0]}"


@frozen
class MapRef(Node):
    """`@name` without a key; `@` alone has the name ""."""

    name: str


@frozen
class MapIndex(Node):
    """`@name[key]`; several keys are one `TupleLit`."""

    map: MapRef
    key: Expr


@frozen
class Positional(Node):
    """`$1`."""

    index: int


@frozen
class ParamCount(Node):
    """`$#`."""


@frozen
class Unary(Node):
    """`op` is one of `- ! ~ * &`."""

    op: str
    operand: Expr


@frozen
class IncDec(Node):
    """`op` is `++` or `--`; the parser guarantees that the target is a variable or a map."""

    op: str
    prefix: bool
    target: Target


@frozen
class Binary(Node):
    op: str
    left: Expr
    right: Expr


@frozen
class Ternary(Node):
    """`then` is None for `a ?: b`."""

    cond: Expr
    then: Expr | None
    orelse: Expr


@frozen
class Cast(Node):
    """The span covers `(T)` only; `whole` covers the operand too."""

    type: TypeName | Typeof
    operand: Expr

    @property
    def whole(self) -> Span:
        return self.span.to(self.operand.span)


@frozen
class Member(Node):
    """`x.name`, also written `x->name`."""

    obj: Expr
    name: str


@frozen
class TupleAccess(Node):
    """`x.0`."""

    obj: Expr
    index: int


@frozen
class Index(Node):
    """`x[i]` where x is not a whole map."""

    obj: Expr
    index: Expr


@frozen
class Call(Node):
    name: str
    args: tuple[Expr | Typeof, ...]


@frozen
class TupleLit(Node):
    items: tuple[Expr, ...]


@frozen
class RecordLit(Node):
    fields: tuple[tuple[str, Expr], ...]


@frozen
class Sizeof(Node):
    arg: TypeOrExpr


@frozen
class Typeinfo(Node):
    arg: TypeOrExpr


@frozen
class Offsetof(Node):
    arg: TypeOrExpr
    path: tuple[str, ...]


@frozen
class Comptime(Node):
    expr: Expr


@frozen
class Block(Node):
    """`{ … }`: also the body of probes, loops and macros. `value` is the trailing expression without `;`."""

    statements: tuple[Statement, ...]
    value: Expr | None = None


@frozen
class If(Node):
    """`cond` is a `Comptime` for `if comptime`."""

    cond: Expr
    then: Block
    orelse: Block | If | None = None


# --- statements ---------------------------------------------------------------------------------------------------


@frozen
class ExprStmt(Node):
    """An expression used as a statement; the span includes its `;` as LANGUAGE defines for diagnostics."""

    expr: Expr


@frozen
class Discard(Node):
    """`_ = expr;`."""

    expr: Expr


@frozen
class Let(Node):
    var: Var
    type: TypeName | Typeof | None = None
    value: Expr | None = None


@frozen
class Assign(Node):
    """`target op value`; `op` is `=` or a compound such as `+=`. The span is the whole statement without `;`."""

    target: Target
    op: str
    value: Expr


@frozen
class Range(Node):
    start: Expr
    end: Expr


@frozen
class For(Node):
    var: Var
    iterable: Range | MapRef
    body: Block


@frozen
class While(Node):
    cond: Expr
    body: Block


@frozen
class Unroll(Node):
    count: Expr
    body: Block


@frozen
class Break(Node):
    pass


@frozen
class Continue(Node):
    pass


@frozen
class Return(Node):
    value: Expr | None = None


@frozen
class Import(Node):
    """`import "path";`, at top level or (only in the standard library) in a block."""

    path: str


# --- top level ----------------------------------------------------------------------------------------------------


@frozen
class CLine(Node):
    """A preprocessor line, kept as written without its newline."""

    text: str


@frozen
class CDef(Node):
    """A struct, union or enum definition as written; `grammar/cdefs.lark` reads the inside."""

    text: str


@frozen
class Setting(Node):
    """`name = value`; a bare word is an `Ident`."""

    name: str
    value: IntLit | StrLit | BoolLit | Ident


@frozen
class Config(Node):
    settings: tuple[Setting, ...]


@frozen
class MapDecl(Node):
    """`let @name = kind(size);`."""

    name: str
    kind: str
    size: int


@frozen
class Param(Node):
    """A macro's parameter: `sigil` is "$", "@" or ""."""

    sigil: str
    name: str


@frozen
class Macro(Node):
    name: str
    params: tuple[Param, ...]
    body: Block


@frozen
class Function(Node):
    """`fn name(…): type { … }`: read, so that it can be refused with one clear error."""

    name: str
    params: tuple[tuple[Var, TypeName | Typeof], ...]
    returns: TypeName | Typeof
    body: Block


@frozen
class AttachPoint(Node):
    """A probe specification as written: one raw word."""

    text: str


@frozen
class Probe(Node):
    """The span covers the attach points (what a diagnostic about the probe marks)."""

    attach_points: tuple[AttachPoint, ...]
    predicate: Expr | None
    body: Block


@frozen
class Script(Node):
    """A whole source. `comments` are (span, text) in order, for the formatter."""

    shebang: str
    preamble: tuple[CLine | CDef, ...]
    config: Config | None
    imports: tuple[Import, ...]
    items: tuple[Item, ...]
    comments: tuple[tuple[Span, str], ...] = field(default=(), compare=False)


Literal = IntLit | StrLit | BoolLit
Target = Var | MapRef | MapIndex
Expr = (
    IntLit | StrLit | BoolLit | Ident | Var | MapRef | MapIndex | Positional | ParamCount | Unary | IncDec | Binary
    | Ternary | Cast | Member | TupleAccess | Index | Call | TupleLit | RecordLit | Sizeof | Typeinfo | Offsetof
    | Comptime | Block | If
)
TypeOrExpr = TypeName | Typeof | Expr
Statement = (
    ExprStmt | Discard | Let | Assign | For | While | Unroll | Break | Continue | Return | Import
)
Item = Probe | Macro | MapDecl | Function
