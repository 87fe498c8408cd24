"""How much code a macro call will expand to, worked out without expanding it.

Macros that use their argument twice, calling one another, make code that doubles with each of them: thirty lines are
a billion nodes. What a macro adds is linear in the sizes of its arguments, so that one look at each definition tells
the size of every call: `own` nodes of its body, and each argument as often as the body uses its parameter.
"""

from __future__ import annotations

from pytrace.hints import Mapping
from pytrace.semantics import overloads
from pytrace.semantics.walk import children
from pytrace.syntax import tree

__all__ = ["Forecast"]


MAX_LEVEL = 600
"""How far macros are followed that call others; longer chains are refused when they are expanded."""


class _Size:
    """A number of nodes: `own`, and each argument of the macro around it `uses[name]` times."""

    def __init__(self, own: int = 0, uses: dict[str, int] | None = None) -> None:
        self.own = own
        self.uses = {} if uses is None else uses

    def add(self, other: _Size, times: int = 1) -> None:
        self.own += other.own * times
        for name, count in other.uses.items():
            self.uses[name] = self.uses.get(name, 0) + count * times

    @property
    def least(self) -> int:
        """The size with arguments of one node each."""
        return self.own + sum(self.uses.values())


class Forecast:
    """The sizes of calls, given the macros that they may mean.

    Where the arguments do not tell yet which definition is meant, the smallest one counts: a call is never said to be
    larger than it will be.
    """

    def __init__(self, macros: Mapping[str, tuple[tree.Macro, ...]]) -> None:
        self.macros = macros
        self.bodies: dict[int, _Size] = {}
        self.level = 0

    def size(self, node: tree.Node) -> int:
        """How many nodes the code of a probe expands to, of which `node` is a part."""
        return self._of(node, frozenset()).own

    def _of(self, node: tree.Node, params: frozenset[str]) -> _Size:
        total = _Size()
        pending = [node]
        while pending:
            part = pending.pop()
            if isinstance(part, tree.Ident) and part.name in params:
                total.add(_Size(0, {part.name: 1}))
                continue
            total.own += 1
            expanded = self._expanded(part, params) if isinstance(part, (tree.Call, tree.Ident)) else None
            if expanded is None:
                pending += children(part)
            else:
                total.add(expanded)
        return total

    def _expanded(self, node: tree.Call | tree.Ident, params: frozenset[str]) -> _Size | None:
        """What a call becomes; None if it is no call of a macro."""
        args = node.args if isinstance(node, tree.Call) else ()
        definitions = [macro for macro in self.macros.get(node.name, ()) if len(macro.params) == len(args)]
        if not definitions:
            return None
        unsure = any(isinstance(arg, tree.Ident) and arg.name in params for arg in args)
        chosen = None if unsure else overloads.choose(definitions, args)
        given = [self._of(arg, params) for arg in args]
        sizes = [self._applied(macro, given) for macro in ([chosen] if chosen else definitions)]
        return min(sizes, key=lambda size: size.least)

    def _applied(self, macro: tree.Macro, given: list[_Size]) -> _Size:
        body = self._body(macro)
        size = _Size(body.own)
        for param, arg in zip(macro.params, given, strict=True):
            size.add(arg, body.uses.get(param.name, 0))
        return size

    def _body(self, macro: tree.Macro) -> _Size:
        if id(macro) not in self.bodies:
            self.bodies[id(macro)] = _Size()  # what a macro that calls itself sees: that is another error
            if self.level < MAX_LEVEL:
                self.level += 1
                params = frozenset(param.name for param in macro.params if not param.sigil)
                self.bodies[id(macro)] = self._of(macro.body, params)
                self.level -= 1
        return self.bodies[id(macro)]
