"""Parse tables: what `generate` made of a grammar, as plain data.

A symbol is a number: terminals first, in the order of `terminals`, then the rules' origins. A row of `rows` belongs to
a state and maps a symbol to what happens there: a number >= 0 is the state to go to (a shift, or the goto after a
reduction), a number < 0 is `~rule`, the reduction of a rule.

They are stored as lines of text, each a kind and words: nothing but data can come out of that, and reading it needs no
further module. A short script visits a few of the states and rules; the others are not read.
"""

from __future__ import annotations

import os

from pytrace.frozen import frozen, replace
from pytrace.hints import Callable, Mapping, Sequence, cast

__all__ = ["Rule", "Tables", "from_text", "grammar_path", "load", "to_text"]


@frozen
class Rule:
    """One alternative of a rule.

    `action` is the builder's method; "" passes the only child on, "[]" makes a list that is spliced into its parent.
    `children` says where each child comes from: `n` is the n-th symbol, `~n` a list to splice, None is absent. `weight`
    is how much deeper than its deepest child the built node is.
    """

    origin: int
    length: int
    action: str
    children: tuple[int | None, ...]
    weight: int


@frozen
class Tables:
    """`pattern` matches one token; its n-th group belongs to terminal `groups[n - 1]`. `start` gives the first
    state and the symbol of each start rule. `explanations` maps a state to what an error there says."""

    terminals: Mapping[str, int]
    keywords: Mapping[str, int]
    pattern: str
    groups: tuple[int, ...]
    start: Mapping[str, tuple[int, int]]
    rules: Mapping[int, Rule]
    rows: Mapping[int, Mapping[int, int]]
    explanations: Mapping[int, str]

    @property
    def end(self) -> int:
        """The terminal at the end of the text."""
        return self.terminals["$END"]


def to_text(tables: Tables) -> str:
    """The lines to store: one for each rule and row, so that changes can be read."""
    lines = [f"terminals {' '.join(tables.terminals)}"]
    lines += (f"keyword {word} {number}" for word, number in tables.keywords.items())
    # A line of its own: a newline in the pattern stands in a set of characters, where its escape means the same.
    lines.append(f"pattern {tables.pattern}".replace("\n", r"\n"))
    lines.append(f"groups {' '.join(map(str, tables.groups))}")
    lines += (f"start {name} {state} {symbol}" for name, (state, symbol) in tables.start.items())
    for number in range(len(tables.rules)):
        rule = tables.rules[number]
        children = ("-" if child is None else str(child) for child in rule.children)
        fields = str(rule.origin), str(rule.length), rule.action or ".", str(rule.weight), *children
        lines.append(f"rule {' '.join(fields)}")
    rows = (tables.rows[number] for number in range(len(tables.rows)))
    lines += (f"row {' '.join(f'{symbol} {action}' for symbol, action in row.items())}" for row in rows)
    lines += (f"explanation {state} {message}" for state, message in tables.explanations.items())
    return "\n".join(lines) + "\n"


class _Lines(dict[int, object]):
    """What lines say, by their numbers; each is read when it is asked for."""

    def __init__(self, lines: Sequence[str], read: Callable[[str], object]) -> None:
        self._lines = lines
        self._read = read

    def __missing__(self, number: int) -> object:
        value = self[number] = self._read(self._lines[number])
        return value

    def whole(self) -> dict[int, object]:
        return {number: self[number] for number in range(len(self._lines))}


def _rule(line: str) -> Rule:
    origin, length, action, weight, *children = line.split()
    places = tuple(None if child == "-" else int(child) for child in children)
    return Rule(int(origin), int(length), "" if action == "." else action, places, int(weight))


def _row(line: str) -> dict[int, int]:
    numbers = list(map(int, line.split()))
    return dict(zip(numbers[::2], numbers[1::2], strict=True))


def from_text(text: str) -> Tables:
    """The tables that were stored as that text."""
    tables = _read(text)
    rules, rows = cast(_Lines, tables.rules), cast(_Lines, tables.rows)
    return replace(tables, rules=rules.whole(), rows=rows.whole())


def _read(text: str) -> Tables:
    """As `from_text`, with rules and rows that are read later."""
    terminals: dict[str, int] = {}
    keywords: dict[str, int] = {}
    start: dict[str, tuple[int, int]] = {}
    explanations: dict[int, str] = {}
    rules: list[str] = []
    rows: list[str] = []
    groups: tuple[int, ...] = ()
    pattern = ""
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "row":
            rows.append(rest)
        elif kind == "rule":
            rules.append(rest)
        elif kind == "keyword":
            word, number = rest.split()
            keywords[word] = int(number)
        elif kind == "start":
            name, state, symbol = rest.split()
            start[name] = int(state), int(symbol)
        elif kind == "explanation":
            state, _, message = rest.partition(" ")
            explanations[int(state)] = message
        elif kind == "terminals":
            terminals = {name: number for number, name in enumerate(rest.split())}
        elif kind == "groups":
            groups = tuple(map(int, rest.split()))
        else:
            assert kind == "pattern", line
            pattern = rest
    return Tables(
        terminals, keywords, pattern, groups, start, cast(Mapping[int, Rule], _Lines(rules, _rule)),
        cast(Mapping[int, Mapping[int, int]], _Lines(rows, _row)), explanations,
    )


def grammar_path(name: str) -> str:
    """The path of a file in `grammar/`. importlib.resources would say the same and takes longer than the parsing."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "grammar", name)


def load(name: str) -> Tables:
    """The tables of the grammar of that name. Their rules and rows are there when they are asked for by number, not to
    be gone through."""
    with open(grammar_path(f"{name}.tables"), encoding="utf-8") as file:
        return _read(file.read())
