"""Macro calls become the bodies they call (LANGUAGE 7).

A call is replaced by a copy of the body, as a block, whose places point back at the call. The body's own variables are
renamed; its parameters are replaced by the arguments, which were expanded where they stand.
"""

from __future__ import annotations

from pytrace.builtins.registry import REGISTRY
from pytrace.diagnostics import Diagnostics, Span
from pytrace.frozen import replace
from pytrace.hints import Mapping
from pytrace.semantics import library, overloads, substitution
from pytrace.semantics.forecast import Forecast
from pytrace.semantics.overloads import Argument
from pytrace.semantics.unit import Unit
from pytrace.semantics.walk import Relocation, Rewriter, depth, rewrite_code
from pytrace.syntax import tree

MAX_NODES = 100_000
"""How much all expansions of a script may add, so that macros that double their argument end with an error."""

MAX_DEPTH = 500
"""How deep expanded code may nest; the passes that follow spend stack on it."""

_TYPE_ARGUMENT = (
    "When used as a call argument, `typeof` builtin only valid for macro calls that are expecting a type parameter"
)


def expand(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """The unit without macro calls."""
    for definitions in unit.macros.values():
        overloads.check_definitions([m for m in definitions if not library.is_library(m)], diagnostics)
    if diagnostics.errors:
        return unit
    return rewrite_code(unit, Expander(unit.macros, diagnostics).code)


class _Frame:
    """An expansion under way: `args` are the expanded arguments by sigil and name of their parameter, `written` the
    arguments of plain parameters as they stand in the text. `assigned` are the macro's own variables so far."""

    def __init__(
        self,
        macro: tree.Macro,
        call: tree.Call | tree.Ident,
        number: int,
        args: dict[tuple[str, str], Argument],
        written: dict[str, Argument],
    ) -> None:
        self.macro = macro
        self.call = call
        self.number = number
        self.args = args
        self.written = written
        self.assigned: set[str] = set()


class Expander(Rewriter):
    """Expands the code of probes and functions."""

    def __init__(self, macros: Mapping[str, tuple[tree.Macro, ...]], diagnostics: Diagnostics) -> None:
        super().__init__()
        self.macros = macros
        self.diagnostics = diagnostics
        self.forecast = Forecast(macros)
        self.frames: list[_Frame] = []
        self.expansions = 0
        self.nodes = 0

    def code(self, node: tree.Expr) -> tree.Expr:
        """A predicate or a body, expanded."""
        expansions = self.expansions
        expanded: tree.Expr = self.visit(node)
        if self.expansions > expansions and depth(expanded) > MAX_DEPTH:
            self._refuse_depth(node.span)
        return expanded

    def _refuse_depth(self, span: Span) -> None:
        self.diagnostics.fail(span, f"Macros expand to code that nests deeper than {MAX_DEPTH} levels")

    @property
    def frame(self) -> _Frame | None:
        return self.frames[-1] if self.frames else None

    # calls

    def visit_Call(self, node: tree.Call) -> tree.Expr:
        args = tuple(self._argument_of_call(arg) for arg in node.args)
        definitions = self._definitions(node.name)
        if definitions and (chosen := overloads.choose(definitions, args)) is not None:
            return self._expand(chosen, node, args)
        if definitions and not self._falls_back(node.name, len(args)):
            overloads.report_mismatch(node.name, node.span, definitions, args, self.diagnostics)
            return node
        if node.name not in library.REPLACEABLE:
            for arg in args:
                if isinstance(arg, tree.Typeof):
                    self.diagnostics.error(arg.span, _TYPE_ARGUMENT)
        return replace(node, args=args)

    def visit_Ident(self, node: tree.Ident) -> tree.Expr:
        if self.frame is not None and ("", node.name) in self.frame.args:
            arg = self._argument(self.frame, node)
            if isinstance(arg, tree.Typeof):
                self.diagnostics.error(arg.span, _TYPE_ARGUMENT)
                return node
            return arg
        builtin = REGISTRY.get(node.name)
        definitions = self._definitions(node.name)
        if not definitions or (builtin is not None and builtin.core):
            return node
        if (chosen := overloads.choose(definitions, ())) is not None:
            return self._expand(chosen, node, ())
        if builtin is None or not builtin.bare:
            overloads.report_mismatch(node.name, node.span, definitions, (), self.diagnostics)
        return node

    def _definitions(self, name: str) -> list[tree.Macro]:
        """What a call written here may mean; the library does not see the script's macros."""
        definitions = self.macros.get(name, ())
        if self.frame is not None and library.is_library(self.frame.macro):
            return [macro for macro in definitions if library.is_library(macro)]
        return list(definitions)

    @staticmethod
    def _falls_back(name: str, count: int) -> bool:
        """Whether a call that fits no macro means the builtin that those macros overload."""
        builtin = REGISTRY.get(name)
        return builtin is not None and name in library.REPLACEABLE and builtin.arity[0] <= count <= builtin.arity[1]

    def _argument_of_call(self, node: Argument) -> Argument:
        """An argument, expanded; a type parameter of the macro this stands in passes on its type."""
        if isinstance(node, tree.Ident) and self.frame is not None and ("", node.name) in self.frame.args:
            return self._argument(self.frame, node)
        return self.visit(node)

    def _expand(self, macro: tree.Macro, node: tree.Call | tree.Ident, args: tuple[Argument, ...]) -> tree.Expr:
        first = next((n for n, frame in enumerate(self.frames) if frame.macro is macro), None)
        if first is not None:
            chain = " > ".join([*(frame.macro.name for frame in self.frames[first:]), macro.name])
            self.diagnostics.error(node.span, f"Recursive macro call detected. Call chain: {chain}")
            return node
        if len(self.frames) >= MAX_DEPTH:
            self._refuse_depth(node.span.root)
        if not self.frames and self.nodes + self.forecast.size(node) > MAX_NODES:
            self._refuse_size(node)
        self.expansions += 1
        relocation = Relocation(node.span)
        body = relocation.visit(macro.body)
        self._spend(relocation.count, node)
        written = node.args if isinstance(node, tree.Call) else ()
        frame = _Frame(
            macro,
            node,
            self.expansions,
            {(param.sigil, param.name): arg for param, arg in zip(macro.params, args, strict=True)},
            {
                param.name: self._written(arg)
                for param, arg in zip(macro.params, written, strict=True) if not param.sigil
            },
        )
        self.frames.append(frame)
        expanded: tree.Block = self.visit(body)
        self.frames.pop()
        return replace(expanded, span=node.span)

    def _spend(self, count: int, node: tree.Node) -> None:
        self.nodes += count
        if self.nodes > MAX_NODES:
            self._refuse_size(node)

    def _refuse_size(self, node: tree.Node) -> None:
        self.diagnostics.fail(node.span.root, "Macros expand to more code than can be compiled")

    def _written(self, node: Argument) -> Argument:
        if self.frame is not None and isinstance(node, tree.Ident):
            return self.frame.written.get(node.name, node)
        return node

    # parameters and the macro's own names

    def _argument(self, frame: _Frame, use: tree.Ident) -> Argument:
        """A copy of an argument for a use of its parameter. A variable or map becomes a block, to be read only."""
        arg = frame.args["", use.name]
        relocation = Relocation(use.span, within=frame.call.span.via)
        copy = relocation.visit(arg)
        self._spend(relocation.count, use)
        return tree.Block(copy.span, (), copy) if isinstance(copy, (tree.Var, tree.MapRef)) else copy

    def visit_Var(self, node: tree.Var) -> tree.Var:
        frame = self.frame
        if frame is None:
            return node
        arg = frame.args.get(("$", node.name))
        if isinstance(arg, tree.Var):
            return replace(node, name=arg.name)
        if node.name in frame.assigned:
            return replace(node, name=f"{node.name}'{frame.number}")
        return node

    def visit_MapRef(self, node: tree.MapRef) -> tree.MapRef:
        frame = self.frame
        if frame is None:
            return node
        arg = frame.args.get(("@", node.name))
        if isinstance(arg, tree.MapRef):
            return replace(node, name=arg.name)
        self.diagnostics.error(
            node.span,
            f"Unhygienic access to map: @{node.name}. Maps must be passed into the macro as arguments.",
        )
        return node

    def _own(self, var: tree.Var) -> None:
        """The macro gives a value to a variable, which makes it the macro's own from here on."""
        if self.frame is not None and ("$", var.name) not in self.frame.args:
            self.frame.assigned.add(var.name)

    def visit_Assign(self, node: tree.Assign) -> tree.Assign:
        if isinstance(node.target, tree.Var):
            self._own(node.target)
        return self.parts(node)

    def visit_Let(self, node: tree.Let) -> tree.Let:
        if self.frame is not None and ("$", node.var.name) in self.frame.args:
            self.diagnostics.error(
                node.span.to(node.var.span), f"Variable declaration shadows macro arg ${node.var.name}"
            )
        self._own(node.var)
        declared = None if node.type is None else self._declared(node.type)
        value = None if node.value is None else self.visit(node.value)
        return replace(node, var=self.visit(node.var), type=declared, value=value)

    def visit_For(self, node: tree.For) -> tree.For:
        iterable = self.visit(node.iterable)
        self._own(node.var)
        return replace(node, iterable=iterable, var=self.visit(node.var), body=self.visit(node.body))

    # types

    def visit_TypeName(self, node: tree.TypeName) -> tree.TypeOrExpr:
        return self._type(node, declares=False)

    def visit_Cast(self, node: tree.Cast) -> tree.Cast:
        return replace(node, type=self._declared(node.type), operand=self.visit(node.operand))

    def _declared(self, node: tree.TypeName | tree.Typeof) -> tree.TypeName | tree.Typeof:
        if isinstance(node, tree.Typeof):
            return self.visit(node)
        found = self._type(node, declares=True)
        return found if isinstance(found, (tree.TypeName, tree.Typeof)) else node

    def _type(self, node: tree.TypeName, *, declares: bool) -> tree.TypeOrExpr:
        """A type that a type parameter may make up: `p`, `p*`, `struct p`."""
        frame = self.frame
        if frame is None or ("", node.name) not in frame.args:
            return node
        arg = self._argument(frame, tree.Ident(node.span, node.name))
        found = substitution.in_type(node, arg, frame.written.get(node.name), declares=declares)
        if found is None:
            self.diagnostics.error(
                frame.args["", node.name].span,
                f"Invalid replacement for macro '{frame.macro.name}' type parameter '{node.name}' which makes up the "
                f"type '{substitution.spelling(node)}'",
            )
            return node
        return found

    def visit_Offsetof(self, node: tree.Offsetof) -> tree.Offsetof:
        path = node.path
        if self.frame is not None:
            path = substitution.in_path(path, self.frame.written)
        return replace(node, arg=self.visit(node.arg), path=path)
