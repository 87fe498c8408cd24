"""The LALR(1) automaton: tokens to values, driven by tables that lark computed (see `generate`).

Three things are particular. A token names several candidate terminals, and the first that the state can use is taken.
A token that fits nowhere may be preceded by the invisible terminal `_END_STMT`. And the depth of what is built is
limited, because what is built here without recursion is read with recursion later.
"""

from __future__ import annotations

from pytrace.hints import Callable, Iterable, Sequence
from pytrace.syntax.fault import Fault
from pytrace.syntax.tables import Tables

__all__ = ["MAX_DEPTH", "Action", "Automaton", "Token", "Unexpected", "Unfit", "fits"]

MAX_DEPTH = 500
"""How deep a syntax tree can be. `1 + 1 + 1` is as deep as it has operators."""

_MAX_OPEN = 4096
"""How much can be open at once: parentheses that make no node count here only."""

Action = Callable[[int, int, list[object]], object]
Token = tuple[tuple[int, ...], str, int, int]
"""Candidate terminals, text, start and end offset."""


class Unexpected(Exception):
    """A token that does not fit: the states that the automaton is in, the last one on top, and the token.

    `previous` is the range of what stands before it, `message` what the builder says about it, if anything.
    """

    def __init__(self, states: Sequence[int], token: Token, previous: tuple[int, int], message: str = "") -> None:
        super().__init__(token[1])
        self.states = states
        self.token = token
        self.previous = previous
        self.message = message


class Unfit(Exception):
    """Raised by a builder for what it cannot build: the token that comes next does not fit, for this reason."""


def fits(tables: Tables, states: Sequence[int], symbol: int) -> bool:
    """Whether the automaton would take a terminal in these states."""
    below = len(states)
    above: list[int] = []
    while True:
        state = above[-1] if above else states[below - 1]
        action = tables.rows[state].get(symbol)
        if action is None:
            return False
        if action >= 0:
            return True
        rule = tables.rules[~action]
        if rule.length <= len(above):
            del above[len(above) - rule.length :]
        else:
            below -= rule.length - len(above)
            above.clear()
        goto = tables.rows[above[-1] if above else states[below - 1]].get(rule.origin)
        if goto is None:
            return True  # the start rule: the text is complete
        above.append(goto)


class _Actions(dict[int, Action | None]):
    """The builder's methods for rules, by the rules' numbers."""

    def __init__(self, tables: Tables, builder: object) -> None:
        self._tables = tables
        self._builder = builder

    def __missing__(self, number: int) -> Action | None:
        name = self._tables.rules[number].action
        action: Action | None = getattr(self._builder, name) if name not in ("", "[]") else None
        self[number] = action
        return action


class Automaton:
    """Runs one set of tables with the methods of a builder.

    The method that a rule names is called with the start and end offset of what it covers and its children: the texts
    of tokens, and what was built for the rules inside.
    """

    def __init__(self, tables: Tables, builder: object) -> None:
        self.tables = tables
        self._insert = tables.terminals.get("_END_STMT", -1)
        self._actions = _Actions(tables, builder)

    def run(self, tokens: Iterable[Token], start: str) -> object:
        """What the builder made of the tokens, read from the start rule named.

        Raises `Unexpected`, `Fault` for what is nested too deep, and what the builder raises.
        """
        rows, rules, actions, insert = self.tables.rows, self.tables.rules, self._actions, self._insert
        first_state, start_origin = self.tables.start[start]
        states, depths = [first_state], []
        values: list[object] = []
        starts: list[int] = []
        ends: list[int] = []
        for token in tokens:
            candidates, text, begin, end = token
            held = False
            before: list[int] = []
            while True:
                row = rows[states[-1]]
                for symbol in candidates:
                    if symbol in row:
                        break
                else:
                    if before and not held:
                        # The terminal was put in front of it, and it does not fit behind that either.
                        raise Unexpected(before, token, (begin, begin))
                    if held or insert not in row or not fits(self.tables, states, insert):
                        raise Unexpected(states, token, (starts[-1], ends[-1]) if ends else (0, 0))
                    candidates, text, end, held, before = (insert,), "", begin, True, states.copy()
                    continue
                action = row[symbol]
                if action >= 0:
                    if len(states) > _MAX_OPEN:
                        raise _too_deep(begin, end)
                    states.append(action)
                    values.append(text)
                    starts.append(begin)
                    ends.append(end)
                    depths.append(0)
                    if not held:
                        break
                    candidates, text, begin, end = token
                    held = False
                    continue
                action = ~action
                rule = rules[action]
                length, children, build = rule.length, rule.children, actions[action]
                if length == 1 and build is None and rule.action == "":
                    states[-1] = rows[states[-2]][rule.origin]
                    continue
                base = len(values) - length
                if length:
                    from_, to, depth = starts[base], ends[-1], max(depths[base:]) + rule.weight
                else:
                    from_, to, depth = begin, begin, 0
                if depth > MAX_DEPTH:
                    raise _too_deep(from_, to)
                value: object
                if build is not None:
                    try:
                        value = build(from_, to, _children(values, base, children))
                    except Unfit as unfit:
                        raise Unexpected(states, token, (from_, to), str(unfit)) from None
                    if rule.origin == start_origin:
                        return value
                elif rule.action == "":
                    value = values[base + (children[0] or 0)]
                else:
                    value = _children(values, base, children)
                del states[base + 1 :], values[base:], starts[base:], ends[base:], depths[base:]
                states.append(rows[states[-1]][rule.origin])
                values.append(value)
                starts.append(from_)
                ends.append(to)
                depths.append(depth)
        raise AssertionError("the tokens end with the end of the text")


def _too_deep(start: int, end: int) -> Fault:
    return Fault(f"nested too deeply: more than {MAX_DEPTH} levels", start, end)


def _children(values: list[object], base: int, children: Sequence[int | None]) -> list[object]:
    """The children of a reduction. A list that comes first is continued in place, so that a long one takes linear
    time."""
    found: list[object] = []
    for child in children:
        if child is None:
            found.append(None)
        elif child >= 0:
            found.append(values[base + child])
        else:
            part = values[base + ~child]
            assert isinstance(part, list)
            if found:
                found.extend(part)
            else:
                found = part
    return found
