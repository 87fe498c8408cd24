"""Names for the addresses of a process."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.kernel.elf import Elf
from pytrace.kernel.process_symbols import ProcessSymbols, Resolved
from tests.kernel.test_symbols import running


def descriptors() -> dict[str, str]:
    """The open files of this process."""
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue  # the one of the listing itself
    return found


def test_no_descriptor_is_closed_or_left_open():
    """Also for processes that end while they are looked at."""
    before = descriptors()
    for _ in range(30):
        with subprocess.Popen(["/bin/true"]) as process:
            symbols = ProcessSymbols(process.pid)
            symbols.resolve(0x1000)
            symbols.close()
    assert descriptors() == before


def test_a_file_that_was_deleted(traced: Callable[..., Path], tmp_path: Path):
    program = tmp_path / "gone"
    program.write_bytes(traced("functions").read_bytes())
    program.chmod(0o755)
    with running(program) as (pid, address):
        program.unlink()
        symbols = ProcessSymbols(pid)
        found = symbols.resolve(address + 1)
    assert found is not None
    assert (found.name, found.offset) == ("leaf", 1)
    assert symbols.resolve(address + 1) == found


def test_symbols_in_a_separate_file(traced: Callable[..., Path], tmp_path: Path):
    program, debug = tmp_path / "program", tmp_path / "program.debug"
    subprocess.run(["objcopy", "--only-keep-debug", traced("functions"), debug], check=True)
    subprocess.run(["objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", traced("functions"), program], check=True)
    assert Elf(str(program)).section(".symtab") is None
    with running(program) as (pid, address):
        assert ProcessSymbols(pid).resolve(address + 2) == Resolved("leaf", 2, str(program))


def test_code_made_at_run_time():
    """A page of anonymous memory, described in /tmp/perf-PID.map."""
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    page = libc.mmap(None, 4096, 5, 0x22, -1, 0)
    listing = Path(f"/tmp/perf-{os.getpid()}.map")
    listing.write_text(f"{page:x} 40 LazyCompile:~main script.js:1\n{page + 0x100:x} 10 other\n")
    try:
        symbols = ProcessSymbols(os.getpid())
        assert symbols.resolve(page + 3) == Resolved("LazyCompile:~main script.js:1", 3, "")
        assert symbols.resolve(page + 0x105) == Resolved("other", 5, "")
        assert symbols.resolve(page + 0x200) is None
    finally:
        listing.unlink()
        libc.munmap(ctypes.c_void_p(page), 4096)


def test_the_vdso():
    start = next(
        int(line.split("-")[0], 16) for line in Path("/proc/self/maps").read_text().splitlines() if "[vdso]" in line
    )
    symbols = ProcessSymbols(os.getpid())
    names = {found.name for at in range(0, 0x2000, 16) if (found := symbols.resolve(start + at)) is not None}
    assert any(name is not None and "gettime" in name for name in names)


def test_what_is_mapped_later_is_found(tmp_path: Path):
    source, library = tmp_path / "late.c", tmp_path / "liblate.so"
    source.write_text("int late(int n) { return n + 1; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    symbols = ProcessSymbols(os.getpid())
    address = ctypes.cast(ctypes.CDLL(str(library)).late, ctypes.c_void_p).value
    assert address is not None
    assert symbols.resolve(address) is None
    time.sleep(0.15)
    assert symbols.resolve(address + 1) == Resolved("late", 1, str(library))


@pytest.mark.parametrize("pid", [0, 1 << 22])
def test_a_process_that_does_not_exist(pid: int):
    assert ProcessSymbols(pid).resolve(0x1000) is None
