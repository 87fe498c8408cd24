"""The session in the README is one: entered again, it is answered in the same way."""

from __future__ import annotations

import importlib.util
import re
import sys
from types import ModuleType

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


def recorder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record_session", ROOT / "docs" / "record_session.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def essence(lines: list[str]) -> list[str]:
    """Lines without what differs from time to time: numbers, rows of histograms, names of processes."""
    differs = re.compile(r"\[\S+( \S+)? +\d+ \||@|python|pytest|nothing is there")
    kept = [line for line in lines if line and not differs.match(line)]
    return [re.sub(r"\s+", " ", re.sub(r"\d[\d,.]*", "N", line)) for line in kept]


def test_the_record_is_true(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    module = recorder()
    written = module.recorded(module.README.read_text()).strip().splitlines()
    again = list(module.record(module.entries("\n".join(written))))
    assert essence(again) == essence(written)
