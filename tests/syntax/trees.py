"""Random syntax trees: all that the parser can give, and nothing else.

The choices come from a `random.Random`; one of Hypothesis makes small examples of large failures.
"""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from pytrace.diagnostics import Source, Span
from pytrace.syntax import tree
from pytrace.syntax.body import without_value

__all__ = ["scripts"]

HERE = Span(Source("generated", ""), 0, 0)

# Words that are keywords in other places are names here; those that can start an expression are not.
NAMES = (
    "a", "foo", "comm", "pid", "arg0", "retval", "_", "for", "let", "else", "import", "typeof", "struct", "config",
    "break",
)  # fmt: skip
FIELDS = (*NAMES, "if", "true", "sizeof")
TYPES = ("int8", "uint64", "string", "task_struct", "foo")
BINARY = ("||", "&&", "|", "^", "&", "==", "!=", "<", ">", "<=", ">=", "<<", ">>", "+", "-", "*", "/", "%")
ASSIGN = ("=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=")


class Maker:
    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def some(self, make, most=3, least=0):  # type: ignore[no-untyped-def]
        return tuple(make() for _ in range(self.rng.randrange(least, most + 1)))

    def pick(self, *options):  # type: ignore[no-untyped-def]
        return self.rng.choice(options)

    # --- expressions ----------------------------------------------------------------------------------------------

    def var(self) -> tree.Var:
        return tree.Var(HERE, self.pick(*FIELDS))

    def map(self) -> tree.MapRef:
        return tree.MapRef(HERE, self.pick("", *FIELDS))

    def target(self, depth: int) -> tree.Target:
        match self.rng.randrange(3):
            case 0:
                return self.var()
            case 1:
                return self.map()
        return tree.MapIndex(HERE, self.map(), self.expr(depth))

    def type_name(self) -> tree.TypeName:
        suffixes = self.some(lambda: self.pick("*", "*", 3, 16, None))
        return tree.TypeName(HERE, self.pick("", "", "struct", "union", "enum"), self.pick(*TYPES), suffixes)

    def type(self, depth: int) -> tree.TypeName | tree.Typeof:
        return self.type_name() if self.rng.random() < 0.7 else tree.Typeof(HERE, self.type_or_expr(depth))

    def type_or_expr(self, depth: int) -> tree.TypeOrExpr:
        return self.type(depth - 1) if self.rng.random() < 0.4 else self.expr(depth)

    def leaf(self) -> tree.Expr:
        match self.rng.randrange(8):
            case 0:
                return tree.IntLit(HERE, self.pick(0, 1, 9, 2**63, 2**64 - 1))
            case 1:
                return tree.StrLit(HERE, self.pick(b"", b"abc", b'"\\\n\t', b"\x00\x017", "é".encode(), b"//", b"/*"))
            case 2:
                return tree.BoolLit(HERE, self.pick(True, False))
            case 3:
                return self.var()
            case 4:
                return self.map()
            case 5:
                return self.pick(tree.Positional(HERE, 1), tree.Positional(HERE, 12), tree.ParamCount(HERE))
        return tree.Ident(HERE, self.pick(*NAMES))

    def expr(self, depth: int) -> tree.Expr:
        if depth <= 0:
            return self.leaf()
        depth -= 1
        match self.rng.randrange(24):
            case 0 | 1:
                return tree.Unary(HERE, self.pick("-", "!", "~", "*"), self.expr(depth))
            case 2:
                return tree.Unary(HERE, "&", self.pick(self.var(), self.map()))
            case 3:
                return tree.IncDec(HERE, self.pick("++", "--"), self.pick(True, False), self.target(depth))
            case 4 | 5 | 6:
                return tree.Binary(HERE, self.pick(*BINARY), self.expr(depth), self.expr(depth))
            case 7 | 8:
                then = self.pick(None, self.expr(depth))
                return tree.Ternary(HERE, self.expr(depth), then, self.expr(depth))
            case 9 | 10:
                return tree.Cast(HERE, self.type(depth), self.expr(depth))
            case 11:
                return tree.Member(HERE, self.expr(depth), self.pick(*FIELDS))
            case 12:
                return tree.TupleAccess(HERE, self.expr(depth), self.pick(0, 1, 12))
            case 13:
                return tree.Index(HERE, self.expr(depth), self.expr(depth))
            case 14:
                return tree.MapIndex(HERE, self.map(), self.expr(depth))
            case 15:
                return tree.Call(HERE, self.pick(*NAMES), self.some(lambda: self.argument(depth)))
            case 16:
                return tree.TupleLit(HERE, self.some(lambda: self.expr(depth)))
            case 17:
                return self.record(depth)
            case 18:
                return tree.Sizeof(HERE, self.type_or_expr(depth))
            case 19:
                return tree.Typeinfo(HERE, self.type_or_expr(depth))
            case 20:
                return tree.Offsetof(HERE, self.type_or_expr(depth), self.some(lambda: self.pick(*FIELDS), 2, 1))
            case 21:
                return tree.Comptime(HERE, self.expr(depth))
            case 22:
                return self.block(depth)
        return self.chain(depth)

    def argument(self, depth: int) -> tree.Expr | tree.Typeof:
        return self.expr(depth) if self.rng.random() < 0.8 else tree.Typeof(HERE, self.type_or_expr(depth))

    def record(self, depth: int) -> tree.RecordLit:
        # The first name is no builtin of the language.
        names = self.rng.sample([name for name in FIELDS if name not in ("pid", "arg0")], self.rng.randrange(1, 4))
        return tree.RecordLit(HERE, tuple((name, self.expr(depth)) for name in names))

    def block(self, depth: int) -> tree.Block:
        value = self.pick(None, self.expr(depth))
        return tree.Block(HERE, self.some(lambda: self.statement(depth)), value)

    def body(self, depth: int) -> tree.Block:
        return without_value(self.block(depth))

    def chain(self, depth: int) -> tree.If:
        orelse = self.pick(None, self.block(depth), self.chain(depth - 1) if depth > 0 else None)
        return tree.If(HERE, self.expr(depth), self.block(depth), orelse)

    # --- statements and items -------------------------------------------------------------------------------------

    def statement(self, depth: int) -> tree.Statement:
        depth -= 1
        match self.rng.randrange(14):
            case 0:
                return tree.Discard(HERE, self.expr(depth))
            case 1:
                return tree.Let(HERE, self.var(), self.pick(None, self.type(depth)), self.pick(None, self.expr(depth)))
            case 2 | 3:
                return tree.Assign(HERE, self.target(depth), self.pick(*ASSIGN), self.expr(depth))
            case 4:
                bounds = tree.Range(HERE, self.expr(depth), self.expr(depth))
                return tree.For(HERE, self.var(), self.pick(bounds, self.map()), self.body(depth))
            case 5:
                return tree.While(HERE, self.expr(depth), self.body(depth))
            case 6:
                return tree.Unroll(HERE, self.expr(depth), self.body(depth))
            case 7:
                return self.pick(tree.Break(HERE), tree.Continue(HERE))
            case 8:
                return tree.Return(HERE, self.pick(None, self.expr(depth)))
            case 9:
                return tree.Import(HERE, self.pick("a.bt", 'a"b\\\xe9'))
        return tree.ExprStmt(HERE, self.expr(depth))

    def item(self) -> tree.Item:
        match self.rng.randrange(6):
            case 0:
                params = self.some(lambda: tree.Param(HERE, self.pick("$", "@", ""), self.pick("a", "if")))
                return tree.Macro(HERE, self.pick(*FIELDS), params, self.block(3))
            case 1:
                typed = self.some(lambda: (self.var(), self.type(1)))
                return tree.Function(HERE, self.pick(*NAMES), typed, self.type(1), self.body(2))
            case 2:
                return tree.MapDecl(HERE, self.pick("", "m"), self.pick(*NAMES), self.pick(0, 4096))
        points = ("begin", "k:f", 'u:/bin/x:"a b{,"', "interval:s:1", "t:a:b/", "name=end", "tracepoint:*:*")
        attach_points = self.some(lambda: tree.AttachPoint(HERE, self.pick(*points)), 3, 1)
        return tree.Probe(HERE, attach_points, self.pick(None, self.expr(2)), self.body(4))

    def setting(self) -> tree.Setting:
        word = tree.Ident(HERE, self.pick("perf", "if", "GPL"))
        text = tree.StrLit(HERE, self.pick(b"GPL v2", b"..", b"true", b"", b"0x5"))
        number = tree.IntLit(HERE, self.pick(0, 99))
        value = self.pick(word, text, number, tree.BoolLit(HERE, self.pick(True, False)))
        return tree.Setting(HERE, self.pick("max_strlen", "license", "for"), value)

    def preamble(self) -> tree.CLine | tree.CDef:
        lines = tree.CLine(HERE, self.pick("#include <a.h>", "#define X 1 // x"))
        return self.pick(lines, tree.CDef(HERE, self.pick("struct a { int x; };", "enum { A, B }")))

    def script(self) -> tree.Script:
        return tree.Script(
            HERE,
            self.pick("", "#!/usr/bin/env pytrace"),
            self.some(self.preamble),
            self.pick(None, tree.Config(HERE, self.some(self.setting))),
            self.some(lambda: tree.Import(HERE, self.pick("a.bt", "x y")), 2),
            self.some(self.item),
        )


scripts = st.randoms(use_true_random=False).map(lambda rng: Maker(rng).script())
