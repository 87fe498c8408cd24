"""The types of expressions in text that is not finished: as far as they are known, to offer what can follow.

The expression itself is read by the language's parser; where its variables and maps come from is looked for in the
pieces around it. Nothing is reported: what cannot be told has no type. The rules are those of `semantics/typing`, but
for all that only decides how an integer is stored.
"""

from __future__ import annotations

from pytrace.diagnostics import CompileError, Source, Span
from pytrace.probes.contexts import ProbeContext
from pytrace.repl import scan as kinds
from pytrace.repl.context import Context
from pytrace.repl.machine import PromptHost
from pytrace.repl.scan import Piece, Scan
from pytrace.semantics.types import (
    BOOL,
    I64,
    KSYM,
    U32,
    U64,
    USERNAME,
    Aggregate,
    Array,
    Buffer,
    Int,
    Pointer,
    Record,
    Space,
    Str,
    Struct,
    Tuple,
    Type,
)
from pytrace.semantics.typing.type_names import resolve
from pytrace.syntax import tree
from pytrace.syntax.parser import parse_expression

__all__ = ["ARGS", "Inference", "expression_start"]

ARGS = Struct("args", 0, source="args")
"""The type of `args`, whose fields are the probe's arguments."""

_DEPTH, _NESTED, _STEPS = 24, 60, 2000
"""How many variables in a row, how deep an expression and how many expressions are looked into for one answer."""
_OPENING = {")": "(", "]": "[", "}": "{"}
_VALUES: dict[str, Type] = {
    **dict.fromkeys(("pid", "tid", "cpu", "ncpus", "numaid", "rand", "ppid", "leader_tid", "cpid"), U32),
    **dict.fromkeys(("uid", "gid", "nsecs", "elapsed", "jiffies", "cgroup", "reg", "kaddr", "uaddr", "strlen"), U64),
    **dict.fromkeys(("strcap", "len", "cgroupid", "socket_cookie", "sizeof", "offsetof", "func"), U64),
    **dict.fromkeys(("comm", "pcomm", "leader_comm"), Str(16)),
    **dict.fromkeys(("str", "probe", "probetype", "strerror", "syscall_name", "str_concat", "path"), Str(0)),
    **dict.fromkeys(("has_cpid", "has_key", "find", "strcontains", "is_scalar", "kfunc_exist"), BOOL),
    "username": USERNAME, "buf": Buffer(0), "ksym": KSYM, "strncmp": U64, "strstr": I64, "memcmp": I64,
}  # fmt: skip
"""Types of values that do not depend on where they stand."""


def expression_start(scan: Scan, index: int) -> int | None:
    """The index of the first piece of the operand with its `.`, `->`, `[]` and `()` that ends with the piece at
    `index`; None if there is no such thing."""
    pieces = scan.pieces
    while True:
        index = _significant(scan, index)
        if index < 0:
            return None
        piece = pieces[index]
        if piece.kind == kinds.CLOSE:
            opening = _opening(scan, index)
            if opening is None:
                return None
            before = _significant(scan, opening - 1)
            if scan.of(piece) == "]":
                index = before
                continue
            if scan.of(piece) == ")" and before >= 0 and _can_be_called(scan, pieces[before]):
                return before
            return opening
        if piece.kind == kinds.MEMBER or (piece.kind == kinds.NUMBER and _after_dot(scan, index)):
            index = _significant(scan, _significant(scan, index - 1) - 1)
            continue
        operands = (kinds.NAME, kinds.VAR, kinds.MAP, kinds.PARAM, kinds.NUMBER, kinds.STRING)
        return index if piece.kind in operands else None


def _can_be_called(scan: Scan, piece: Piece) -> bool:
    return piece.kind == kinds.NAME or scan.of(piece) in kinds.EXPRESSION_KEYWORDS


def _after_dot(scan: Scan, index: int) -> bool:
    before = _significant(scan, index - 1)
    return before >= 0 and scan.of(scan.pieces[before]) == "."


def _significant(scan: Scan, index: int) -> int:
    """The last piece up to `index` that is neither blank nor a comment; -1 if there is none."""
    while index >= 0 and scan.pieces[index].kind in (kinds.BLANKS, kinds.COMMENT):
        index -= 1
    return index


def _opening(scan: Scan, index: int) -> int | None:
    """The index of the bracket that the one at `index` closes."""
    depth = 0
    for at in range(index, -1, -1):
        piece = scan.pieces[at]
        if piece.kind == kinds.CLOSE:
            depth += 1
        elif piece.kind == kinds.OPEN:
            depth -= 1
            if not depth:
                matches = _OPENING[scan.of(scan.pieces[index])] == scan.of(piece)
                return at if matches else None
    return None


class Inference:
    """Types in one text. `probe` is what the probe around sees, None if that is not known or there is none."""

    def __init__(self, scan: Scan, context: Context, host: PromptHost, probe: ProbeContext | None) -> None:
        self.scan = scan
        self.context = context
        self.host = host
        self.probe = probe
        self.types = host.types_of(f"{context.preamble}\n{scan.c_text}")
        self._depth = 0
        self._steps = self._nested = 0

    # --- by place -------------------------------------------------------------------------------------------------

    def operand(self, index: int) -> Type | None:
        """The type of the operand that ends with the piece at `index`."""
        start = expression_start(self.scan, index)
        return None if start is None else self._between(start, index + 1)

    def _between(self, start: int, stop: int) -> Type | None:
        """The type of the expression that the pieces from `start` to before `stop` are."""
        pieces = self.scan.pieces
        if start >= stop or self._depth >= _DEPTH:
            return None
        text = self.scan.text[pieces[start].start : pieces[stop - 1].end]
        # The parser holds text as bytes; what is not ASCII stands in strings only, where its length is of no interest.
        source = Source("", text.encode("utf-8", "replace").decode("latin-1"))
        try:
            node = parse_expression(source.text, Span(source, 0, len(source.text)))
        except CompileError:
            return None
        self._depth += 1
        try:
            return self.expression(node, start)
        finally:
            self._depth -= 1

    def variable(self, name: str, before: int) -> Type | None:
        """The type of a variable by its last assignment before the piece with that index."""
        scan = self.scan
        for index in range(min(before, len(scan.pieces)) - 1, scan.item_start - 1, -1):
            piece = scan.pieces[index]
            if piece.kind != kinds.VAR or scan.of(piece) != name:
                continue
            following = self._next(index)
            sign = scan.of(scan.pieces[following]) if following < len(scan.pieces) else ""
            if sign == "=":
                return self._between(following + 1, self._end(following + 1))
            if sign == ":":
                return self._declared(index, following)
        return None

    def _declared(self, index: int, colon: int) -> Type | None:
        """The type of `$x : …`: a declaration by `let`, or the variable of a loop."""
        scan = self.scan
        before = _significant(scan, index - 1)
        word = scan.of(scan.pieces[before]) if before >= 0 else ""
        start = self._next(colon)
        if start >= len(scan.pieces):
            return None
        if word == "let":
            end = self._end(start)
            return self.spelled(scan.text[scan.pieces[start].start : scan.pieces[end - 1].end].partition("=")[0])
        piece = scan.pieces[start]
        if word in ("for", "(") and piece.kind == kinds.MAP:
            following = self._next(start)
            if following >= len(scan.pieces) or scan.of(scan.pieces[following]) in (")", "{"):
                key, value = self.map(scan.of(piece))
                return Tuple((key or I64, value if value is not None else I64))
        return I64

    def map(self, name: str) -> tuple[Type | None, Type | None]:
        """The types of a map's key and value: those of the session, else those that this text gives it."""
        known = self.context.map(name)
        if known is not None and known.value is not None:
            return known.key, known.value
        scan = self.scan
        for index, piece in enumerate(scan.pieces):
            if piece.kind != kinds.MAP or scan.of(piece) != name:
                continue
            key: Type | None = None
            at = self._next(index)
            if at < len(scan.pieces) and scan.of(scan.pieces[at]) == "[":
                closing = self._closing(at)
                if closing is None:
                    continue
                key = self._between(at + 1, closing)
                at = self._next(closing)
            if at < len(scan.pieces) and scan.of(scan.pieces[at]) == "=":
                value = self._between(self._next(at), self._end(at + 1))
                if value is not None:
                    return key, value
        return (known.key if known is not None else None), None

    def _next(self, index: int) -> int:
        """The index of the next piece that means something, or the number of pieces."""
        pieces = self.scan.pieces
        index += 1
        while index < len(pieces) and pieces[index].kind in (kinds.BLANKS, kinds.COMMENT):
            index += 1
        return index

    def _closing(self, index: int) -> int | None:
        depth = 0
        for at in range(index, len(self.scan.pieces)):
            kind = self.scan.pieces[at].kind
            depth += (kind == kinds.OPEN) - (kind == kinds.CLOSE)
            if not depth:
                return at
        return None

    def _end(self, index: int) -> int:
        """The index behind the expression that starts at `index`."""
        depth = 0
        for at in range(index, len(self.scan.pieces)):
            kind = self.scan.pieces[at].kind
            if not depth and kind in (kinds.SEMICOLON, kinds.COMMA, kinds.CLOSE):
                return at
            depth += (kind == kinds.OPEN) - (kind == kinds.CLOSE)
        return len(self.scan.pieces)

    # --- by node --------------------------------------------------------------------------------------------------

    def expression(self, node: tree.Expr | tree.Typeof, place: int) -> Type | None:
        """The type of an expression; `place` is the index of the piece that it begins with."""
        self._steps += 1
        if self._steps > _STEPS or self._nested >= _NESTED:
            return None
        self._nested += 1
        try:
            return self._expression(node, place)
        finally:
            self._nested -= 1

    def _expression(self, node: tree.Expr | tree.Typeof, place: int) -> Type | None:
        match node:
            case tree.IntLit():
                return I64
            case tree.StrLit(value=value):
                return Str(len(value) + 1)
            case tree.BoolLit():
                return BOOL
            case tree.Ident(name=name):
                return self._value(name)
            case tree.Var():
                return self.variable(node.shown, place)
            case tree.MapRef(name=name):
                return self.map(f"@{name}")[1]
            case tree.MapIndex():
                return self.expression(node.map, place)
            case tree.Member(obj=obj, name=name):
                return self.member(self.expression(obj, place), name)
            case tree.TupleAccess(obj=obj, index=number):
                type_ = self.expression(obj, place)
                elems = type_.elems if isinstance(type_, Tuple) else ()
                return elems[number] if number < len(elems) else None
            case tree.Index(obj=obj):
                return self._element(self.expression(obj, place))
            case tree.Cast(type=type_):
                return self._named(type_, place)
            case tree.Unary(op=op, operand=operand):
                return self._unary(op, self.expression(operand, place))
            case tree.Binary(op=op, left=left):
                found = self.expression(left, place)
                return found if isinstance(found, (Pointer, Str)) and op in "+-" else I64
            case tree.Ternary(then=then, orelse=orelse):
                return self.expression(then if then is not None else orelse, place)
            case tree.Comptime(expr=inner):
                return self.expression(inner, place)
            case tree.TupleLit(items=items):
                return Tuple(tuple(self.expression(item, place) or I64 for item in items))
            case tree.RecordLit(fields=fields):
                return Record(tuple((name, self.expression(value, place) or I64) for name, value in fields))
            case tree.Block(value=value) if value is not None:
                return self.expression(value, place)
            case tree.If(then=block):
                return self.expression(block, place)
            case tree.Call():
                return self._call(node, place)
            case tree.Sizeof() | tree.Offsetof() | tree.IncDec():
                return U64
        return None

    def _value(self, name: str) -> Type | None:
        probe = self.probe
        if name == "args":
            return ARGS if probe is None or probe.args is not None else None
        if name == "curtask":
            struct = self.types.struct("struct", "task_struct")
            return Pointer(struct, Space.KERNEL) if struct is not None else None
        if name == "ctx":
            return probe.ctx if probe is not None else None
        if name == "retval":
            return probe.retval.type if probe is not None and probe.retval is not None else U64
        if name.startswith("arg") and name[3:].isdigit():
            return U64
        return _VALUES.get(name)

    def _call(self, node: tree.Call, place: int) -> Type | None:
        name, args = node.name, node.args
        if name in ("kptr", "uptr") and args:
            return self.expression(args[0], place)
        if name == "container_of" and len(args) > 1 and isinstance(args[1], tree.Typeof):
            found = self._named(args[1], place)
            return Pointer(found) if found is not None else None
        from pytrace.builtins import REGISTRY

        known = REGISTRY.get(name)
        if known is not None and known.map_function:
            return Aggregate(name)
        return _VALUES.get(name)

    def member(self, obj: Type | None, name: str) -> Type | None:
        """The type of a field."""
        return next((type_ for field, type_ in self.fields(obj, name) if field == name), None)

    def fields(self, obj: Type | None, only: str = "") -> list[tuple[str, Type]]:
        """The fields of a type by name, or the one asked for; empty if it has none or that is not known."""
        while isinstance(obj, Pointer):
            obj = obj.pointee
        if obj is ARGS:
            fields = self.probe.args if self.probe is not None and self.probe.args is not None else ()
            refused = self.probe.refused if self.probe is not None else ()
            return [(each.name, each.type) for each in fields if each.name not in refused]
        if isinstance(obj, Record):
            return list(obj.fields)
        if isinstance(obj, Tuple):
            return [(str(number), type_) for number, type_ in enumerate(obj.elems)]
        if not isinstance(obj, Struct):
            return []
        definition = self.types.definition(obj)
        if definition is None:
            return []
        if only:
            found = definition.field(only)
            return [(found.name, found.type)] if found is not None else []
        return [(each.name, each.type) for each in definition.fields]

    def _element(self, obj: Type | None) -> Type | None:
        match obj:
            case Array(elem=elem):
                return elem
            case Pointer(pointee=pointee):
                return pointee
            case Str():
                return Int(1, True)
        return None

    def _unary(self, op: str, operand: Type | None) -> Type | None:
        if op == "*":
            return operand.pointee if isinstance(operand, Pointer) else U64
        if op == "&":
            return Pointer(operand) if operand is not None else None
        return BOOL if op == "!" else operand

    # --- types by name --------------------------------------------------------------------------------------------

    def _named(self, node: tree.TypeName | tree.Typeof, place: int) -> Type | None:
        if isinstance(node, tree.Typeof):
            arg = node.arg
            return self._named(arg, place) if isinstance(arg, tree.TypeName) else self.expression(arg, place)
        return resolve(self.types, node)

    def spelled(self, text: str) -> Type | None:
        """The type that a text spells, by way of a cast to it."""
        source = Source("", f"({text.strip()})0")
        try:
            node = parse_expression(source.text, Span(source, 0, len(source.text)))
        except CompileError:
            return None
        return self._named(node.type, 0) if isinstance(node, tree.Cast) else None
