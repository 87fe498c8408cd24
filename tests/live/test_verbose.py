"""What -v says about attaching: each target by its name, those of a pattern together with a list."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.live


def said(done) -> list[str]:
    return [line for line in done.stderr.splitlines() if not line.startswith("Attached ")]


def test_the_functions_of_a_pattern(pytrace, build):
    path = build("probed")
    script = f"uprobe:{path}:t*c* {{ @ = count(); }} uprobe:{path}:add {{ @ = count(); }} interval:ms:1 {{ exit(); }}"
    assert said(pytrace("-v", "-e", script)) == [
        "Trying to attach probe: interval:ms:1",
        f"Trying to attach probe: uprobe:{path}:add",
        f"Trying to attach probe: uprobe:{path}:t*c*",
        "Attaching to 2 functions",
        f"{path}:tick",
        f"{path}:twice",
    ]


def test_one_by_one(pytrace, build):
    path = build("probed")
    script = f"uprobe:{path}:t*c* {{ @ = count(); }} interval:ms:1 {{ exit(); }}"
    names = [f"Trying to attach probe: uprobe:{path}:{name}" for name in ("tick", "twice")]
    done = pytrace("-v", "--no-feature", "uprobe_multi", "-e", script)
    assert said(done) == ["Trying to attach probe: interval:ms:1", *names]


def test_a_label_stands_for_its_target(pytrace, build):
    path = build("probed")
    script = f"mine=uprobe:{path}:t*c* {{ @ = count(); }} interval:ms:1 {{ exit(); }}"
    assert "Trying to attach probe: mine" in said(pytrace("-v", "-e", script))
