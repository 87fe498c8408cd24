"""What the tests share: the `live` marker's meaning, running the command as a user would, and loads of known size."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(__file__).resolve().parent / "programs"


def _why_not_live() -> str:
    """Why live tests cannot run here, or an empty string."""
    from pytrace.kernel.host import missing

    return missing() or ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    live = [item for item in items if item.get_closest_marker("live")]
    if not live or not (reason := _why_not_live()):
        return
    if os.environ.get("PYTRACE_REQUIRE_LIVE"):
        raise pytest.UsageError(f"live tests are required and cannot run: {reason}")
    for item in live:
        item.add_marker(pytest.mark.skip(reason=reason))


Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compiles `tests/programs/NAME.c` once and gives the executable, called like it or by another `name`."""
    folder = tmp_path_factory.mktemp("programs")

    def compile_program(source_name: str, *flags: str, name: str = "") -> Path:
        target = folder / (name or source_name)
        if not target.exists():
            source = PROGRAMS / f"{source_name}.c"
            subprocess.run(["gcc", "-O1", "-g", "-pthread", *flags, "-o", str(target), str(source)], check=True)
        return target

    return compile_program


@pytest.fixture(scope="session")
def load(build: Callable[..., Path]) -> Path:
    """The program of `tests/programs/load.c`."""
    return build("load")


@pytest.fixture
def pytrace() -> Callable[..., Done]:
    """Runs `pytrace ARGS…` to its end. A traceback fails the test, and so does a status other than `status`."""

    def run(*args: str, status: int | None = 0, timeout: float = 50, **kwargs: Any) -> Done:
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run(
            [sys.executable, "-m", "pytrace", *args],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=timeout,
            cwd=ROOT,
            **kwargs,
        )
        assert "Traceback (most recent call last)" not in done.stderr, done.stderr
        if status is not None:
            assert done.returncode == status, done.stderr + done.stdout
        return done

    return run
