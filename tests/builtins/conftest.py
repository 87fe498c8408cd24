"""Running expressions in the kernel."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Done


def lines(done: Done) -> list[str]:
    """What was printed, without the empty lines at the end."""
    return done.stdout.rstrip("\n").split("\n")


Begin = Callable[..., list[str]]


@pytest.fixture
def begin(pytrace: Callable[..., Done]) -> Begin:
    """Prints the values of expressions in a `begin` probe: one line each."""

    def run(*expressions: str, before: str = "") -> list[str]:
        prints = " ".join(f"print({expression});" for expression in expressions)
        return lines(pytrace("-q", "-e", f"begin {{ {before} {prints} }}"))

    return run
