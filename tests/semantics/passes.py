"""Running the passes before typing without a machine: probes keep their raw attach points, types are empty."""

from __future__ import annotations

from collections.abc import Sequence

from pytrace.diagnostics import CompileError, Diagnostics, Source, render
from pytrace.semantics import (
    c_macros,
    config,
    control_flow,
    definitions,
    fold,
    getopt,
    imports,
    macros,
    map_shapes,
    names,
    parameters,
    scope,
    unstable,
)
from pytrace.semantics.types import Enum, Struct, StructDef, Type
from pytrace.semantics.unit import Options, Unit, UnitProbe
from pytrace.syntax import tree
from pytrace.syntax.parser import parse


class NoTypes:
    """A type table of a machine without types, but for one enumerator, RED."""

    def struct(self, kind: str, name: str) -> Struct | None:
        return None

    def definition(self, struct: Struct) -> StructDef | None:
        return None

    def named(self, name: str) -> Type | None:
        return None

    def enum(self, name: str) -> Enum | None:
        return None

    def enumerator(self, name: str) -> tuple[Enum, int] | None:
        return (Enum("colour"), 3) if name == "RED" else None

    def variants(self, enum: Enum) -> dict[int, str]:
        return {}


def _probes(unit: Unit, diagnostics: Diagnostics) -> Unit:
    from dataclasses import replace

    probes = tuple(UnitProbe(item) for item in unit.script.items if isinstance(item, tree.Probe))
    return replace(unit, probes=probes)


PASSES = (
    config.read, imports.join, unstable.check, _probes, control_flow.check, macros.expand, definitions.read,
    parameters.substitute, fold.literals, c_macros.expand, map_shapes.check, getopt.substitute, scope.check,
    names.check,
)


class Outcome:
    """What the passes made of a script: the unit, and the messages as (kind, `line:column-end`, message)."""

    def __init__(self, text: str, positional: Sequence[str] = (), last: object = None, **options: object) -> None:
        self.diagnostics = Diagnostics()
        self.status = 0
        defines: dict[str, str] = options.pop("defines", {})  # type: ignore[assignment]
        self.unit = Unit(
            parse(Source("stdin", text)),
            Options(positional=tuple(positional), **options),  # type: ignore[arg-type]
            NoTypes(),
            defines=defines,
        )
        try:
            for run in PASSES:
                self.unit = run(self.unit, self.diagnostics)
                self.diagnostics.check()
                if run is last:
                    break
        except CompileError as error:
            self.status = error.status

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
    def body(self) -> tree.Block:
        """The body of the first probe."""
        return self.unit.probes[0].probe.body


def expression(text: str, *positional: str, **options: object) -> Outcome:
    """The outcome of a script whose only statement prints the expression."""
    return Outcome(f"begin {{ print({text}); }}", positional, **options)


def folded(text: str, *positional: str, **options: object) -> tree.Expr | list[str]:
    """What an expression folds to, or the errors."""
    outcome = expression(text, *positional, last=fold.literals, **options)
    if outcome.errors:
        return outcome.errors
    statement = outcome.body.statements[0]
    assert isinstance(statement, tree.ExprStmt) and isinstance(statement.expr, tree.Call)
    argument = statement.expr.args[0]
    assert not isinstance(argument, tree.Typeof)
    return argument
