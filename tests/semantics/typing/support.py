"""Typing a script without a machine: a few structs of its own, and probes whose context the test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytrace.diagnostics import CompileError, Diagnostics, Source, render
from pytrace.probes.contexts import ContextField, ProbeContext
from pytrace.probes.provider import Target
from pytrace.semantics import (
    c_macros,
    config,
    control_flow,
    fold,
    getopt,
    imports,
    macros,
    map_shapes,
    names,
    parameters,
    scope,
    typing,
    unstable,
)
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    I8,
    I16,
    I32,
    I64,
    U8,
    U32,
    U64,
    Array,
    Enum,
    Field,
    Pointer,
    Space,
    Str,
    Struct,
    StructDef,
    Type,
)
from pytrace.semantics.unit import Options, Unit, UnitProbe
from pytrace.syntax import tree
from pytrace.syntax.parser import parse
from tests.semantics.typing.validate import validate

POINT = Struct("point", 8, 4)
NODE = Struct("node", 64, 8, source="vmlinux")
FLAGS = Struct("flags", 8, 4)
OPAQUE = Struct("opaque", 0, 1)
LAMP = Enum("lamp")

STRUCTS = {
    POINT: StructDef(POINT, (Field("x", I32, 0), Field("tag", Array(I16, 2), 4))),
    NODE: StructDef(
        NODE,
        (
            Field("next", Pointer(NODE), 0),
            Field("at", POINT, 8),
            Field("name", Str(16), 16),
            Field("user", Pointer(I8), 32, tags=("user",)),
            Field("cpu", Pointer(I32), 40, tags=("percpu",)),
            Field("pid", I32, 48),
            Field("rest", Array(U64, 0), 56),
        ),
    ),
    FLAGS: StructDef(
        FLAGS,
        (Field("lo", U32, 0, 0, 3), Field("hi", U32, 0, 3, 5), Field("text", Str(5), 4, stored=4)),
    ),
}


class FewTypes:
    """The type table of these tests."""

    def struct(self, kind: str, name: str) -> Struct | None:
        return next((s for s in (*STRUCTS, OPAQUE) if (s.kind, s.name) == (kind, name)), None)

    def definition(self, struct: Struct) -> StructDef | None:
        return STRUCTS.get(struct)

    def named(self, name: str) -> Type | None:
        return {"int": I32, "long": I64, "u8": U8, "node": NODE}.get(name)

    def enum(self, name: str) -> Enum | None:
        return LAMP if name == "lamp" else None

    def enumerator(self, name: str) -> tuple[Enum, int] | None:
        return {"RED": (LAMP, 0), "AMBER": (LAMP, 4)}.get(name)

    def variants(self, enum: Enum) -> dict[int, str]:
        return {0: "RED", 4: "AMBER"}


BEGIN = ProbeContext("special", "raw_tracepoint")

EVENT = ProbeContext(
    "tracepoint", "tracepoint", Space.KERNEL,
    args=(
        ContextField("common_pid", I32, 0, 4),
        ContextField("id", U32, 8, 4),
        ContextField("path", Pointer(I8), 16, 8, Space.USER),
        ContextField("comm", Str(16), 24, 16),
        ContextField("data", I64, 40, 4, data_loc=True),
        ContextField("node", Pointer(NODE), 48, 8, Space.KERNEL, trusted=True),
    ),
    args_name="event_args",
    refused=frozenset({"common_pid"}),
    ctx=Pointer(NODE),
)  # fmt: skip


def _probes(unit: Unit, diagnostics: Diagnostics) -> Unit:
    found = (item for item in unit.script.items if isinstance(item, tree.Probe))
    probes = []
    for item in found:
        text = item.attach_points[0].text
        probes.append(UnitProbe(item, targets=(Target(text.split(":")[0], text),)))
    return replace(unit, probes=tuple(probes))


PASSES = (
    config.read, imports.join, unstable.check, _probes, control_flow.check, macros.expand, parameters.substitute,
    fold.literals, names.check, c_macros.expand, map_shapes.check, getopt.substitute, scope.check,
)  # fmt: skip


class Typed:
    """A script after typing. A program without errors has been validated."""

    def __init__(
        self,
        text: str,
        *,
        context: ProbeContext = BEGIN,
        defines: dict[str, str] | None = None,
        positional: Sequence[str] = (),
        pid: int | None = None,
        unsafe: bool = False,
    ) -> None:
        self.diagnostics = Diagnostics()
        self.program: core.Program | None = None
        options = Options(positional=tuple(positional), pid=pid, unsafe=unsafe)
        try:
            unit = Unit(parse(Source("stdin", text)), options, FewTypes(), defines=defines or {})
            for run in PASSES:
                unit = run(unit, self.diagnostics)
                self.diagnostics.check()
            program = typing.check(unit, self.diagnostics, lambda each: context)
            self.diagnostics.check()
        except CompileError as error:
            self.diagnostics = error.diagnostics
            return
        self.program = program
        validate(program)

    @property
    def errors(self) -> list[str]:
        return [d.message for d in self.diagnostics.errors]

    @property
    def warnings(self) -> list[str]:
        return [d.message for d in self.diagnostics.warnings]

    @property
    def text(self) -> str:
        """All messages as they are shown."""
        return "".join(map(render, self.diagnostics.items))

    @property
    def places(self) -> list[str]:
        """Each error as `column-end message`."""
        shown = []
        for item in self.diagnostics.errors:
            assert item.span is not None
            shown.append(f"{item.span.location().rsplit(':', 1)[1]} {item.message}")
        return shown

    @property
    def types(self) -> dict[str, str]:
        """The types of variables, of map values, and (as `@m[]`) of map keys."""
        assert self.program is not None, self.text
        found = {var.name: str(var.type) for probe in self.program.probes for var in probe.variables}
        for map_ in self.program.maps:
            found[map_.name] = str(map_.value)
            if map_.key is not None:
                found[f"{map_.name}[]"] = str(map_.key)
        return found

    @property
    def body(self) -> tuple[core.Stmt, ...]:
        """The body of the first probe."""
        assert self.program is not None, self.text
        return self.program.probes[0].body


def type_of(expression: str, before: str = "", context: ProbeContext = BEGIN) -> str:
    """The type of an expression, by what a variable becomes that is assigned nothing else."""
    typed = Typed(f"begin {{ {before} $it = {expression}; }}", context=context)
    return typed.types["$it"]


def value_of(expression: str, before: str = "", context: ProbeContext = BEGIN) -> core.Expr:
    """The typed form of an expression that is assigned to a variable."""
    last = Typed(f"begin {{ {before} $it = {expression}; }}", context=context).body[-1]
    assert isinstance(last, core.SetVar)
    return last.value


def errors_of(expression: str, before: str = "", context: ProbeContext = BEGIN) -> list[str]:
    """What is wrong with an expression."""
    return Typed(f"begin {{ {before} $it = {expression}; }}", context=context).errors
