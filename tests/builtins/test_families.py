"""Builtins are found by name, in the file that declares them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytrace.builtins.registry import _FAMILIES, REGISTRY, _file


def test_every_builtin_is_where_its_name_is_looked_for():
    for name, builtin in REGISTRY.items():
        assert builtin.check.__module__ == f"pytrace.builtins.{_file(name)}", name


def test_every_name_that_is_listed_is_declared_and_in_order():
    names = [name for name in REGISTRY if not (name.startswith("arg") and name[3:].isdigit())]
    assert names == [name for line in _FAMILIES.values() for name in line.split() if name != "argN"]
    assert "arg63" in REGISTRY
    assert "arg64" not in REGISTRY
    assert "argN" not in REGISTRY


def test_unknown_names():
    assert REGISTRY.get("nonsense") is None
    assert "nonsense" not in REGISTRY
    with pytest.raises(KeyError):
        REGISTRY["nonsense"]


def test_a_name_brings_its_file_and_no_other():
    code = (
        "import sys; from pytrace.builtins import REGISTRY; REGISTRY['ncpus'];"
        "print(*sorted(m for m in sys.modules if m.startswith('pytrace.builtins.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout.split() == ["pytrace.builtins.cpu", "pytrace.builtins.registry"]
