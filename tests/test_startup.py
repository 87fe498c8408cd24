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
SHOWS_RESULTS = {
    "pytrace.output.printer", "pytrace.output.values", "pytrace.runtime.actions", "pytrace.runtime.maps",
    "pytrace.semantics.types", "pytrace.probes.contexts", "pytrace.diagnostics", "mmap", "select", "fcntl", "ctypes",
    "hashlib", "_blake2",
}  # fmt: skip
"""What a run has no use for until its probes are attached."""
SHOW_ATTACHED = """
import sys
from pytrace import bundle
from pytrace.cli import main
attached = bundle.attached
def show(cache):
    print("\\n".join(sys.modules), file=sys.stderr)
    attached(cache)
bundle.attached = show
sys.exit(main(sys.argv[1:]))
"""
SHOW_MODULES = """
import sys
from pytrace.cli import main
status = main(sys.argv[1:])
print("\\n".join(sys.modules), file=sys.stderr)
sys.exit(status)
"""


def modules(arguments: list[str], home: Path, *, status: int = 0, show: str = SHOW_MODULES) -> set[str]:
    """What a run of the command imported."""
    path = os.pathsep.join([str(ROOT), *(name for name in sys.path if name.endswith("-packages"))])
    environment = {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", show, *arguments], env=environment, capture_output=True, text=True,
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


@pytest.mark.live
@pytest.mark.parametrize(
    "script",
    [SCRIPT, "begin { exit(); }", "uprobe:/bin/bash:main { @ = count(); } interval:ms:1 { exit(); }",
     "profile:hz:99 { @[kstack] = count(); } interval:ms:1 { exit(); }", "software:cpu-clock:1000000 { exit(); }"],
)  # fmt: skip
def test_what_shows_results_waits_until_the_probes_are_attached(script: str, tmp_path: Path) -> None:
    modules(["-q", "-e", script], tmp_path)
    found = modules(["-q", "-e", script], tmp_path, show=SHOW_ATTACHED)
    assert "pytrace.runtime.attaching" in found
    assert found & (SHOWS_RESULTS | SLOW) == set()


def test_help_imports_next_to_nothing(tmp_path: Path) -> None:
    found = modules(["--help"], tmp_path)
    assert compilers(found) == set()
    assert {name for name in found if name.startswith("pytrace.")} <= {
        "pytrace.cli", "pytrace.console", "pytrace.frozen", "pytrace.hints", "pytrace.options", "pytrace.problem",
    }
    assert found & SLOW == set()
