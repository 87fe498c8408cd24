"""The image cache keeps what it is given, and believes nothing that others could have written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytrace import cache as cache_module
from pytrace.cache import Cache, depend_on


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_what_is_stored_is_loaded(cache: Cache):
    image = (1, "text", b"bytes", None, (2, 3))
    cache.store("k", image)
    assert cache.load("k") == image


def test_an_unknown_key_gives_none(cache: Cache):
    assert cache.load("k") is None


def test_the_key_depends_on_every_part(cache: Cache):
    assert cache.key(["a", "bc"]) != cache.key(["ab", "c"])
    assert cache.key(["a"]) == cache.key(["a"])


def test_a_damaged_entry_is_ignored(cache: Cache):
    cache.store("k", (1, 2))
    entry = Path(cache.folder) / "k"
    data = bytearray(entry.read_bytes())
    data[-1] ^= 1
    entry.write_bytes(bytes(data))
    assert cache.load("k") is None


def test_an_entry_others_may_write_is_ignored(cache: Cache):
    cache.store("k", (1, 2))
    (Path(cache.folder) / "k").chmod(0o666)
    assert cache.load("k") is None


def test_a_folder_others_may_write_is_ignored(cache: Cache):
    cache.store("k", (1, 2))
    Path(cache.folder).chmod(0o777)
    assert cache.load("k") is None
    cache.store("other", (1, 2))
    assert sorted(os.listdir(cache.folder)) == ["k"]


def test_a_link_is_not_followed(cache: Cache):
    cache.store("k", (1, 2))
    os.symlink("k", Path(cache.folder) / "link")
    assert cache.load("link") is None


def test_a_changed_dependency_ends_an_entry(cache: Cache, tmp_path: Path):
    script = tmp_path / "imported.bt"
    script.write_text("one")
    cache.store("k", (1,), [depend_on(str(script))])
    assert cache.load("k") == (1,)
    script.write_text("three")
    assert cache.load("k") is None


def test_a_folder_that_cannot_be_made_keeps_nothing():
    cache = Cache(Path("/proc/no/such/place"))
    cache.store("k", (1,))
    assert cache.load("k") is None


def test_the_oldest_entries_go_when_there_are_too_many(cache: Cache, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache_module, "LIMIT_BYTES", 4000)
    for n in range(6):
        cache.store(f"k{n}", b"x" * 1000)
        os.utime(Path(cache.folder) / f"k{n}", ns=(n, n))
    assert cache.load("k5") is not None
    assert cache.load("k0") is None
