"""The table of docs/kernels.md belongs to the tests that make it."""

from __future__ import annotations

import re

from tests.conftest import ROOT
from tests.guest import test_providers
from tests.guest.matrix import ROWS, column, table


def test_every_provider_test_has_a_row():
    defined = {name for name in vars(test_providers) if name.startswith("test_")}
    assert {name.partition("[")[0] for name in ROWS} == defined


def test_the_document_has_every_row():
    text = (ROOT / "docs" / "kernels.md").read_text(encoding="utf-8")
    titles = re.findall(r"^\| (\S.*?) \|", text, re.MULTILINE)
    assert titles == list(ROWS.values())


def test_outcomes_become_cells():
    found = column([
        "tests/guest/test_providers.py::test_kprobe PASSED        [ 10%]\n",
        "tests/guest/test_providers.py::test_uprobe_and_uretprobe[by name] FAILED [ 20%]\n",
        "tests/guest/test_providers.py::test_kprobe_multi SKIPPED (one event each) [ 30%]\n",
        "FAILED tests/guest/test_providers.py::test_iter - AssertionError\n",
    ])  # fmt: skip
    lines = table({"6.1": found, "7.2": {}})
    assert lines[0] == "| | 6.1 | 7.2 |"
    cells = dict(zip(ROWS, (line.split(" | ")[1] for line in lines[2:]), strict=True))
    assert cells["test_kprobe"] == "yes"
    assert cells["test_uprobe_and_uretprobe[by name]"] == "**fails**"
    assert cells["test_kprobe_multi"] == "no: one event each"
    assert cells["test_iter"] == "not run"
