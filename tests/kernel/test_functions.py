"""Lists of traceable functions, and the kernel's symbol table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytrace.kernel import functions, kallsyms


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with one module loaded and one function on the black list."""
    monkeypatch.setattr(functions, "loaded_modules", lambda: frozenset({"nf_tables"}))
    monkeypatch.setattr(functions, "blacklist", lambda: frozenset({"forbidden"}))
    functions.traceable.cache_clear()
    yield
    functions.traceable.cache_clear()


def test_a_list_of_functions(machine: None, tmp_path: Path):
    path = tmp_path / "functions"
    path.write_text(
        "vfs_read\nnft_do_chain [nf_tables]\nother [not_loaded]\nforbidden\nrcu_note\ndefault_idle\n"
        "__ftrace_invalid_address___16\nshared\nshared [nf_tables]\nshared\n\n"
    )
    found = functions.traceable(str(path))
    assert found.modules == {
        "vfs_read": ("vmlinux",), "nft_do_chain": ("nf_tables",), "shared": ("vmlinux", "nf_tables"),
    }
    assert "vfs_read" in found
    assert "other" not in found
    assert (found.source, found.error) == (str(path), "")


def test_a_list_that_cannot_be_read(machine: None):
    with pytest.raises(FileNotFoundError):
        functions.traceable("/nosuch/list")


TABLE = b"""ffffffff81000000 T _stext
ffffffff81000010 T __entry_text_start
ffffffff81000020 T entry_SYSCALL_64
ffffffff81000100 T __entry_text_end
ffffffff81000200 T __pfx_vfs_read
ffffffff81000210 T vfs_read
ffffffff81000300 t helper.cold
ffffffff81000400 t static_one
ffffffff81000500 t static_one
ffffffff81000600 d some_data
ffffffffc0000000 t nft_do_chain\t[nf_tables]
ffffffffc0000100 t bpf_prog_6deef7357e7b4530_x\t[bpf]
"""


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kallsyms, "text", lambda: TABLE)


def test_the_symbol_table_stands_in_for_the_list(machine: None, table: None, monkeypatch: pytest.MonkeyPatch):
    def refused() -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(functions.tracefs, "find", refused)
    found = functions.traceable()
    assert found.modules == {
        "_stext": ("vmlinux",), "__entry_text_end": ("vmlinux",), "vfs_read": ("vmlinux",),
        "static_one": ("vmlinux",), "nft_do_chain": ("nf_tables",),
    }
    assert found.source == kallsyms.PATH
    assert "not permitted" in found.error


def test_symbols_by_name(table: None):
    assert [(s.address, s.kind, s.module) for s in kallsyms.lookup("vfs_read")] == [(0xFFFFFFFF81000210, "T", "")]
    assert [s.module for s in kallsyms.lookup("nft_do_chain")] == ["nf_tables"]
    assert len(kallsyms.lookup("static_one")) == 2
    for nothing in ("", "vfs", "read", "vfs_read ", "nosuch", "T", "some", "."):
        assert kallsyms.lookup(nothing) == []


def test_symbols_by_kind(table: None):
    assert [s.name for s in kallsyms.symbols("dD")] == ["some_data"]
    assert len(list(kallsyms.symbols())) == TABLE.count(b"\n")


@pytest.mark.live
def test_the_running_kernel():
    functions.traceable.cache_clear()
    found = functions.traceable()
    assert "vfs_read" in found
    assert "rcu_read_unlock_special" not in found
    assert kallsyms.lookup("vfs_read")[0].kind in "tT"
