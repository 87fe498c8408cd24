"""The stored parse tables are those of the grammars."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from pytrace.frozen import replace
from pytrace.syntax import tables
from pytrace.syntax.automaton import fits
from pytrace.syntax.builder import Builder
from pytrace.syntax.cbuilder import CBuilder
from pytrace.syntax.generate import GRAMMARS, generate
from pytrace.syntax.tables import from_text, to_text


@pytest.mark.parametrize("name", GRAMMARS)
def test_stored_tables_are_current(name: str):
    with open(tables.grammar_path(f"{name}.tables"), encoding="utf-8") as file:
        assert file.read() == to_text(generate(name)), "run python -m pytrace.syntax.generate"


def test_text_keeps_everything():
    made = generate("pytrace")
    again = from_text(to_text(made))
    assert again == replace(made, pattern=again.pattern)
    for text in ('"a\\"b"', '"a', "$x", "a\n"):
        assert (re.match(again.pattern, text) or [None])[0] == (re.match(made.pattern, text) or [None])[0]


def test_tables_do_not_depend_on_the_order_of_sets():
    code = (
        "import sys; from pytrace.syntax.generate import generate; from pytrace.syntax.tables import to_text;"
        "sys.stdout.write(to_text(generate('pytrace')))"
    )

    def run(seed: str) -> bytes:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=environment, capture_output=True, check=True, timeout=50).stdout

    runs = {run("1"), run("2")}
    assert len(runs) == 1


@pytest.mark.parametrize(("name", "builder"), [("pytrace", Builder), ("cdefs", CBuilder)])
def test_every_rule_has_its_method(name: str, builder: type):
    with open(tables.grammar_path(f"{name}.tables"), encoding="utf-8") as file:
        rules = from_text(file.read()).rules
    assert len(rules) > 100
    for rule in rules.values():
        assert rule.action in ("", "[]") or callable(getattr(builder, rule.action))


def test_a_run_needs_no_parser_generator():
    code = (
        "import sys; from pytrace.diagnostics import Source; from pytrace.syntax.parser import parse;"
        "from pytrace.syntax.format import format_script; format_script(parse(Source('x', 'begin { print(1); }')));"
        "print([m for m in ('lark', 'llvmlite', 'prompt_toolkit', 'dataclasses', 'json') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout == "[]\n"


def test_what_fits_follows_the_whole_stack():
    """An LALR state allows more than the places that it stands for do."""
    language = tables.load("pytrace")
    first = language.start["script"][0]
    assert fits(language, [first], language.terminals["ATTACH"])
    assert not fits(language, [first], language.terminals["PARAM"])
