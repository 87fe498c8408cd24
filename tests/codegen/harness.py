"""Checked programs written by hand, and what they do in the kernel.

A program is a list of statements of `begin`, which the kernel runs on demand. `run` gives the records it sent, what it
returned and what its maps hold.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import cache

import pytest

from pytrace.builtins.registry import REGISTRY, Builtin, Lower
from pytrace.codegen import Features, generate
from pytrace.codegen.image import Image
from pytrace.codegen.this_kernel import ThisKernel
from pytrace.diagnostics import Source, Span
from pytrace.kernel import bpf
from pytrace.kernel.ring import RingReader
from pytrace.output.values import decoder
from pytrace.probes.contexts import ProbeContext
from pytrace.probes.provider import Target
from pytrace.runtime.loading import Loaded, SessionValues, load
from pytrace.runtime.maps import MapStore
from pytrace.semantics import program as core
from pytrace.semantics.types import BOOL, I64, Int, Str, Tuple, Type

SOURCE = Source("test", "one two three\nfour five six\n")
SPAN = Span(SOURCE, 4, 7)
CONTEXT = ProbeContext("special", "raw_tracepoint")
BEGIN = Target("begin", "begin")


@cache
def kernel() -> Features:
    """What the running kernel offers."""
    offers = ThisKernel()
    return Features(**{each.name: getattr(offers, each.name) for each in fields(Features)})


def features(**changes: object) -> Features:
    """The same without some of it. A test that asks for what is not there is skipped."""
    missing = [name for name, value in changes.items() if value is True and not getattr(kernel(), name)]
    if missing:
        pytest.skip(f"this kernel does not offer {', '.join(missing)}")
    if changes.get("instruction_set") == "v4" != kernel().instruction_set:
        pytest.skip("this kernel has an older instruction set")
    return replace(kernel(), **changes)  # type: ignore[arg-type]  # fields of `Features`


def needs_long_keys() -> None:
    """Skips the test where keys of maps are limited to 512 bytes (before Linux 5.12, about)."""
    if not kernel().fetching:
        pytest.skip("this kernel has no keys of more than 512 bytes")


# --- nodes --------------------------------------------------------------------------------------------------------


def num(value: int, type_: Type = I64) -> core.Const:
    return core.Const(type_, SPAN, value)


def text(value: str | bytes, size: int = 0) -> core.Text:
    data = value.encode() if isinstance(value, str) else value
    return core.Text(Str(size or len(data) + 1), SPAN, data)


def read(what: core.Var | core.Map, key: core.Expr | None = None) -> core.Expr:
    if isinstance(what, core.Var):
        return core.ReadVar(what.type, SPAN, what)
    type_ = getattr(what.value, "as_int", what.value)
    return core.ReadMap(type_, SPAN, what, key)


def put(target: core.Var | core.Map, value: core.Expr, key: core.Expr | None = None) -> core.Stmt:
    if isinstance(target, core.Var):
        return core.SetVar(SPAN, target, value)
    return core.SetMap(SPAN, target, key, value)


def arith(op: str, left: core.Expr, right: core.Expr) -> core.Arith:
    return core.Arith(left.type, SPAN, op, left, right)


def compare(op: str, left: core.Expr, right: core.Expr) -> core.Compare:
    return core.Compare(BOOL, SPAN, op, left, right)


def equal(left: core.Expr, right: core.Expr, negate: bool = False) -> core.Equal:
    return core.Equal(BOOL, SPAN, left, right, negate)


def convert(value: core.Expr, to: Type) -> core.Convert:
    return core.Convert(to, SPAN, value)


def pair(*items: core.Expr) -> core.MakeTuple:
    return core.MakeTuple(Tuple(tuple(item.type for item in items)), SPAN, items)


def emit(*args: core.Expr, kind: str = "test", urgent: bool = False) -> core.Stmt:
    from pytrace.semantics.types import VOID

    return core.Evaluate(SPAN, core.Emit(VOID, SPAN, kind, (), args, urgent))


def do(expr: core.Expr) -> core.Stmt:
    return core.Evaluate(SPAN, expr)


@contextmanager
def builtin(name: str, lower: Lower) -> Iterator[None]:
    """A function of the language that exists for one test."""
    REGISTRY[name] = Builtin(name, lambda site, typer: typer.error(site.span, ""), lower, (), "", "test")
    try:
        yield
    finally:
        del REGISTRY[name]


class Names:
    """Variables and maps with numbers of their own."""

    def __init__(self) -> None:
        self.variables: list[core.Var] = []
        self.maps: list[core.Map] = []
        self.prelude: list[core.Stmt] = []
        self.unknown: core.Map | None = None

    def hidden(self, value: int, type_: Type = I64) -> core.Expr:
        """A scalar of which neither LLVM nor the verifier knows the value: it comes from a map."""
        if self.unknown is None:
            self.unknown = self.map(I64, I64, 4096)
        key = num(len(self.prelude))
        self.prelude.append(put(self.unknown, num(value - (value >> 63 << 64) if value > 0 else value), key))
        return convert(read(self.unknown, key), type_)

    def var(self, type_: Type = I64) -> core.Var:
        var = core.Var(len(self.variables), f"v{len(self.variables)}", type_)
        self.variables.append(var)
        return var

    def map(self, value: Type, key: Type | None = None, size: int = 64, kind: str = "") -> core.Map:
        map_ = core.Map(len(self.maps), f"@m{len(self.maps)}", key, value, kind, size if key else 1, SPAN)
        self.maps.append(map_)
        return map_


# --- running ------------------------------------------------------------------------------------------------------


@dataclass
class Done:
    retval: int
    records: list[tuple[object, ...]]
    kinds: list[str]
    maps: dict[str, dict[object, object]]
    image: Image
    errors: list[tuple[object, ...]] = field(default_factory=list)
    """Static parts of runtime errors, with their number."""


def program(
    body: Sequence[core.Stmt], names: Names, *, check_reads: bool = False, config: core.Config | None = None
) -> core.Program:
    probe = core.Probe(1, "begin_1", (BEGIN,), tuple(names.variables), tuple(body), SPAN, CONTEXT)
    return core.Program(
        (probe,), tuple(names.maps), config or core.Config(), check_reads=check_reads,
    )  # fmt: skip


@contextmanager
def loaded(checked: core.Program, offers: Features | None = None) -> Iterator[tuple[Image, Loaded]]:
    image = generate(checked, offers or features())
    held = load(image, SessionValues.now())
    try:
        yield image, held
    finally:
        held.close()


def contents(held: Loaded) -> dict[str, dict[object, object]]:
    found: dict[str, dict[object, object]] = {}
    for each in MapStore(held).all():
        key = decoder(each.key, {}) if each.key is not None else None
        found[each.name] = {
            None if key is None else key(data, 0): value for data, value in each.items
        }
    return found


def records(image: Image, held: Loaded) -> list[tuple[str, tuple[object, ...], tuple[object, ...]]]:
    """Kind, static part and arguments of each record in the ring."""
    found = []
    for symbol in ("ring", "control"):
        if symbol not in held.maps:
            continue
        size = next(each.max_entries for each in image.maps if each.symbol == symbol)
        with RingReader(held.maps[symbol], size) as ring:
            for data in ring.take():
                action = image.actions[int.from_bytes(data[:4], "little")]
                values = tuple(decoder(type_, {})(data, at) for at, type_ in action.layout.fields)
                found.append((action.kind, action.static, values))
    return found


def run(
    body: Sequence[core.Stmt],
    names: Names | None = None,
    *,
    offers: Features | None = None,
    check_reads: bool = False,
    config: core.Config | None = None,
    times: int = 1,
) -> Done:
    names = names or Names()
    checked = program([*names.prelude, *body], names, check_reads=check_reads, config=config)
    with loaded(checked, offers) as (image, held):
        retval = 0
        for _ in range(times):
            retval = bpf.prog_test_run(held.programs[0]).retval
        found = records(image, held)
        return Done(
            retval,
            [values for kind, _, values in found if kind != "runtime_error"],
            [kind for kind, _, _ in found],
            contents(held),
            image,
            [(*static, *values) for kind, static, values in found if kind == "runtime_error"],
        )


def value_of(expr: core.Expr, names: Names | None = None, *before: core.Stmt, **how: object) -> object:
    """What an expression gives, as it arrives in user space."""
    done = run([*before, emit(expr)], names, **how)  # type: ignore[arg-type]
    return done.records[0][0]


def narrow(bits: int, signed: bool = True) -> Int:
    return Int(bits // 8, signed)


def pid() -> int:
    return os.getpid()
