"""A traced program of known behaviour, `tests/programs/probed.c`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def probed(build: Callable[..., Path]) -> str:
    return str(build("probed"))


@pytest.fixture
def traced(pytrace: Callable[..., Any], probed: str) -> Callable[..., list[str]]:
    """Runs a script (`PROG` stands for the program) with `probed N`; gives the lines that it printed itself, sorted."""

    def run(script: str, times: int = 2, *options: str) -> list[str]:
        done = pytrace("-q", *options, "-e", script.replace("PROG", probed), "-c", f"{probed} {times}")
        return sorted(line for line in done.stdout.replace(probed, "PROG").splitlines() if line and not line.isdigit())

    return run
