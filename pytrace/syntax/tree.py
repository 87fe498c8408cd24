"""The syntax tree: what a script says, before anything is known about it.

Read it from the bottom: a `Script` holds its preamble, settings and items; an item is a probe, a macro, a map
declaration or a function; a probe holds a `Block`; a block holds statements and perhaps a trailing value. Blocks and
`if` are expressions.

Nodes are frozen dataclasses and are compared without their spans: two scripts are equal when they say the same.
Nothing here is resolved: a bare word is an `Ident`, whether it will turn out to be a builtin, a macro without
arguments, a `#define` or an enumerator.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pytrace.diagnostics import Span

# --- types as written ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Node:
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TypeName(Node):
    """`struct task_struct *[4]`: `tag` is "struct", "union", "enum" or ""; a suffix is "*", a length, or None for
    `[]`."""

    tag: str
    name: str
    suffixes: tuple[str | int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Typeof(Node):
    """`typeof(T or expr)` where a type is expected, or as an argument of a call."""

    arg: TypeOrExpr


# --- expressions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IntLit(Node):
    """`text` is the spelling, for the formatter; "" when the literal was computed."""

    value: int
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class StrLit(Node):
    value: bytes


@dataclass(frozen=True, slots=True)
class BoolLit(Node):
    value: bool


@dataclass(frozen=True, slots=True)
class Ident(Node):
    name: str


@dataclass(frozen=True, slots=True)
class Var(Node):
    """`$name`; the name is kept without its sigil."""

    name: str


@dataclass(frozen=True, slots=True)
class MapRef(Node):
    """`@name` without a key; `@` alone has the name ""."""

    name: str


@dataclass(frozen=True, slots=True)
class MapIndex(Node):
    """`@name[key]`; several keys are one `TupleLit`."""

    map: MapRef
    key: Expr


@dataclass(frozen=True, slots=True)
class Positional(Node):
    """`$1`."""

    index: int


@dataclass(frozen=True, slots=True)
class ParamCount(Node):
    """`$#`."""


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`op` is one of `- ! ~ * &`."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class IncDec(Node):
    """`op` is `++` or `--`; the parser guarantees that the target is a variable or a map."""

    op: str
    prefix: bool
    target: Target


@dataclass(frozen=True, slots=True)
class Binary(Node):
    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Ternary(Node):
    """`then` is None for `a ?: b`."""

    cond: Expr
    then: Expr | None
    orelse: Expr


@dataclass(frozen=True, slots=True)
class Cast(Node):
    """The span covers `(T)` only; `whole` covers the operand too."""

    type: TypeName | Typeof
    operand: Expr

    @property
    def whole(self) -> Span:
        return self.span.to(self.operand.span)


@dataclass(frozen=True, slots=True)
class Member(Node):
    """`x.name`, also written `x->name`."""

    obj: Expr
    name: str


@dataclass(frozen=True, slots=True)
class TupleAccess(Node):
    """`x.0`."""

    obj: Expr
    index: int


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`x[i]` where x is not a whole map."""

    obj: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class Call(Node):
    name: str
    args: tuple[Expr | Typeof, ...]


@dataclass(frozen=True, slots=True)
class TupleLit(Node):
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class RecordLit(Node):
    fields: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class Sizeof(Node):
    arg: TypeOrExpr


@dataclass(frozen=True, slots=True)
class Typeinfo(Node):
    arg: TypeOrExpr


@dataclass(frozen=True, slots=True)
class Offsetof(Node):
    arg: TypeOrExpr
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comptime(Node):
    expr: Expr


@dataclass(frozen=True, slots=True)
class Block(Node):
    """`{ … }`: also the body of probes, loops and macros. `value` is the trailing expression without `;`."""

    statements: tuple[Statement, ...]
    value: Expr | None = None


@dataclass(frozen=True, slots=True)
class If(Node):
    """`cond` is a `Comptime` for `if comptime`."""

    cond: Expr
    then: Block
    orelse: Block | If | None = None


# --- statements ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExprStmt(Node):
    """An expression used as a statement; the span includes its `;` as LANGUAGE defines for diagnostics."""

    expr: Expr


@dataclass(frozen=True, slots=True)
class Discard(Node):
    """`_ = expr;`."""

    expr: Expr


@dataclass(frozen=True, slots=True)
class Let(Node):
    var: Var
    type: TypeName | Typeof | None = None
    value: Expr | None = None


@dataclass(frozen=True, slots=True)
class Assign(Node):
    """`target op value`; `op` is `=` or a compound such as `+=`. The span is the whole statement without `;`."""

    target: Target
    op: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Range(Node):
    start: Expr
    end: Expr


@dataclass(frozen=True, slots=True)
class For(Node):
    var: Var
    iterable: Range | MapRef
    body: Block


@dataclass(frozen=True, slots=True)
class While(Node):
    cond: Expr
    body: Block


@dataclass(frozen=True, slots=True)
class Unroll(Node):
    count: Expr
    body: Block


@dataclass(frozen=True, slots=True)
class Break(Node):
    pass


@dataclass(frozen=True, slots=True)
class Continue(Node):
    pass


@dataclass(frozen=True, slots=True)
class Return(Node):
    value: Expr | None = None


@dataclass(frozen=True, slots=True)
class Import(Node):
    """`import "path";`, at top level or (only in the standard library) in a block."""

    path: str


# --- top level ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CLine(Node):
    """A preprocessor line, kept as written without its newline."""

    text: str


@dataclass(frozen=True, slots=True)
class CDef(Node):
    """A struct, union or enum definition as written; `grammar/cdefs.lark` reads the inside."""

    text: str


@dataclass(frozen=True, slots=True)
class Setting(Node):
    """`name = value`; a bare word is an `Ident`."""

    name: str
    value: IntLit | StrLit | BoolLit | Ident


@dataclass(frozen=True, slots=True)
class Config(Node):
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class MapDecl(Node):
    """`let @name = kind(size);`."""

    name: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Param(Node):
    """A macro's parameter: `sigil` is "$", "@" or ""."""

    sigil: str
    name: str


@dataclass(frozen=True, slots=True)
class Macro(Node):
    name: str
    params: tuple[Param, ...]
    body: Block


@dataclass(frozen=True, slots=True)
class Function(Node):
    """`fn name(…): type { … }`: read, so that it can be refused with one clear error."""

    name: str
    params: tuple[tuple[Var, TypeName | Typeof], ...]
    returns: TypeName | Typeof
    body: Block


@dataclass(frozen=True, slots=True)
class AttachPoint(Node):
    """A probe specification as written: one raw word."""

    text: str


@dataclass(frozen=True, slots=True)
class Probe(Node):
    """The span covers the attach points (what a diagnostic about the probe marks)."""

    attach_points: tuple[AttachPoint, ...]
    predicate: Expr | None
    body: Block


@dataclass(frozen=True, slots=True)
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
