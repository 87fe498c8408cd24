"""Words and calls mean something: builtins, functions, enumerators (LANGUAGE 20.5).

What stands in a branch of an `if comptime` that waits for types may never be compiled, and is left to the typing pass.
"""

from __future__ import annotations

import pytrace.builtins  # noqa: F401  # declares all families
from pytrace.builtins.registry import REGISTRY, Builtin
from pytrace.diagnostics import Diagnostics
from pytrace.frozen import replace
from pytrace.lazy import pattern
from pytrace.semantics import library
from pytrace.semantics.similar import suggestion
from pytrace.semantics.types import TypeTable
from pytrace.semantics.unit import Unit
from pytrace.semantics.walk import Rewriter, rewrite_code
from pytrace.syntax import tree

WORD_ARGUMENTS = frozenset({"dw_ustack", "kstack", "nsecs", "pid", "tid", "ustack"})
"""Builtins that read a bare word as a mode (`kstack(perf)`); their own checks know which words they take."""

NOT_CALLABLE = pattern(r"args|ctx|arg[0-9]+")
"""Values of the probe's context that are never written with parentheses."""

_PREFIX = "__builtin_"


def check(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """Report what is unknown. The older spelling `__builtin_cpu` becomes `cpu`."""
    functions = frozenset(item.name for item in unit.script.items if isinstance(item, tree.Function))
    names = _Names(unit.types, frozenset(unit.macros), functions, frozenset(unit.externs), diagnostics)
    return rewrite_code(unit, names.visit)


class _Names(Rewriter):
    def __init__(
        self,
        types: TypeTable,
        macros: frozenset[str],
        functions: frozenset[str],
        externs: frozenset[str],
        diagnostics: Diagnostics,
    ) -> None:
        super().__init__()
        self.types = types
        self.macros = macros
        self.functions = functions
        self.externs = externs
        self.diagnostics = diagnostics
        self._undecided = 0
        self._enumerators: dict[str, bool] = {}

    def visit_If(self, node: tree.If) -> tree.If:
        cond = self.visit(node.cond)
        self._undecided += isinstance(cond, tree.Comptime)
        then = self.visit(node.then)
        orelse = None if node.orelse is None else self.visit(node.orelse)
        self._undecided -= isinstance(cond, tree.Comptime)
        return replace(node, cond=cond, then=then, orelse=orelse)

    def visit_Call(self, node: tree.Call) -> tree.Call:
        builtin = find(node.name)
        if builtin is None and node.name in self.externs:
            return self.parts(node)
        if builtin is None or NOT_CALLABLE.fullmatch(node.name):
            self._unknown_function(node)
            return self.parts(node)
        args = tuple(
            arg if builtin.name in WORD_ARGUMENTS and isinstance(arg, tree.Ident) else self.visit(arg)
            for arg in node.args
        )
        return replace(node, name=builtin.name, args=args)

    def visit_Ident(self, node: tree.Ident) -> tree.Ident:
        builtin = find(node.name)
        if builtin is not None and builtin.bare:
            return node if builtin.name == node.name else replace(node, name=builtin.name)
        if not self._undecided and not self._is_enumerator(node.name):
            hints = ["functions are called with parentheses"] if builtin is not None else self._similar(node.name, True)
            self.diagnostics.error(node.span, f"Unknown identifier: '{node.name}'", hints=hints)
        return node

    def _is_enumerator(self, name: str) -> bool:
        if name not in self._enumerators:
            self._enumerators[name] = self.types.enumerator(name) is not None
        return self._enumerators[name]

    def _unknown_function(self, node: tree.Call) -> None:
        if self._undecided:
            return
        if node.name in self.functions:
            hints = ["functions can be defined but not called: use a macro"]
        elif node.name in REGISTRY:
            hints = ["it is written without parentheses"]
        elif node.name in self.macros:
            hints = ["the body of a #define cannot call macros of the script"]
        else:
            hints = self._similar(node.name, False)
        self.diagnostics.error(node.span, f"Unknown function: '{node.name}'", hints=hints)

    def _similar(self, name: str, bare: bool) -> list[str]:
        known = {n for n, builtin in REGISTRY.items() if builtin.bare or not bare} | self.macros | library.MACROS
        return suggestion(name, known | self.externs)


def find(name: str) -> Builtin | None:
    """The builtin of that name, which may have its older prefix, unless it is one that never had it."""
    if not name.startswith(_PREFIX):
        return REGISTRY.get(name)
    builtin = REGISTRY.get(name.removeprefix(_PREFIX))
    return None if builtin is None or builtin.core else builtin


def check_count(builtin: Builtin, node: tree.Call, diagnostics: Diagnostics) -> None:
    """Report a call with too few or too many arguments."""
    least, most = builtin.arity
    given = len(node.args)
    if least <= given <= most:
        return
    if least == most:
        needs = f"requires {_arguments(least)}"
    elif given < least:
        needs = f"requires at least {_arguments(least)}"
    else:
        needs = f"takes up to {_arguments(most)}"
    diagnostics.error(node.span, f"{builtin.name}() {needs} ({given} provided)")


def _arguments(count: int) -> str:
    return {0: "no arguments", 1: "one argument"}.get(count, f"{count} arguments")
