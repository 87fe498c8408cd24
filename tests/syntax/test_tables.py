"""The stored parse tables are those of the grammars."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pytrace.syntax import tables
from pytrace.syntax.automaton import fits
from pytrace.syntax.builder import Builder
from pytrace.syntax.cbuilder import CBuilder
from pytrace.syntax.generate import GRAMMARS, plain, render


@pytest.mark.parametrize("name", GRAMMARS)
def test_stored_tables_are_current(name: str):
    with open(tables.grammar_path(f"{name}.json"), encoding="utf-8") as file:
        assert file.read() == render(plain(name)), "run python -m pytrace.syntax.generate"


def test_tables_do_not_depend_on_the_order_of_sets():
    code = "from pytrace.syntax.generate import *; import sys; sys.stdout.write(render(plain('pytrace')))"
    runs = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."}, capture_output=True,
                       check=True, timeout=50).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(runs) == 1


@pytest.mark.parametrize(("name", "builder"), [("pytrace", Builder), ("cdefs", CBuilder)])
def test_every_rule_has_its_method(name: str, builder: type):
    for rule in tables.load(name).rules:
        assert rule.action in ("", "[]") or callable(getattr(builder, rule.action))


def test_a_run_needs_no_parser_generator():
    code = (
        "import sys; from pytrace.diagnostics import Source; from pytrace.syntax.parser import parse;"
        "from pytrace.syntax.format import format_script; format_script(parse(Source('x', 'begin { print(1); }')));"
        "print([m for m in ('lark', 'llvmlite', 'prompt_toolkit') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout == "[]\n"


def test_what_fits_follows_the_whole_stack():
    """An LALR state allows more than the places that it stands for do."""
    language = tables.load("pytrace")
    first = language.start["script"][0]
    assert fits(language, [first], language.terminals["ATTACH"])
    assert not fits(language, [first], language.terminals["PARAM"])


def test_plain_data_only():
    with open(tables.grammar_path("pytrace.json"), encoding="utf-8") as file:
        assert set(json.load(file)) == set(tables.Plain.__annotations__)
