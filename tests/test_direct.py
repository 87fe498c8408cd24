"""Modules are loaded from Python's own files of compiled code, if these belong to the sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHOW = """
import sys
from pytrace import direct
direct.use()
direct.use()
import pytrace.some.thing, pytrace.other
from pytrace.some import thing
print(thing.VALUE, pytrace.other.VALUE, thing.__file__, pytrace.some.__path__)
print([type(sys.modules[name].__spec__.loader).__name__ for name in ("pytrace.some", "pytrace.some.thing")])
print(sum(isinstance(each, direct.Files) for each in sys.meta_path))
print(sys.modules["pytrace.some.thing"].__spec__.loader.get_code("pytrace.some.thing") is not None)
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of that name with the modules under test, and two of its own."""
    root = Path(__file__).resolve().parent.parent / "pytrace"
    here = tmp_path / "pytrace"
    (here / "some").mkdir(parents=True)
    for name in ("__init__", "direct", "bundle", "cache", "hints"):
        (here / f"{name}.py").write_bytes((root / f"{name}.py").read_bytes())
    (here / "some" / "__init__.py").write_text("")
    (here / "some" / "thing.py").write_text("VALUE = 1\n")
    (here / "other.py").write_text("VALUE = 2\n")
    return here


def shown(package: Path, *flags: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, *flags, "-c", SHOW], cwd=package.parent, env=environment, capture_output=True, text=True,
        timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_python_has_compiled_is_loaded_without_it(package: Path):
    first, second = shown(package), shown(package)
    assert first[0] == second[0] == f"1 2 {package}/some/thing.py ['{package}/some']"
    assert first[1] == "['SourceFileLoader', 'SourceFileLoader']"
    assert second[1:] == ["['Files', 'Files']", "1", "True"]


def test_a_changed_source_is_compiled_again(package: Path):
    shown(package)
    (package / "some" / "thing.py").write_text("VALUE = 1000\n")
    assert shown(package)[:2] == [f"1000 2 {package}/some/thing.py ['{package}/some']", "['Files', 'SourceFileLoader']"]
    assert shown(package)[:2] == [f"1000 2 {package}/some/thing.py ['{package}/some']", "['Files', 'Files']"]


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, None])
def test_damaged_files_are_left_to_python(package: Path, damage: bytes | None):
    shown(package)
    (compiled,) = (package / "some" / "__pycache__").glob("thing.*.pyc")
    data = compiled.read_bytes()
    compiled.write_bytes(data[:4] + b"\1" + data[5:] if damage is None else damage)
    assert shown(package)[0].startswith("1 2 ")


def test_other_ways_of_keeping_code_are_respected(package: Path):
    assert shown(package, "-O")[2] == "0"
