"""No input makes the compiler raise anything but a `CompileError` with its diagnostics.

`PYTRACE_FUZZ=N` runs N mutants (2,000 without it), `PYTRACE_FUZZ_START` is the number of the first. A failure names the
number; `mutant(number)` is the script.
"""

from __future__ import annotations

import os
import random

import pytest

from pytrace.diagnostics import CompileError, Diagnostics, Source, render
from tests.fuzz.findings import FINDINGS
from tests.fuzz.mutate import mutant, seeds
from tests.generate.engine import Outcome, apart
from tests.generate.scripts import Generated

pytestmark = pytest.mark.live

COUNT = int(os.environ.get("PYTRACE_FUZZ", "2000"))
START = int(os.environ.get("PYTRACE_FUZZ_START", "0"))
BATCH = 200
WHOLE = 8
"""Of so many mutants one goes through all of the compiler; the others end with their checks."""
DEEP = 20_000


def taken(script: Generated, *, whole: bool = True) -> Outcome:
    """Compile a script; a rejection must come with errors that can be drawn."""
    from pytrace.compiler import check, compile_source
    from pytrace.semantics.unit import Options

    diagnostics, source = Diagnostics(), Source("stdin", script.text)
    try:
        (compile_source if whole else check)(source, Options(), diagnostics)
    except CompileError as error:
        assert error.diagnostics.errors
        for diagnostic in error.diagnostics.items:
            assert render(diagnostic).endswith("\n")
        return Outcome("rejected")
    return Outcome("done")


def checked(script: Generated) -> Outcome:
    return taken(script, whole=False)


def outcomes(texts: list[str], *, whole: bool = True) -> list[str]:
    """How each script ends, in processes of their own. Fails with the first that does not end well."""
    found = apart([Generated(text, (), False) for text in texts], taken if whole else checked)
    for text, outcome in zip(texts, found, strict=True):
        assert outcome.stage in ("done", "rejected"), f"{text[:2000]!r}\n{outcome.what}"
    return [outcome.stage for outcome in found]


def test_the_seeds_are_mostly_good():
    """The law that makes the rest mean something: mutation starts from scripts that compile."""
    assert outcomes(list(seeds())).count("done") > len(seeds()) // 2


@pytest.mark.timeout(1200 + COUNT // 5)
def test_mutants():
    ends: list[str] = []
    for first in range(START, START + COUNT, BATCH):
        numbers = range(first, min(first + BATCH, START + COUNT))
        ends += outcomes([mutant(n) for n in numbers if n % WHOLE == 1])
        ends += outcomes([mutant(n) for n in numbers if n % WHOLE != 1], whole=False)
    assert {"done", "rejected"} == set(ends)


def test_findings():
    assert len(outcomes(list(FINDINGS))) == len(FINDINGS)


def test_noise():
    """Bytes, printable characters, and tokens without any order."""
    rng = random.Random(1)
    texts = ["".join(map(chr, rng.choices(range(256), k=rng.randrange(200)))) for _ in range(200)]
    texts += ["begin { " + "".join(map(chr, rng.choices(range(32, 127), k=rng.randrange(80)))) for _ in range(200)]
    assert "rejected" in outcomes(texts)


@pytest.mark.parametrize(
    "text",
    [
        "begin { print(" + "(" * DEEP + "1" + ")" * DEEP + "); }",
        "begin " + "{" * DEEP + "}" * DEEP,
        "begin { print(" + "-" * 1 + " -" * DEEP + "1); }",
        "begin { print(" + "!" * DEEP + "pid); }",
        "begin { print(" + "(int8)" * DEEP + "pid); }",
        "begin { print(" + "pid ? 1 : " * DEEP + "2); }",
        "begin { " + "if (pid) { " * DEEP + "}" * DEEP + " }",
        "begin { " + "if (pid) { } else " * DEEP + "{ } }",
        "begin { print(" + "(1," * DEEP + ")" * DEEP + "); }",
        "begin { print(curtask" + "->parent" * DEEP + "); }",
        "begin { @ = 1; print(" + "@a[" * DEEP + "1" + "]" * DEEP + "); }",
        "begin { print(" + "(" * DEEP,
        "begin " + "{" * DEEP,
        "begin { }" + "}" * DEEP,
        "macro m0(x) { x }" + "".join(f"macro m{n}(x) {{ m{n - 1}(x) + m{n - 1}(x) }}\n" for n in range(1, 41))
        + "begin { m40(1) }",
        "macro m0(x) { x }" + "".join(f"macro m{n}(x) {{ m{n - 1}(x) }}\n" for n in range(1, 901))
        + "begin { m900(1) }",
    ],
    ids=lambda text: text[:30].replace(" ", ""),
)
@pytest.mark.timeout(300)
def test_nesting(text: str):
    """Code that nests deeper than can be compiled is an error."""
    assert outcomes([text]) == ["rejected"]


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("begin { " + " " * 1_000_000 + " }", "done"),
        ("begin { " + "/* */" * 200_000 + " }", "done"),
        ('begin { print("' + "a" * 1_000_000 + '"); }', "rejected"),
        ("begin { print(" + "1" * 1_000_000 + "); }", "rejected"),
        ("begin { $" + "a" * 1_000_000 + " = 1; }", "done"),
        ("begin { print(" + "1 + " * 250_000 + "1); }", "rejected"),
        ("(" * 1_000_000, "rejected"),
        ("@" * 1_000_000, "rejected"),
        ("begin {} " * 100_000, "rejected"),
        ("interval:s:1, " * 70_000 + "interval:s:1 { }", "rejected"),
    ],
    ids=lambda value: value[:25].replace(" ", "") if len(value) > 20 else value,
)
@pytest.mark.timeout(300)
def test_long(text: str, end: str):
    """A megabyte is no trouble."""
    assert outcomes([text], whole=False) == [end]
