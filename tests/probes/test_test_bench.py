"""`test` and `bench`: run when they are asked for, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.probes.support import errors_of, names_of


def test_names() -> None:
    assert names_of("test:one", "bench:one") == ["test:one", "bench:one"]


def test_names_are_given_once() -> None:
    assert len(errors_of("test:one", "test:one")) == 1
    assert errors_of("test") == ["test probe type requires 1 arguments, found 0"]


@pytest.mark.live
def test_each_is_run_in_its_mode_only(pytrace: Callable[..., Any]) -> None:
    script = "test:first { @a = 1; } bench:second { @b = 1; }"
    tested, benched = (pytrace(mode, "-e", script).stdout for mode in ("--test", "--bench"))
    assert "first" in tested and "second" not in tested
    assert "second" in benched and "first" not in benched
    neither = pytrace("-e", script, status=255)
    assert "use --test to run test probes" in neither.stderr and "first" not in neither.stdout
