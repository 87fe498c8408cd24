"""A run from the cache imports neither the compiler nor anything else that takes long to load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = "tracepoint:syscalls:sys_enter_openat { @[comm] = count(); } interval:ms:1 { exit(); }"
COMPILER = ("pytrace.syntax", "pytrace.builtins", "pytrace.compiler", "pytrace.grammar", "lark", "llvmlite")
COMPILER_PARTS = (
    "pytrace.semantics.program", "pytrace.semantics.unit", "pytrace.codegen.driver", "pytrace.codegen.llvm",
    "pytrace.codegen.libllvm",
)
SLOW = {"dataclasses", "inspect", "ast", "typing", "enum", "re", "prompt_toolkit", "threading", "platform", "hashlib",
        "functools", "collections", "contextlib"}
SHOW_MODULES = """
import sys
from pytrace.cli import main
status = main(sys.argv[1:])
print("\\n".join(sys.modules), file=sys.stderr)
sys.exit(status)
"""


def modules(arguments: list[str], home: Path, *, status: int = 0) -> set[str]:
    """What a run of the command imported."""
    path = os.pathsep.join([str(ROOT), *(name for name in sys.path if name.endswith("-packages"))])
    environment = {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", SHOW_MODULES, *arguments], env=environment, capture_output=True, text=True,
        timeout=50, check=False,
    )
    assert done.returncode == status, done.stderr
    return set(done.stderr.split())


def compilers(found: set[str]) -> set[str]:
    """The modules among those found that a run of a compiled script has no use for."""
    return {name for name in found if name in COMPILER_PARTS or name.startswith(COMPILER)}


@pytest.mark.live
def test_a_cached_run_imports_no_compiler(tmp_path: Path) -> None:
    """The second run of a script loads what is needed to run it, and nothing that made it."""
    first = modules(["-q", "-e", SCRIPT], tmp_path)
    assert {"pytrace.compiler", "pytrace.codegen.llvm"} <= first
    second = modules(["-q", "-e", SCRIPT], tmp_path)
    assert "pytrace.runtime.session" in second
    assert compilers(second) == set()
    assert second & SLOW == set()


def test_help_imports_next_to_nothing(tmp_path: Path) -> None:
    found = modules(["--help"], tmp_path)
    assert compilers(found) == set()
    assert {name for name in found if name.startswith("pytrace.")} <= {
        "pytrace.cli", "pytrace.console", "pytrace.frozen", "pytrace.hints", "pytrace.options", "pytrace.problem",
    }
    assert found & SLOW == set()
