"""No input makes the compiler raise anything but a `CompileError` with its diagnostics.

`PYTRACE_FUZZ=N` runs N mutants (2,000 without it), `PYTRACE_FUZZ_START` is the number of the first. A failure names the
number; `mutant(number)` is the script.
"""

from __future__ import annotations

import os

import pytest

from pytrace.diagnostics import CompileError, Diagnostics, Source, render
from tests.fuzz.mutate import mutant, seeds

pytestmark = pytest.mark.live

COUNT = int(os.environ.get("PYTRACE_FUZZ", "2000"))
START = int(os.environ.get("PYTRACE_FUZZ_START", "0"))


def compile_text(text: str) -> bool:
    """Whether the script compiles to an image; a rejection must come with errors that can be drawn."""
    from pytrace.compiler import compile_source
    from pytrace.semantics.unit import Options

    diagnostics = Diagnostics()
    try:
        compile_source(Source("stdin", text), Options(), diagnostics)
    except CompileError as error:
        assert error.diagnostics.errors
        for diagnostic in error.diagnostics.items:
            assert render(diagnostic).endswith("\n")
        return False
    return True


def test_the_seeds_are_mostly_good():
    """The law that makes the rest mean something: mutation starts from scripts that compile."""
    good = sum(compile_text(seed) for seed in seeds())
    assert good > len(seeds()) // 2


@pytest.mark.timeout(1200 + COUNT // 10)
def test_mutants():
    accepted = 0
    for number in range(START, START + COUNT):
        try:
            accepted += compile_text(mutant(number))
        except Exception as error:
            raise AssertionError(f"mutant({number}): {mutant(number)!r}") from error
    assert 0 < accepted < COUNT
