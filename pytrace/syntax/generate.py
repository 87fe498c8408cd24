"""Makes the parse tables of the grammars: `python -m pytrace.syntax.generate` writes `grammar/NAME.tables` for each.

Lark reads a grammar and computes the LALR(1) automaton; here it is turned into plain data for the driver in
`automaton.py`, so that a run needs neither lark nor the fifth of a second that the automaton takes. A test compares the
files with the grammars. Run this after a change of a grammar or of `errors.EXAMPLES`.
"""

from __future__ import annotations

import re

from lark import Lark
from lark.grammar import Rule as LarkRule
from lark.grammar import Terminal
from lark.lexer import PatternStr
from lark.parsers.lalr_analysis import Shift
from lark.parsers.lalr_parser import LALR_Parser

from pytrace.frozen import replace
from pytrace.hints import Any, Callable, Iterable, Mapping, cast
from pytrace.syntax.automaton import Automaton, Token, Unexpected
from pytrace.syntax.errors import EXAMPLES
from pytrace.syntax.tables import Rule, Tables, grammar_path, to_text

__all__ = ["GRAMMARS", "generate", "main"]

GRAMMARS = {"pytrace": ("script", "expression"), "cdefs": ("definition", "condition")}
"""The grammars, each with its start rules."""

# Rules that only gather: what they make is no level of the tree (see `Rule.weight`).
_FLAT = frozenset(
    ("script", "config", "attach_points", "keys", "operand", "setting", "field", "parameters", "group", "cast_type")
)

Scan = Callable[[Tables, str], Iterable[Token]]


def _scan_script(tables: Tables, text: str) -> Iterable[Token]:
    from pytrace.syntax.lexer import Lexer

    return Lexer(tables).script(text, [])


_SCANS: Mapping[str, Scan] = {"pytrace": _scan_script}


class _Nothing:
    """A builder that builds nothing, for running the examples."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda start, end, children: None


def generate(name: str) -> Tables:
    """The tables of a grammar. The same grammar gives the same tables."""
    with open(grammar_path(f"{name}.lark"), encoding="utf-8") as file:
        text = file.read()
    starts = GRAMMARS[name]
    lark = Lark(text, parser="lalr", lexer="basic", start=list(starts), maybe_placeholders=True)
    parser = lark.parser.parser
    assert isinstance(parser, LALR_Parser)
    table = parser._parse_table

    declared = re.findall(r"^%declare (.*)$", text, re.MULTILINE)
    defined = [terminal.name for terminal in lark.terminals]
    terminals = list(dict.fromkeys(["$END", *" ".join(declared).split(), *defined]))
    origins = list(dict.fromkeys(rule.origin.name for rule in lark.rules))
    symbols = {symbol: number for number, symbol in enumerate([*terminals, *origins])}
    rules = {rule: number for number, rule in enumerate(lark.rules)}

    # What lark declares are states before it numbers them.
    numbered = cast(Mapping[int, Mapping[str, tuple[object, Any]]], table.states)
    first = cast(Mapping[str, int], table.start_states)
    states = {
        state: {
            symbols[symbol]: argument if action is Shift else ~rules[argument]
            for symbol, (action, argument) in row.items()
        }
        for state, row in numbered.items()
    }
    table_rules = [_rule(rule, symbols[rule.origin.name]) for rule in lark.rules]
    _skip_passing(states, table_rules, len(terminals))

    # Lark numbers states as they come out of a set: number them as they are reached.
    order = [first[start] for start in starts]
    numbers = {state: number for number, state in enumerate(order)}
    rows: list[dict[int, int]] = []
    for state in order:
        row: dict[int, int] = {}
        for number, action in sorted(states[state].items()):
            if action >= 0 and action not in numbers:
                numbers[action] = len(order)
                order.append(action)
            row[number] = numbers[action] if action >= 0 else action
        rows.append(row)

    # An ordinary word is matched by the pattern of names; that it is a keyword is told by the word.
    literals = {t.name: t.pattern.value for t in lark.terminals if isinstance(t.pattern, PatternStr)}
    words = {name: text for name, text in literals.items() if text.isidentifier()}
    matched = [t for t in lark.terminals if t.name not in words]
    found = Tables(
        {terminal: number for number, terminal in enumerate(terminals)},
        {word: symbols[terminal] for terminal, word in words.items()},
        "|".join(f"({t.pattern.to_regexp()})" for t in matched),
        tuple(symbols[t.name] for t in matched),
        {start: (numbers[first[start]], symbols[start]) for start in starts},
        dict(enumerate(table_rules)),
        dict(enumerate(rows)),
        {},
    )
    return replace(found, explanations=_explanations(name, found))


def _skip_passing(states: dict[int, dict[int, int]], rules: list[Rule], terminals: int) -> None:
    """Go straight past states in which all that can be done is to pass the only child on: an operand is a primary is a
    postfix expression, whatever follows."""
    for row in states.values():
        for symbol, state in row.items():
            while symbol >= terminals:
                actions = set(states[state].values())
                rule = rules[~action] if len(actions) == 1 and (action := actions.pop()) < 0 else None
                if rule is None or rule.length != 1 or rule.action:
                    break
                state = row[symbol] = row[rule.origin]


def _rule(rule: LarkRule, origin: int) -> Rule:
    children: list[int | None] = []
    position = 0
    for absent in rule.options.empty_indices or [False] * len(rule.expansion):
        if absent:
            children.append(None)
            continue
        symbol = rule.expansion[position]
        if isinstance(symbol, Terminal):
            if not symbol.filter_out:
                children.append(position)
        else:
            children.append(~position if symbol.name.startswith("_") else position)
        position += 1
    name = rule.origin.name
    if name.startswith("_"):
        # Of lists, only that of a binary expression's operators stands for something deep.
        weight = int(any(symbol.name == "operand" for symbol in rule.expansion))
        return Rule(origin, position, "[]", tuple(children), weight)
    if rule.options.expand1 and rule.alias is None:
        assert len(children) == 1 and children[0] is not None and children[0] >= 0, rule
        return Rule(origin, position, "", tuple(children), 0)
    action = rule.alias or name
    return Rule(origin, position, action, tuple(children), int(action not in _FLAT))


def _explanations(name: str, tables: Tables) -> dict[int, str]:
    """The state that the automaton is in at the end of each example, and the message that belongs there."""
    found: dict[int, str] = {}
    automaton = Automaton(tables, _Nothing())
    for message, examples in EXAMPLES[name].items():
        for example in examples:
            try:
                automaton.run(_SCANS[name](tables, example), GRAMMARS[name][0])
            except Unexpected as error:
                state = error.states[-1]
            else:
                raise ValueError(f"no mistake: {example}")
            if found.setdefault(state, message) != message:
                raise ValueError(f"the same state as for {found[state]!r}: {example}")
    return dict(sorted(found.items()))


def main() -> None:
    """Write the tables of all grammars."""
    for name in GRAMMARS:
        with open(grammar_path(f"{name}.tables"), "w", encoding="utf-8") as file:
            file.write(to_text(generate(name)))


if __name__ == "__main__":
    main()
