"""The lists of names: gathered by a child, taken over as they come, kept for the next session."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pytrace.cache import Cache
from pytrace.repl.index import SECTIONS, Index


def children() -> list[str]:
    """The processes that this one's main thread started."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def started(cache: Cache | None, file: Path) -> Index:
    index = Index()
    index.start(str(file), cache)
    return index


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    """A list of functions that can be traced."""
    file = tmp_path / "functions"
    file.write_text("vfs_read\nvfs_write\nno_such_function\nvfs_read.part.0\n")
    return file


@pytest.mark.live
def test_everything_arrives(functions: Path, tmp_path: Path) -> None:
    before = children()
    index = started(Cache(tmp_path / "cache"), functions)
    assert index.loaded.wait(50)
    index.close()
    assert children() == before
    assert index.problems == []
    assert all(index.has(section) and len(index.names(section)) for section in SECTIONS)
    assert list(index.names("functions")) == ["vfs_read", "vfs_write", "no_such_function"]
    assert index.typed == bytes((1, 1, 0))
    assert index.type_id("vfs_read") > 0 and index.type_id("no_such_function") == 0
    assert "syscalls:sys_enter_openat" in index.names("tracepoints")
    assert index.trace_arguments["sched_switch"].startswith("preempt, prev, next")
    assert {"task", "task_file"} <= set(index.names("iterators"))
    assert {"struct task_struct", "pid_t"} <= set(index.names("types"))
    assert index.summary == f"3 kernel functions, {len(index.names('tracepoints')):,} tracepoints"


@pytest.mark.live
def test_the_next_session_has_the_same(functions: Path, tmp_path: Path) -> None:
    """What comes from the cache is what was put there; another list is another entry."""
    cache = Cache(tmp_path / "cache")
    for _ in range(2):
        index = started(cache, functions)
        assert index.loaded.wait(50)
        index.close()
        assert list(index.names("functions")) == ["vfs_read", "vfs_write", "no_such_function"]
        assert "syscalls:sys_enter_openat" in index.names("tracepoints")
    (entry,) = os.listdir(cache.folder)
    assert os.stat(os.path.join(cache.folder, entry)).st_mode & 0o777 == 0o600
    functions.write_text("vfs_write\n")
    index = started(cache, functions)
    assert index.loaded.wait(50)
    index.close()
    assert list(index.names("functions")) == ["vfs_write"]
    assert len(os.listdir(cache.folder)) == 2


def test_leaving_early_ends_the_child(functions: Path) -> None:
    before = children()
    index = started(None, functions)
    index.close()
    assert index.loaded.wait(10)
    assert children() == before


def test_what_cannot_be_had_is_said(tmp_path: Path) -> None:
    index = started(Cache(tmp_path / "cache"), tmp_path / "missing")
    assert index.loaded.wait(50)
    index.close()
    assert any("missing" in problem or "No such file" in problem for problem in index.problems)
    assert not index.has("functions") and len(index.names("functions")) == 0
    assert not (tmp_path / "cache").exists()


def test_changes_are_told(functions: Path) -> None:
    seen: list[float] = []
    index = Index(lambda: seen.append(time.monotonic()))
    index.load(str(functions))
    assert len(seen) >= 2
    assert index.has("functions")
