"""A script in standard layout (CLI 11).

Formatting never changes what a script says, and formatting twice changes nothing. Comments keep their place between
the statements; one inside of a statement moves behind it.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager

from pytrace.frozen import fields
from pytrace.hints import Iterator
from pytrace.syntax import tree
from pytrace.syntax.automaton import MAX_DEPTH
from pytrace.syntax.comments import Comments
from pytrace.syntax.format_expression import Expressions
from pytrace.syntax.literals import quote

__all__ = ["format_script"]

_STEP = 2
# The prefix operators that are infix operators too.
_INFIX = ("-", "*", "&")


def format_script(script: tree.Script) -> str:
    """The text of a script in standard layout."""
    with _deep_recursion():
        return _Formatter(script).script()


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """A tree that the parser allows is printed with a few calls per level."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, MAX_DEPTH * 20))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


class _Formatter(Expressions):
    def __init__(self, script: tree.Script) -> None:
        self._script = script
        self._comments = Comments(script.span.source.text, script.comments)

    def script(self) -> str:
        script = self._script
        lines = [script.shebang] if script.shebang else []
        if script.shebang:
            self._comments.position = script.span.source.text.find(script.shebang) + len(script.shebang)
        settings: list[tree.Config | tree.Import] = [*script.imports]
        if script.config is not None:
            settings.append(script.config)
        settings.sort(key=lambda part: part.span.start)
        parts = (*script.preamble, *settings, *script.items)
        limits = [*(part.span.start for part in parts[1:]), len(script.span.source.text)]
        for part, limit in zip(parts, limits, strict=False):
            lines += self._comments.before(part.span.start)
            lines += self._part(part)
            _append(lines, self._comments.behind(_end(part), limit))
        lines += self._comments.before(len(script.span.source.text))
        lines = _without_blank_edges(lines)
        return "\n".join(lines) + "\n" if lines else ""

    def _part(self, part: tree.CLine | tree.CDef | tree.Config | tree.Import | tree.Item) -> list[str]:
        match part:
            case tree.CLine(text=text) | tree.CDef(text=text):
                return [text]
            case tree.Import(path=path):
                return [f"import {quote(path.encode('latin-1', 'replace'))};"]
            case tree.Config(settings=settings):
                return self._config(part, settings)
            case tree.MapDecl(name=name, kind=kind, size=size):
                return [f"let @{name} = {kind}({size});"]
            case tree.Macro(name=name, params=params, body=body):
                shown = ", ".join(param.sigil + param.name for param in params)
                return [f"macro {name}({shown})", *self._body(body, False)]
            case tree.Function(name=name, params=typed, returns=returns, body=body):
                shown = ", ".join(f"${var.name} : {self.type_(type_)}" for var, type_ in typed)
                return [f"fn {name}({shown}) : {self.type_(returns)}", *self._body(body, True)]
            case tree.Probe(attach_points=attach_points, predicate=predicate, body=body):
                lines = ",\n".join(point.text for point in attach_points).split("\n")
                if predicate is not None:
                    text = self.expr(predicate, 1, 0)
                    # `/*` would start a comment.
                    lines.append(f"/ {text} /" if text.startswith("*") else f"/{text}/")
                return [*lines, *self._body(body, True)]

    def _config(self, config: tree.Config, settings: tuple[tree.Setting, ...]) -> list[str]:
        lines: list[str] = []
        limits = [*(setting.span.start for setting in settings[1:]), config.span.end - 1]
        for setting, limit in zip(settings, limits, strict=False):
            lines += _indented(self._comments.before(setting.span.start), _STEP)
            value = self.expr(setting.value, 0, 0)
            lines.append(f"{' ' * _STEP}{setting.name} = {value};")
            _append(lines, self._comments.behind(setting.span.end, limit), _STEP)
        lines += _indented(self._comments.before(config.span.end - 1), _STEP)
        return ["config = {", *_without_blank_edges(lines), "}"]

    def _body(self, block: tree.Block, valueless: bool) -> list[str]:
        """The block of a top-level item: its braces stand on lines of their own."""
        lines = self._statements(block, _STEP, valueless)
        return ["{", *lines, "}"] if lines else ["{}"]

    # --- blocks ---------------------------------------------------------------------------------------------------

    def _statements(self, block: tree.Block, indent: int, valueless: bool) -> list[str]:
        """The lines inside of a block. A valueless one ends in a statement in any case: see `body.without_value`."""
        lines: list[str] = []
        self._comments.position = max(self._comments.position, block.span.start + 1)
        for number, part in enumerate(block.statements):
            lines += _indented(self._comments.before(_start(part)), indent)
            after = block.statements[number + 1] if number + 1 < len(block.statements) else block.value
            # At the end of a block that could have a value, the `;` says that it has none.
            ended = not valueless if after is None else _continues(after)
            text = self._statement(part, indent, ended=ended, valueless=valueless and after is None)
            lines.append(" " * indent + text)
            limit = after.span.start if after is not None else block.span.end - 1
            _append(lines, self._comments.behind(part.span.end, limit), indent)
        if (value := block.value) is not None:
            lines += _indented(self._comments.before(value.span.start), indent)
            if isinstance(value, tree.If):
                text = self.if_(value, indent, inline=False)
            else:
                text = self.at_start(value, indent)
            lines.append(" " * indent + text)
            _append(lines, self._comments.behind(value.span.end, block.span.end - 1), indent)
        lines += _indented(self._comments.before(block.span.end - 1), indent)
        return _without_blank_edges(lines)

    def block(self, block: tree.Block, indent: int, *, valueless: bool = False) -> str:
        if block.value is not None and self._is_simple(block):
            return f"{{ {self.at_start(block.value, indent + 2)} }}"
        lines = self._statements(block, indent + _STEP, valueless)
        return "\n".join(["{", *lines, " " * indent + "}"]) if lines else "{}"

    def _is_simple(self, block: tree.Block) -> bool:
        """Whether a block goes on one line: it has no statements, comments and inner blocks."""
        if block.statements or block.value is None or self._comments.within(block.span.start, block.span.end):
            return False
        return not any(isinstance(node, tree.Block) for node in _inside(block.value))

    def if_(self, chain: tree.If, indent: int, *, inline: bool = True, valueless: bool = False) -> str:
        links = [chain]
        while isinstance(links[-1].orelse, tree.If):
            links.append(links[-1].orelse)
        last = links[-1].orelse
        blocks = [link.then for link in links] + ([last] if isinstance(last, tree.Block) else [])
        inline = inline and all(map(self._is_simple, blocks))

        def body(block: tree.Block) -> str:
            if inline:
                return self.block(block, indent)
            lines = self._statements(block, indent + _STEP, valueless)
            return "\n".join(["{", *lines, " " * indent + "}"]) if lines else "{}"

        parts = []
        for link in links:
            condition = self.condition(link.cond, indent + 3, indent)
            parts.append(f"if {condition} {body(link.then)}")
        if isinstance(last, tree.Block):
            parts.append(body(last))
        return " else ".join(parts)

    def _statement(self, node: tree.Statement, indent: int, *, ended: bool, valueless: bool) -> str:
        """A statement with its `;`. After an `if` or a block there is one only where `ended`."""
        match node:
            case tree.ExprStmt(expr=tree.If() as expr):
                return self.if_(expr, indent, inline=False, valueless=valueless) + ";" * ended
            case tree.ExprStmt(expr=tree.Block() as expr):
                return self.block(expr, indent, valueless=valueless) + ";" * ended
            case tree.ExprStmt(expr=expr):
                return self.at_start(expr, indent) + ";"
            case tree.Discard(expr=expr):
                return f"_ = {self.expr(expr, indent + 4, indent)};"
            case tree.Let(var=var, type=type_, value=value):
                text = f"let ${var.name}" + (f" : {self.type_(type_)}" if type_ is not None else "")
                if value is not None:
                    text += " = "
                    text += self.expr(value, indent + len(text), indent)
                return f"{text};"
            case tree.Assign(target=target, op=op, value=value):
                text = f"{self.expr(target, indent, indent)} {op} "
                return f"{text}{self.expr(value, indent + len(text), indent)};"
            case tree.Break():
                return "break;"
            case tree.Continue():
                return "continue;"
            case tree.Return(value=value):
                return "return;" if value is None else f"return {self.expr(value, indent + 7, indent)};"
            case tree.Import(path=path):
                return f"import {quote(path.encode('latin-1', 'replace'))};"
        return self._loop(node, indent)

    def _loop(self, node: tree.For | tree.While | tree.Unroll, indent: int) -> str:
        match node:
            case tree.For(var=var, iterable=tree.Range(start=start, end=end), body=body):
                bounds = f"{self.bound(start, indent, indent)}..{self.bound(end, indent, indent)}"
                head = f"for ${var.name} : {bounds}"
            case tree.For(var=var, iterable=tree.MapRef() as map_, body=body):
                head = f"for ${var.name} : {self.expr(map_, indent, indent)}"
            case tree.While(cond=cond, body=body):
                head = f"while {self.condition(cond, indent + 6, indent)}"
            case tree.Unroll(count=cond, body=body):
                head = f"unroll {self.condition(cond, indent + 7, indent)}"
        lines = self._statements(body, indent + _STEP, True)
        return "\n".join([f"{head} {{", *lines, " " * indent + "}"]) if lines else f"{head} {{}}"


def _start(part: tree.Statement) -> int:
    return part.span.start


def _end(part: tree.Node) -> int:
    """Where a top-level part ends; the span of one with a body is that of its head."""
    return part.body.span.end if isinstance(part, tree.Probe | tree.Macro | tree.Function) else part.span.end


def _continues(part: tree.Statement | tree.Expr) -> bool:
    """Whether what comes behind a block would be read as the rest of an expression: `if (c) { } -$x`."""
    expr = part.expr if isinstance(part, tree.ExprStmt) else part
    while isinstance(expr, tree.Binary):
        expr = expr.left
    if isinstance(expr, tree.Unary):
        return expr.op in _INFIX
    return isinstance(expr, tree.IncDec) and expr.prefix


def _inside(node: tree.Node) -> Iterator[tree.Node]:
    """The nodes of an expression, from the top; those in blocks are not looked for."""
    waiting: list[object] = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            waiting += item
        elif isinstance(item, tree.Node):
            yield item
            if not isinstance(item, tree.Block):
                waiting += (getattr(item, each.name) for each in fields(item))


def _indented(lines: list[str], indent: int) -> list[str]:
    return [" " * indent + line if line else "" for line in lines]


def _append(lines: list[str], comments: list[str], indent: int = 0) -> None:
    """Put comments behind lines: the first one at the end of the last line."""
    if comments:
        lines[-1] += f" {comments[0]}"
        lines += _indented(comments[1:], indent)


def _without_blank_edges(lines: list[str]) -> list[str]:
    start, end = 0, len(lines)
    while start < end and not lines[start]:
        start += 1
    while end > start and not lines[end - 1]:
        end -= 1
    return lines[start:end]
