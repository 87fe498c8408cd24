"""`fn` definitions are refused when a script is to run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Done

pytestmark = pytest.mark.live


@pytest.mark.parametrize("head", ["fn f(): int64", "fn f($a: int64): int64"])
def test_one_clear_rejection(pytrace: Callable[..., Done], head: str) -> None:
    done = pytrace("-e", f"{head} {{ return 1; }} fn g(): void {{ }} begin {{ print(1); }}", status=1)
    assert done.stdout == ""
    first, _, marks, hint = done.stderr.splitlines()
    assert first == f"stdin:1:1-{len(head) + 1}: ERROR: functions cannot be defined in scripts"
    assert marks == "~" * len(head)
    assert hint.startswith("HINT: a macro can be called: macro f(")


def test_calls_and_mistakes_are_reported_first(pytrace: Callable[..., Done]) -> None:
    assert "ERROR: Unknown function: 'f'" in pytrace("-e", "fn f(): void { } begin { f(); }", status=1).stderr
    done = pytrace("-e", "fn f(): void { return 1; } begin { }", status=1)
    assert "Function f is of type void, cannot return int8" in done.stderr and "cannot be defined" not in done.stderr


def test_compiling_alone_checks_them(pytrace: Callable[..., Done]) -> None:
    pytrace("--mode", "codegen", "-e", "fn f($a: int64): int64 { return $a; } begin { print(1); }")
