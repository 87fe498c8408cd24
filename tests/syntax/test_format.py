"""Formatting never changes what a script says, and formatting twice changes nothing."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import HealthCheck, given, settings

from pytrace.diagnostics import CompileError, Source
from pytrace.syntax import tree
from pytrace.syntax.format import format_script
from pytrace.syntax.lexer import Lexer
from pytrace.syntax.parser import parse
from pytrace.syntax.tables import load
from tests.fuzz.mutate import mutant, seeds
from tests.syntax.trees import scripts


def formatted(text: str) -> str:
    return format_script(parse(Source("stdin", text)))


def check(script: tree.Script) -> None:
    text = format_script(script)
    again = parse(Source("formatted", text))
    assert again == script, text
    assert format_script(again) == text


@given(scripts)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_tree_is_read_again_as_it_was(script: tree.Script):
    check(script)
