"""Which function types which kind of node. Its file is imported for the first such node: few scripts have all kinds."""

from __future__ import annotations

from pytrace.hints import Any, Callable, Mapping
from pytrace.once import imported
from pytrace.semantics import program as core
from pytrace.syntax import tree

__all__ = ["EXPRESSIONS", "STATEMENTS"]


class _Handlers(dict[type[tree.Node], Callable[[Any, Any], Any]]):
    """The functions for kinds of nodes, found by `FILE.FUNCTION` when they are needed."""

    def __init__(self, names: Mapping[type[tree.Node], str]) -> None:
        self.names = names

    def __missing__(self, kind: type[tree.Node]) -> Callable[[Any, Any], Any]:
        file, _, name = self.names[kind].partition(".")
        handler: Callable[[Any, Any], Any] = getattr(imported(f"pytrace.semantics.typing.{file}"), name)
        self[kind] = handler
        return handler


# A handler takes the class of node that it is listed under, which the type of a table cannot say.
EXPRESSIONS: Mapping[type[tree.Node], Callable[[Any, Any], core.Expr]] = _Handlers({
    tree.IntLit: "values.integer",
    tree.BoolLit: "values.boolean",
    tree.StrLit: "values.string",
    tree.Ident: "values.identifier",
    tree.Call: "values.call",
    tree.Var: "values.variable",
    tree.MapRef: "values.scalar_map",
    tree.MapIndex: "values.keyed_map",
    tree.TupleLit: "values.tuple_",
    tree.RecordLit: "values.record",
    tree.Block: "values.block",
    tree.If: "values.if_",
    tree.Ternary: "values.ternary",
    tree.Unary: "operators.unary",
    tree.Binary: "operators.binary",
    tree.IncDec: "steps.step",
    tree.Cast: "casts.cast",
    tree.Member: "access.member",
    tree.TupleAccess: "access.tuple_access",
    tree.Index: "access.index",
    tree.Sizeof: "meta.sizeof",
    tree.Offsetof: "meta.offsetof",
    tree.Typeinfo: "meta.typeinfo",
    tree.Comptime: "meta.comptime",
})  # fmt: skip

STATEMENTS: Mapping[type[tree.Node], Callable[[Any, Any], tuple[core.Stmt, ...]]] = _Handlers({
    tree.ExprStmt: "statements.expression",
    tree.Discard: "statements.discard",
    tree.Let: "assign.let",
    tree.Assign: "assign.assign",
    tree.For: "loops.for_",
    tree.While: "loops.while_",
    tree.Unroll: "loops.unroll",
    tree.Break: "statements.break_",
    tree.Continue: "statements.continue_",
    tree.Return: "statements.return_",
    tree.Import: "statements.import_",
})  # fmt: skip
