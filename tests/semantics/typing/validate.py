"""What code generation may rely on (`pytrace/semantics/program.py`), checked node by node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from pytrace.semantics import program as core
from pytrace.semantics.types import (
    BOOL,
    Aggregate,
    Bool,
    Context,
    Enum,
    Int,
    Nothing,
    Opaque,
    Pointer,
    Record,
    Str,
    Tuple,
    Type,
    Void,
    members_of,
    size_of,
)
from pytrace.semantics.typing.lattice import known, places

Node = core.Expr | core.Stmt


def nodes(probe: core.Probe) -> Iterator[Node]:
    """Every node of a body."""
    stack: list[object] = list(probe.body)
    while stack:
        node = stack.pop()
        if isinstance(node, (core.Expr, core.Stmt)):
            yield node
            stack += [getattr(node, field.name) for field in fields(node) if field.name != "static"]
        elif isinstance(node, tuple):
            stack += node


def agree(a: Type, b: Type) -> bool:
    """Equality of types but for the address space of pointers, which does not change a value."""
    match a, b:
        case Pointer(), Pointer():
            return agree(a.pointee, b.pointee)
        case (Tuple(), Tuple()) | (Record(), Record()):
            left, right = members_of(a), members_of(b)  # type: ignore[arg-type]  # both are matched
            return len(left) == len(right) and all(map(agree, left, right))
    return a == b


def validate(program: core.Program) -> None:
    """Raise `AssertionError` for a node that breaks a promise."""
    for probe in program.probes:
        seen = {var.index for var in probe.variables}
        for var in probe.variables:
            assert known(var.type), var
        for node in nodes(probe):
            if isinstance(node, core.Expr):
                assert known(node.type), node
                _expression(node, program)
            else:
                _statement(node, program)
            for name in ("var", "target", "of"):
                used = getattr(node, name, None)
                if isinstance(used, core.Var):
                    assert used.index in seen, node
                    assert used in probe.variables, (used, probe.variables)


def _key(map_: core.Map, key: core.Expr | None, program: core.Program) -> None:
    assert program.maps[map_.index] == map_, (map_, program.maps)
    assert (map_.key is None) == (key is None), map_
    if map_.key is not None and key is not None:
        assert agree(key.type, map_.key), (key.type, map_.key)


def _expression(node: core.Expr, program: core.Program) -> None:
    match node:
        case core.Const(type=type_, value=value):
            assert core.is_scalar(type_), node
            if isinstance(type_, Int):
                low = -(1 << (type_.size * 8 - 1)) if type_.signed else 0
                assert low <= value < low + (1 << type_.size * 8), node
        case core.Text(type=type_, value=text):
            assert isinstance(type_, Str) and len(text) < type_.size, node
        case core.ReadVar(type=type_, var=var):
            assert agree(type_, var.type) and not isinstance(type_, Context), node
        case core.ReadMap(type=type_, map=map_, key=key):
            _key(map_, key, program)
            assert agree(type_, places(map_.value)), node
        case core.Arith(type=type_, op=op, left=left, right=right):
            assert isinstance(type_, Int) or (isinstance(type_, Bool) and op in ("and", "or", "xor")), node
            assert left.type == type_ == right.type, node
        case core.Compare(type=type_, left=left, right=right):
            assert type_ == BOOL and left.type == right.type and core.is_scalar(left.type), node
        case core.Equal(type=type_, left=left, right=right):
            assert type_ == BOOL and not core.is_scalar(left.type), node
            assert type(left.type) is type(right.type), node
            if isinstance(left.type, (Tuple, Record)):
                assert agree(left.type, right.type), node
        case core.Logical(left=left, right=right):
            assert node.type == left.type == right.type == BOOL, node
        case core.Not(value=inner):
            assert node.type == inner.type == BOOL, node
        case core.Select(type=type_, cond=cond, then=then, orelse=orelse):
            assert cond.type == BOOL, node
            if not isinstance(type_, (Void, Nothing)):
                assert agree(then.type, type_) and agree(orelse.type, type_), node
        case core.MakeTuple(type=type_, items=items, order=order):
            assert isinstance(type_, (Tuple, Record)), node
            assert len(items) == len(members_of(type_)), node
            assert all(agree(i.type, m) for i, m in zip(items, members_of(type_), strict=True)), node
            assert not order or sorted(order) == list(range(len(items))), node
        case core.Part(type=type_, value=whole, offset=offset):
            assert not core.is_scalar(whole.type) and offset >= 0, node
            assert offset + size_of(type_) <= max(size_of(whole.type), 1) or node.bit_size, node
        case core.Element(index=index, count=count):
            assert isinstance(index.type, Int) and index.type.size == 8 and count > 0, node
        case core.Load(address=address):
            assert isinstance(address.type, Pointer) or address.type == Int(8, address.type.signed), node  # type: ignore[attr-defined]
        case core.Convert(type=to, value=source):
            _conversion(source.type, to)
        case core.Step(type=type_, target=target, key=key):
            assert isinstance(type_, (Int, Pointer, Enum)), node
            if isinstance(target, core.Map):
                _key(target, key, program)
        case core.Do(type=type_, value=value):
            if value is None:
                assert isinstance(type_, (Void, Nothing)), node
            else:
                assert agree(type_, value.type), node
        case core.MapCall(map=map_, key=key):
            assert program.maps[map_.index] == map_, node
            assert key is None or (map_.key is not None and agree(key.type, map_.key)), node


def _conversion(source: Type, to: Type) -> None:
    """One of the conversions that `Convert` promises to be."""
    scalars = (Int, Bool, Enum, Pointer, Opaque, Aggregate)
    if isinstance(to, Pointer) or (isinstance(source, scalars) and isinstance(to, scalars)):
        return
    assert type(source) is type(to) or isinstance(to, Bool) or size_of(source) <= size_of(to), (source, to)


def _statement(node: core.Stmt, program: core.Program) -> None:
    match node:
        case core.SetVar(var=var, value=value):
            assert agree(value.type, var.type), (node.var, value.type)
        case core.SetMap(map=map_, key=key, value=value):
            _key(map_, key, program)
            assert agree(value.type, map_.value), (map_, value.type)
        case core.Update(map=map_, key=key, args=args):
            _key(map_, key, program)
            assert isinstance(map_.value, Aggregate), node
            assert all(isinstance(arg.type, Int) and arg.type.size == 8 for arg in args), node
        case core.Branch(cond=cond) | core.WhileLoop(cond=cond):
            assert cond.type == BOOL, node
        case core.RangeLoop(start=start, end=end):
            assert start.type == end.type and isinstance(start.type, Int) and start.type.size == 8, node
        case core.MapLoop(var=var, map=map_):
            assert isinstance(var.type, Tuple) and map_.key is not None, node
        case core.Return(value=core.Expr() as value):
            assert isinstance(value.type, Int) and value.type.size == 8, node
