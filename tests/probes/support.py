"""Attach points without a parser: what the tests of this folder share."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Callable, Sequence

from pytrace.diagnostics import CompileError, Diagnostics, Source, Span
from pytrace.frozen import replace
from pytrace.kernel import bpf
from pytrace.kernel.assemble import exit_, insn, mov
from pytrace.kernel.closing import close_all
from pytrace.probes import PROVIDERS
from pytrace.probes.attach_btf import resolve
from pytrace.probes.contexts import ContextField, ProbeContext
from pytrace.probes.host import MachineHost
from pytrace.probes.provider import Attachment, Host, Target
from pytrace.semantics import attach_points, matching
from pytrace.semantics.configuration import Config
from pytrace.semantics.unit import Options, Unit, UnitProbe
from pytrace.syntax import tree

_WORD = re.compile(r"""(?:"(?:\\.|[^"])*"|[^\s,"])+""")


def probe_of(header: str, body: tuple[tree.Statement, ...] = ()) -> tree.Probe:
    """A probe with that header, as the parser would make it."""
    source = Source("stdin", header)
    whole = Span(source, 0, len(header))
    words = tuple(tree.AttachPoint(Span(source, m.start(), m.end()), m[0]) for m in _WORD.finditer(header))
    return tree.Probe(whole, words, None, tree.Block(whole, body))


def compile_headers(
    *headers: str | tree.Probe, config: Config | None = None, stop: str = "match", **options: object
) -> tuple[Unit, Diagnostics]:
    """Run the two passes over probes; the unit is as far as they came."""
    probes = tuple(probe_of(each) if isinstance(each, str) else each for each in headers)
    given = Options(**options)  # type: ignore[arg-type]  # as the tests name them
    host = MachineHost(given)
    script = tree.Script(probes[0].span, "", (), None, (), probes)
    unit = Unit(script, given, host.types, config or Config(), host=host)
    diagnostics = Diagnostics()
    try:
        unit = attach_points.parse(unit, diagnostics)
        diagnostics.check()
        if stop == "match":
            unit = matching.match(unit, diagnostics)
            diagnostics.check()
    except CompileError:
        pass
    return unit, diagnostics


def errors_of(*headers: str, **options: object) -> list[str]:
    _, diagnostics = compile_headers(*headers, **options)  # type: ignore[arg-type]  # as above
    return [each.message for each in diagnostics.errors]


def targets_of(*headers: str, **options: object) -> list[Target]:
    unit, diagnostics = compile_headers(*headers, **options)  # type: ignore[arg-type]  # as above
    assert not diagnostics.errors, diagnostics.errors
    return [target for each in unit.probes for target in each.targets]


def names_of(*headers: str, **options: object) -> list[str]:
    return [target.name for target in targets_of(*headers, **options)]


def body_with(node: tree.Expr) -> tuple[tree.Statement, ...]:
    return (tree.ExprStmt(node.span, node),)


def identifier(name: str) -> tree.Ident:
    return tree.Ident(Span(Source("stdin", name), 0, len(name)), name)


def member(name: str) -> tree.Member:
    obj = identifier("args")
    return tree.Member(obj.span, obj, name)


# --- contexts -----------------------------------------------------------------------------------------------------


def context_of(header: str, **options: object) -> ProbeContext:
    return context_and_host(header, **options)[0]


def context_and_host(header: str, **options: object) -> tuple[ProbeContext, Host]:
    unit, diagnostics = compile_headers(header, **options)  # type: ignore[arg-type]  # as the tests name them
    assert not diagnostics.errors, diagnostics.errors
    (target,) = unit.probes[0].targets
    assert unit.host is not None
    return PROVIDERS[target.provider].context(target, unit.host), unit.host


def args_of(context: ProbeContext) -> dict[str, ContextField]:
    assert context.args is not None
    return {field.name: field for field in context.args}


# --- live ---------------------------------------------------------------------------------------------------------


def counting_program(targets: Sequence[Target]) -> tuple[int, int]:
    """A loaded program for the targets which counts its runs: descriptors of the map and of the program."""
    loading = PROVIDERS[targets[0].provider].loading(targets[0])
    counter = bpf.map_create("array", 4, 8, 1)
    value = insn(0x18, 1, 2, imm=counter) + insn(0)
    code = value + mov(2, 1) + insn(0xDB, 1, 2) + exit_(0)
    number, fd = resolve(loading.attach_btf)
    program = bpf.prog_load(
        loading.prog_type, code, expected_attach_type=loading.expected_attach_type or "none", attach_btf_id=number,
        attach_btf_obj_fd=fd,
    )
    return counter, program


def count_of(counter: int) -> int:
    found = bpf.map_lookup(counter, bytes(4), 8)
    assert found is not None
    return int.from_bytes(found, "little")


def attach(program: int, targets: Sequence[Target], pid: int | None = None) -> list[Attachment]:
    provider = PROVIDERS[targets[0].provider]
    return provider.attach(program, [(target, n) for n, target in enumerate(targets, 1)], pid=pid)


def hits(header: str, work: Callable[[], object], *, pid: int | None = None, **options: object) -> tuple[int, int]:
    """(how many places were attached, how often their programs ran during `work`)."""
    unit, diagnostics = compile_headers(header, pid=pid, **options)  # type: ignore[arg-type]  # as above
    assert not diagnostics.errors, diagnostics.errors
    places, counters, fds = 0, [], []
    try:
        for each in unit.probes:
            counter, program = counting_program(each.targets)
            counters.append(counter)
            fds += [counter, program]
            attachments = attach(program, each.targets, pid)
            fds += [fd for attachment in attachments for fd in attachment.fds]
            places += sum(attachment.count for attachment in attachments)
        work()
        return places, sum(map(count_of, counters))
    finally:
        close_all(reversed(fds))


CALLS = 1000
libc = ctypes.CDLL(None)


def getppid() -> None:
    """`CALLS` system calls."""
    for _ in range(CALLS):
        libc.getppid()


def run(path: str, times: int) -> Callable[[], int]:
    """Runs `probed`; gives how often its guard was open."""
    return lambda: int(subprocess.run([path, str(times)], capture_output=True, check=True).stdout)


def with_targets(probe: tree.Probe, targets: Sequence[Target]) -> UnitProbe:
    return replace(UnitProbe(probe), targets=tuple(targets))
