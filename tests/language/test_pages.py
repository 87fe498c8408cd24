"""Runs the scripts of the language pages and compares with what the pages say (README.md in this folder)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import Done

pytestmark = pytest.mark.live

HERE = Path(__file__).resolve().parent
_BLOCK = re.compile(r"^```bt\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Sample:
    """One fenced script and what the page says about it."""

    name: str
    script: str = ""
    arguments: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    status: int = 0


def samples() -> Iterator[Sample]:
    for page in sorted(HERE.glob("*.md")):
        text = page.read_text()
        for block in _BLOCK.finditer(text):
            line = text.count("\n", 0, block.start()) + 2
            sample = Sample(f"{page.stem}:{line}")
            for row in block.group(1).splitlines():
                kind, said = row[:3], row[4:]
                if kind == "//$":
                    sample.arguments = said.split()
                elif kind == "//-":
                    sample.options = said.split()
                elif kind == "//=":
                    sample.environment.update([said.split("=", 1)])
                elif kind == "//>":
                    sample.output.append(said)
                elif kind == "//!":
                    sample.errors.append(said)
                    sample.status = 1
                elif kind == "//~":
                    sample.parts.append(said)
                elif kind == "//#":
                    sample.status = int(said)
                elif kind == "//?":
                    sample.warnings.append(said)
                else:
                    sample.script += row + "\n"
            yield sample


@pytest.mark.parametrize("sample", list(samples()), ids=lambda sample: sample.name)
def test_page(sample: Sample, pytrace: Callable[..., Done]):
    done = pytrace(
        "-q", *sample.options, "-e", sample.script, *sample.arguments, status=sample.status,
        env={**os.environ, **sample.environment},
    )
    said = done.stderr + done.stdout
    for error in sample.errors:
        assert any(error in line for line in done.stderr.splitlines()), said
    for part in sample.parts:
        assert any(part in line for line in said.splitlines()), said
    if sample.parts:
        return
    for warning in sample.warnings:
        assert any(warning in line for line in said.splitlines()), said
    if sample.errors:
        assert "ERROR: " in done.stderr
        return
    if sample.warnings:
        assert "WARNING: " in said
        lines = [line for line in done.stdout.splitlines() if line]
        assert not sample.output or lines[-len(sample.output) :] == sample.output, said
    else:
        assert "WARNING: " not in said
        assert done.stdout.rstrip("\n").splitlines() == _with_gap(sample.output, done.stdout), said


def _with_gap(expected: list[str], output: str) -> list[str]:
    """The page leaves out the two newlines that stand before the maps; put them where the run printed them."""
    lines = output.rstrip("\n").splitlines()
    if [line for line in lines if line] == expected and all(expected):
        return lines
    return expected
