"""Names for addresses."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytrace.kernel import kallsyms, symbols
from pytrace.kernel.bcc import available
from pytrace.kernel.demangle import demangle
from pytrace.kernel.symbols import ProcessSymbols, Resolved, UserSymbols

needs_bcc = pytest.mark.skipif(not available(), reason="needs libbpfcc")


@contextmanager
def running(path: Path) -> Iterator[tuple[int, int]]:
    """A process of `functions.c` that waits: its pid, and where `leaf` is."""
    with subprocess.Popen([str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline(), 16)
        process.communicate("1\n")


@pytest.mark.live
@needs_bcc
def test_kernel_symbols():
    address = kallsyms.lookup("vfs_read")[0].address
    assert symbols.kernel_symbol(address) == Resolved("vfs_read", 0, "kernel")
    assert symbols.kernel_symbol(address + 5) == Resolved("vfs_read", 5, "kernel")
    for nothing in (0, 1, 0xFFFF888000000000, (1 << 64) - 1):
        assert symbols.kernel_symbol(nothing) is None


@needs_bcc
def test_symbols_of_this_process():
    libc = ctypes.CDLL("libc.so.6")
    address = ctypes.cast(libc.getppid, ctypes.c_void_p).value
    assert address is not None
    process = ProcessSymbols(os.getpid())
    found = process.resolve(address + 1)
    assert found is not None
    assert found.name is not None
    assert found.name.endswith("getppid")
    assert (found.offset, os.path.basename(found.module)) == (1, "libc.so.6")
    assert process.resolve(16) is None
    process.close()


@needs_bcc
@pytest.mark.parametrize("mode", ["PER_PID", "PER_PROGRAM"])
def test_symbols_survive_their_process(traced: Callable[..., Path], mode: str):
    known = UserSymbols(mode)
    path = traced("functions")
    with running(path) as (pid, address):
        assert known.resolve(pid, address + 2) == Resolved("leaf", 2, str(path))
    assert known.resolve(pid, address + 2) == Resolved("leaf", 2, str(path))


@needs_bcc
def test_nothing_is_kept_if_nothing_shall_be(traced: Callable[..., Path]):
    known = UserSymbols("NONE")
    with running(traced("functions")) as (pid, address):
        found = known.resolve(pid, address)
        assert found is not None
        assert found.name == "leaf"
    assert known.resolve(pid, address) is None


@needs_bcc
def test_a_stripped_program_has_only_its_path(traced: Callable[..., Path]):
    path = traced("functions", "-s")
    with running(path) as (pid, address):
        found = UserSymbols().resolve(pid, address)
    assert found is not None
    assert (found.name, found.module) == (None, str(path))


@needs_bcc
def test_cpp_names(tmp_path: Path):
    source = tmp_path / "names.cc"
    source.write_text(
        "#include <cstdio>\nnamespace ns { struct C { void m(int); }; void C::m(int) { __asm__ volatile(\"\"); } }\n"
        "int main() { auto p = &ns::C::m; printf(\"%p\\n\", *(void **)&p); fflush(stdout); getchar(); }\n"
    )
    subprocess.run(["g++", "-O1", "-o", str(tmp_path / "names"), str(source)], check=True)
    with running(tmp_path / "names") as (pid, address):
        plain = UserSymbols(demangle=False).resolve(pid, address)
        readable = UserSymbols().resolve(pid, address)
    assert plain is not None
    assert plain.name == "_ZN2ns1C1mEi"
    assert readable is not None
    assert readable.name == "ns::C::m(int)"


@needs_bcc
def test_only_so_many_processes_are_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(symbols, "_PROCESSES", 2)
    known = UserSymbols()
    first = known.load(os.getpid())
    known.load(1)
    assert known.load(os.getpid()) is first
    known.load(2)
    assert known.load(os.getpid()) is first
    assert len(known._processes) == 2


def test_build_id_frames():
    id = bytes(range(20))
    assert symbols.parse_build_id_frame(struct.pack("<i20sQ", 1, id, 0x11A1)) == (id, 0x11A1)
    assert symbols.parse_build_id_frame(struct.pack("<i20sQ", 2, id, 0x7FFF)) == (None, 0x7FFF)
    assert symbols.parse_build_id_frame(bytes(32)) == (None, 0)


@needs_bcc
@pytest.mark.parametrize(
    ("mangled", "readable"),
    [
        ("_ZN2ns1fEi", "ns::f(int)"), ("_ZNK1C1mEPKc", "C::m(char const*) const"),
        ("_ZN2ns1fIiEET_S1_", "int ns::f<int>(int)"),
        ("_Z", ""), ("_Znonsense", ""), ("f", ""), ("main", ""), ("", ""),
    ],
)
def test_demangling(mangled: str, readable: str):
    assert demangle(mangled) == readable
