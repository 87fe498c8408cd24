"""Named parameters: `getopt("name", default)` becomes what `--name=…` gave (LANGUAGE 12.2)."""

from __future__ import annotations

import os

from pytrace.diagnostics import CompileError, Diagnostic, Diagnostics, Severity, Span
from pytrace.hints import Mapping
from pytrace.semantics import literals
from pytrace.semantics.numbers import U64_MAX, parse_integer
from pytrace.semantics.unit import Unit
from pytrace.semantics.walk import Rewriter, rewrite_code
from pytrace.syntax import tree

Default = int | bool | bytes


def substitute(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """The unit without `getopt`. Reports options that the script does not know; `--help` lists the ones it does."""
    given = {_bytewise(name): None if text is None else _bytewise(text) for name, text in unit.options.named}
    substitution = _Substitution(given, unit.config.max_strlen, diagnostics)
    unit = rewrite_code(unit, substitution.visit)
    if diagnostics.errors:
        return unit
    known = substitution.known
    if "help" in substitution.given and "help" not in known:
        _help(known, diagnostics)
    unexpected = [f"--{name}" for name in substitution.given if name not in known]
    if unexpected:
        expected = ", ".join(f"--{name}" for name in known)
        hint = f"expected program options: {expected}" if known else "no custom program options defined."
        diagnostics.error(
            None, f"unexpected program command line options: {', '.join(unexpected)}", hints=[hint]
        )
    return unit


def _bytewise(word: str) -> str:
    """An argument of the command line with one character per byte, as scripts hold text."""
    return os.fsencode(word).decode("latin-1")


def _help(known: Mapping[str, _Parameter], diagnostics: Diagnostics) -> None:
    lines = [f"--{name}: {p.description}" if p.description else f"--{name}" for name, p in known.items()]
    hint = "\n".join(["expected program options:", *lines]) if known else "no custom program options defined."
    diagnostics.add(Diagnostic(Severity.ERROR, "", None, hints=(hint,)))
    raise CompileError(diagnostics)


class _Parameter:
    def __init__(self, default: Default, description: str) -> None:
        self.default = default
        self.description = description


class _Bad(Exception):
    """An argument of the command line that its parameter does not take."""


class _Substitution(Rewriter):
    def __init__(self, given: Mapping[str, str | None], max_strlen: int, diagnostics: Diagnostics) -> None:
        super().__init__()
        self.given = given
        self.max_strlen = max_strlen
        self.diagnostics = diagnostics
        self.known: dict[str, _Parameter] = {}

    def visit_Call(self, node: tree.Call) -> tree.Expr:
        node = self.parts(node)
        if node.name != "getopt":
            return node
        parameter = self._declaration(node)
        if parameter is None:
            return node
        name, default = parameter
        try:
            return self._value(name, default, node.span)
        except _Bad as bad:
            self.diagnostics.error(None, f"program command line option --{name} {bad}")
            return node

    def _declaration(self, node: tree.Call) -> tuple[str, Default] | None:
        """Name and default of the parameter, checked against its other uses."""
        if not 1 <= len(node.args) <= 3:
            self.diagnostics.error(
                node.span,
                "The 'getopt' function can take a maximum of three arguments and a minimum of one argument.",
            )
            return None
        given = [literals.value_of(arg) for arg in node.args]
        name, default, description = given + [False, b""][len(given) - 1 :]
        if not isinstance(name, bytes):
            self.diagnostics.error(node.args[0].span, "First argument to 'getopt' must be a string literal.")
            return None
        if not isinstance(default, (int, bytes)):
            self.diagnostics.error(
                node.args[1].span,
                "Second argument to 'getopt' must be a string literal, integer literal, or a boolean literal.",
            )
            return None
        if not isinstance(description, bytes):
            self.diagnostics.error(node.args[2].span, "Third argument to 'getopt' must be a string literal.")
            return None
        word = name.decode("latin-1")
        parameter = self.known.setdefault(word, _Parameter(default, description.decode("latin-1")))
        if not literals.same(parameter.default, default):
            self.diagnostics.error(
                node.span,
                f"Command line option '{word}' needs to have the same default value in all places it is used. "
                f"Previous default value: {_shown(parameter.default)}",
            )
            return None
        if description and parameter.description and parameter.description != description.decode("latin-1"):
            self.diagnostics.error(
                node.span,
                f"Command line option '{word}' must have the same description in all places it is used.",
                hints=["define a macro for it"],
            )
            return None
        parameter.description = parameter.description or description.decode("latin-1")
        return word, default

    def _value(self, name: str, default: Default, span: Span) -> tree.Expr:
        present = name in self.given
        text = self.given.get(name)
        if isinstance(default, bool):
            return tree.BoolLit(span, _boolean(text) if present else default)
        if isinstance(default, int):
            return _integer(_number(text, default < 0) if present else default, default < 0, span)
        if present and text is None:
            raise _Bad("expects a string (value: true)")
        data = text.encode("latin-1") if text is not None else default
        return self._string(data, span)

    def _string(self, data: bytes, span: Span) -> tree.Expr:
        """Text of the default capacity, whatever its length."""
        literal = tree.StrLit(span, data)
        if len(data) + 1 >= self.max_strlen:
            return literal
        return tree.Cast(span, tree.TypeName(span, "", "string", (self.max_strlen,)), literal)


_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def _boolean(text: str | None) -> bool:
    if text is None:
        return True
    if text.lower() not in _BOOLEANS:
        raise _Bad(f"expects a boolean (e.g. 'true') (value: {text})")
    return _BOOLEANS[text.lower()]


def _number(text: str | None, signed: bool) -> int:
    if text is None:
        raise _Bad("expects an integer (value: true)")
    value = parse_integer(text)
    if value is None:
        raise _Bad(f"invalid integer (value: {text})")
    least, most = (-(1 << 63), (1 << 63) - 1) if signed else (-(1 << 63), U64_MAX)
    if not least <= value <= most:
        raise _Bad(f"value is out of range (value: {text})")
    return value if signed else value & U64_MAX


def _integer(value: int, signed: bool, span: Span) -> tree.Expr:
    """An int64 or uint64 of that value. The literal inside never has that type already, since a cast to the type that
    its operand has is worth a warning."""
    def cast(name: str, operand: tree.Expr) -> tree.Cast:
        return tree.Cast(span, tree.TypeName(span, "", name), operand)

    if not signed:
        return cast("uint64", tree.IntLit(span, value if value < 1 << 63 else value - (1 << 64)))
    if value < 0:
        return cast("int64", tree.IntLit(span, value + (1 << 64)))
    return cast("int64", cast("uint64", tree.IntLit(span, value)))


def _shown(default: Default) -> str:
    if isinstance(default, bytes):
        return default.decode("latin-1")
    return str(default).lower()
