"""Which function types which kind of node."""

from __future__ import annotations

from collections.abc import Callable

from pytrace.hints import Any
from pytrace.semantics import program as core
from pytrace.semantics.typing import access, assign, casts, loops, meta, operators, statements, steps, values
from pytrace.syntax import tree

__all__ = ["EXPRESSIONS", "STATEMENTS"]

# A handler takes the class of node that it is listed under, which the type of a table cannot say.
EXPRESSIONS: dict[type[tree.Node], Callable[[Any, Any], core.Expr]] = {
    tree.IntLit: values.integer,
    tree.BoolLit: values.boolean,
    tree.StrLit: values.string,
    tree.Ident: values.identifier,
    tree.Call: values.call,
    tree.Var: values.variable,
    tree.MapRef: values.scalar_map,
    tree.MapIndex: values.keyed_map,
    tree.TupleLit: values.tuple_,
    tree.RecordLit: values.record,
    tree.Block: values.block,
    tree.If: values.if_,
    tree.Ternary: values.ternary,
    tree.Unary: operators.unary,
    tree.Binary: operators.binary,
    tree.IncDec: steps.step,
    tree.Cast: casts.cast,
    tree.Member: access.member,
    tree.TupleAccess: access.tuple_access,
    tree.Index: access.index,
    tree.Sizeof: meta.sizeof,
    tree.Offsetof: meta.offsetof,
    tree.Typeinfo: meta.typeinfo,
    tree.Comptime: meta.comptime,
}

STATEMENTS: dict[type[tree.Node], Callable[[Any, Any], tuple[core.Stmt, ...]]] = {
    tree.ExprStmt: statements.expression,
    tree.Discard: statements.discard,
    tree.Let: assign.let,
    tree.Assign: assign.assign,
    tree.For: loops.for_,
    tree.While: loops.while_,
    tree.Unroll: loops.unroll,
    tree.Break: statements.break_,
    tree.Continue: statements.continue_,
    tree.Return: statements.return_,
    tree.Import: statements.import_,
}
