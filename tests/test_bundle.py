"""The modules of a run from the cache come from one entry of the cache."""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytrace import bundle
from pytrace.cache import Cache
from tests.conftest import ROOT

SCRIPT = "tracepoint:syscalls:sys_enter_openat { @[comm] = count(); } interval:ms:1 { exit(); }"
SHOW = """
import sys
from pytrace.cli import main
status = main(sys.argv[1:])
from pytrace.bundle import Bundle
own = [m for n, m in sys.modules.items() if n.startswith("pytrace.") and n != "pytrace.cli"]
print(sum(isinstance(m.__spec__.loader, Bundle) for m in own), len(own), file=sys.stderr)
sys.exit(status)
"""


def loaded(package: Path, home: Path, *options: str) -> tuple[int, int]:
    """How many modules came from the bundle, and how many there are."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW, "-q", *options, "-e", SCRIPT], cwd=package, capture_output=True, text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(home), "PYTHONPATH": str(package)}, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = done.stderr.split()
    return int(first), int(second)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package that may be changed."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("pytrace", "codegen", "grammar", "stdlib"):
        shutil.copytree(ROOT / name, tmp_path / "copy" / name, symlinks=True, ignore=ignored)
    return tmp_path / "copy"


@pytest.mark.live
def test_modules_come_from_the_bundle(package: Path, tmp_path: Path):
    """The first run compiles, the second makes the bundle, the third has nearly all from it, and so has one that
    compiles again."""
    assert loaded(package, tmp_path)[0] == 0
    assert loaded(package, tmp_path)[0] == 0
    bundled, all_ = loaded(package, tmp_path)
    assert 40 < all_ - 12 < bundled < all_
    bundled, all_ = loaded(package, tmp_path, "--no-cache")
    assert 100 < all_ - 20 < bundled < all_


@pytest.mark.live
def test_without_the_cache_nothing_is_kept(package: Path, tmp_path: Path):
    for _ in range(2):
        loaded(package, tmp_path, "--no-cache")
    assert not (tmp_path / "pytrace").exists()


@pytest.mark.live
def test_a_changed_file_is_read(package: Path, tmp_path: Path):
    for _ in range(2):
        loaded(package, tmp_path)
    assert loaded(package, tmp_path)[0] > 0
    with open(package / "pytrace/runtime/session.py", "a", encoding="utf-8") as file:
        file.write("\nMARK = 1\n")
    assert loaded(package, tmp_path)[0] == 0


@pytest.mark.live
def test_a_bundle_that_others_could_change_is_not_used(package: Path, tmp_path: Path):
    for _ in range(2):
        loaded(package, tmp_path)
    for entry in (tmp_path / "pytrace").iterdir():
        entry.chmod(0o666)
    assert loaded(package, tmp_path)[0] == 0


def test_a_bundle_is_a_finder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cache = Cache(tmp_path / "cache")
    code = marshal.dumps(compile("VALUE = __name__, __file__, __package__", "made.py", "exec"))
    modules = {"pytrace.made_up": ("made.py", None, code), "pytrace.folder": ("folder/__init__.py", ["folder"], code)}
    cache.store(cache.own_key(("bundle", "start", sys.version, sys.flags.optimize)), (modules, []))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(bundle, "_used", {})
    bundle.use(cache, "start")
    import pytrace.folder  # type: ignore[import-not-found]
    import pytrace.made_up  # type: ignore[import-not-found]

    assert pytrace.made_up.VALUE == ("pytrace.made_up", "made.py", "pytrace")
    assert pytrace.folder.VALUE == ("pytrace.folder", "folder/__init__.py", "pytrace.folder")
    assert pytrace.folder.__path__ == ["folder"]
    for name in modules:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.live
def test_a_package_that_goes_away_meanwhile(package: Path, tmp_path: Path):
    """The run ends as if nothing had happened, and keeps nothing of what is there now."""
    loaded(package, tmp_path)
    before = set((tmp_path / "pytrace").iterdir())
    wrapper = (
        "import shutil, pytrace.run as run\nold = run.start\n"
        "def start(*args, **kwargs):\n    status = old(*args, **kwargs)\n"
        f"    shutil.rmtree({str(package / 'codegen')!r})\n    return status\n"
        "run.start = start\nstatus = main"
    )
    run = SHOW.replace("status = main", wrapper)
    done = subprocess.run(
        [sys.executable, "-c", run, "-q", "-e", SCRIPT], cwd=package, capture_output=True, text=True, timeout=50,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(package)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr
    assert set((tmp_path / "pytrace").iterdir()) == before
