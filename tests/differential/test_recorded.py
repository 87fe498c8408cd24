"""pytrace prints, byte for byte, what was recorded of bpftrace (README.md in this folder)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential import families
from tests.differential.case import run_forked
from tests.differential.recorded import FOLDER, Entry, load

ENTRIES = [(path.stem, entry) for path in sorted(FOLDER.glob("*.json")) for entry in load(path)]


def test_everything_is_recorded():
    """The records are those of the cases as they are now."""
    cases = {(family, case.name): case for family, cases in families.ALL.items() for case in cases}
    assert {(family, entry.case.name): entry.case for family, entry in ENTRIES} == cases


def test_names_are_unique():
    for family, cases in families.ALL.items():
        names = [case.name for case in cases]
        assert len(names) == len(set(names)), family


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the scripts run, with a cache that starts empty."""
    folder = tmp_path_factory.mktemp("differential")
    # Loads here what the forks need: the compiler, and what prints.
    from pytrace.compiler import compile_source
    from pytrace.diagnostics import Diagnostics, Source
    from pytrace.output import json_printer, text_maps, text_printer  # noqa: F401
    from pytrace.runtime import session  # noqa: F401
    from pytrace.semantics.unit import Options

    compile_source(Source("stdin", "begin { @ = hist(1); print(@); }"), Options(), Diagnostics())
    return folder


@pytest.mark.live
@pytest.mark.parametrize(("family", "entry"), ENTRIES, ids=[f"{family}/{entry.case.name}" for family, entry in ENTRIES])
def test_recorded(family: str, entry: Entry, folder: Path):
    assert run_forked(entry.case, folder, {"XDG_CACHE_HOME": str(folder)}) == entry.expected
