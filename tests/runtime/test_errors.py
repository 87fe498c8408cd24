"""What programs send to user space is known there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pytrace
from pytrace.runtime.actions import MAKERS
from pytrace.runtime.errors import RUNTIME_ERRORS, runtime_message

PACKAGE = Path(pytrace.__file__).parent


def used(pattern: str) -> set[str]:
    """What a pattern finds in the files that make programs."""
    found: set[str] = set()
    for folder in ("codegen", "builtins", "aggregations"):
        for file in (PACKAGE / folder).rglob("*.py"):
            found |= set(re.findall(pattern, file.read_text()))
    return found


def test_all_reported_errors_have_a_text():
    names = used(r'\breport\(\s*"(\w+)"')
    assert names
    assert names <= set(RUNTIME_ERRORS)


def test_all_actions_have_a_handler():
    kinds = used(r'core\.Emit\(\s*VOID,\s*(?:site\.)?span,\s*"(\w+)"')
    assert "print" in kinds
    assert kinds <= set(MAKERS)


@pytest.mark.parametrize(
    ("name", "retcode", "text"),
    [
        ("helper", -14, "Bad address"),
        ("helper", -524, "Operation not supported"),
        ("map_full", -12, "Cannot allocate memory"),
        ("map_lookup", 0, "Can't lookup map element because it does not exist."),
        ("no_process", 77, "No process with the pid 77."),
    ],
)
def test_texts(name: str, retcode: int, text: str):
    assert runtime_message(name, retcode) == text


def test_a_full_map_comes_with_advice():
    assert runtime_message("map_full", -7).startswith("Map full; can't update element.")
