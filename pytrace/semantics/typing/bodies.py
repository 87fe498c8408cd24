"""The body of a probe as a program: its predicate, its statements, and the filter of -p."""

from __future__ import annotations

from pytrace.builtins.registry import REGISTRY, CallSite
from pytrace.hints import TYPE_CHECKING, Callable
from pytrace.lazy import pattern
from pytrace.probes.contexts import ProbeContext
from pytrace.semantics import program as core
from pytrace.semantics.types import BOOL, Int, Nothing, Unknown, Void
from pytrace.semantics.typing import statements, type_names, values
from pytrace.semantics.typing.convert import as_number
from pytrace.semantics.unit import UnitProbe
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.semantics.typing.probe import ProbeTyper

__all__ = ["OUTSIDE", "Contexts", "function", "probe", "program_name"]

Contexts = Callable[[UnitProbe], ProbeContext]

OUTSIDE = ProbeContext(probetype="", prog_type="")
"""What the body of a function sees."""

FILTERED = frozenset({"kprobe", "kretprobe", "fentry", "fexit", "tracepoint", "rawtracepoint"})
"""The providers whose programs see the events of every process (PROBES 5)."""

NAME_LENGTH = 127
_SPECIAL = pattern("[^A-Za-z0-9_]")


def probe(t: ProbeTyper, each: UnitProbe) -> tuple[core.Stmt, ...]:
    """The body of a probe, with its predicate and filter around it."""
    node = each.probe
    predicate = None if node.predicate is None else values.condition(t, node.predicate, node.predicate.span)
    body = statements.body(t, node.body)
    if predicate is not None:
        body = statements.branch(predicate, body, (), predicate.span)
    if t.options.pid is not None and any(target.provider in FILTERED for target in each.targets):
        body = (_other_process(t, node), *body)
    return body


def _other_process(t: ProbeTyper, node: tree.Probe) -> core.Stmt:
    """Leaves the program unless the process is that of -p."""
    span = node.span
    pid = t.apply(REGISTRY["pid"], CallSite("pid", None, span, tree.Ident(span, "pid")))
    assert isinstance(pid.type, Int) and t.options.pid is not None
    wanted = as_number(core.Const(pid.type, span, t.options.pid), pid.type)
    return core.Branch(span, core.Compare(BOOL, span, "ne", pid, wanted), (core.Return(span),))


def function(t: ProbeTyper, node: tree.Function) -> tuple[core.Stmt, ...]:
    """The body of a function, which is checked though nothing can call it."""
    for var, _ in node.params:
        t.declare(var)
    for var, type_ in node.params:
        variable = t.declare(var)
        found = type_names.written(t, type_)
        variable.cell.fixed = None if isinstance(found, Unknown) else found
        variable.excused = found is None
    declared = type_names.written(t, node.returns)
    t.returns = (node.name, declared) if declared is not None else None
    body = statements.body(t, node.body)
    if declared is not None and not isinstance(declared, (Void, Nothing)) and not _always_returns(node.body):
        t.error(node.body.span, f"Function {node.name} is of type {declared}, cannot return void")
    t.returns = None
    return body


def _always_returns(block: tree.Block) -> bool:
    """Whether every way through a block ends in `return`."""
    parts: list[tree.Node] = [s.expr if isinstance(s, tree.ExprStmt) else s for s in block.statements]
    if block.value is not None:
        parts.append(block.value)
    return any(map(_returns, parts))


def _returns(node: tree.Node) -> bool:
    match node:
        case tree.Return():
            return True
        case tree.Block():
            return _always_returns(node)
        case tree.If(then=then, orelse=tree.Node() as orelse):
            return _always_returns(then) and _returns(orelse)
    return False


def program_name(each: UnitProbe, order: int) -> str:
    """The name of the BPF program of a probe (PROBES 1.7)."""
    text = each.targets[0].name if each.targets else each.probe.span.text
    name = f"{_SPECIAL.sub('_', text)}_{order}"
    if len(name) <= NAME_LENGTH:
        return name
    from hashlib import sha256

    digest = sha256(name.encode()).hexdigest()[:16]
    return f"{name[: NAME_LENGTH - 17]}_{digest}"
