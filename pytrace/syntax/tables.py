"""Parse tables: what `generate` made of a grammar, as plain data.

A symbol is a number: terminals first, in the order of `terminals`, then the rules' origins. A row of `rows` belongs to
a state and maps a symbol to what happens there: a number >= 0 is the state to go to (a shift, or the goto after a
reduction), a number < 0 is `~rule`, the reduction of a rule.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TypedDict

from pytrace.frozen import frozen

__all__ = ["Plain", "PlainRule", "Rule", "Tables", "grammar_path", "load"]


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
    end: int
    rules: tuple[Rule, ...]
    rows: tuple[Mapping[int, int], ...]
    explanations: Mapping[int, str]


PlainRule = tuple[int, int, str, list[int | None], int]
"""The fields of a `Rule`."""


class Plain(TypedDict):
    """How tables are stored: JSON, so that nothing but data can come out of it. A row is a flat list of symbol, action,
    symbol, action, …"""

    terminals: list[str]
    keywords: dict[str, int]
    pattern: str
    groups: list[int]
    start: dict[str, tuple[int, int]]
    rules: list[PlainRule]
    rows: list[list[int]]
    explanations: list[tuple[int, str]]


def from_plain(plain: Plain) -> Tables:
    """Tables as the parser uses them."""
    return Tables(
        {name: number for number, name in enumerate(plain["terminals"])},
        plain["keywords"],
        plain["pattern"],
        tuple(plain["groups"]),
        plain["start"],
        plain["terminals"].index("$END"),
        tuple(
            Rule(origin, length, action, tuple(children), weight)
            for origin, length, action, children, weight in plain["rules"]
        ),
        tuple(dict(zip(row[::2], row[1::2], strict=True)) for row in plain["rows"]),
        dict(plain["explanations"]),
    )


def grammar_path(name: str) -> str:
    """The path of a file in `grammar/`. importlib.resources would say the same and takes longer than the parsing."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "grammar", name)


def load(name: str) -> Tables:
    """The tables of the grammar of that name."""
    with open(grammar_path(f"{name}.json"), encoding="utf-8") as file:
        return from_plain(json.load(file))
