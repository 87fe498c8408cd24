"""Names for the addresses of a process."""

from __future__ import annotations

import ctypes
import lzma
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytrace.kernel.elf import Elf
from pytrace.kernel.mappings import open_under
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


# --- what is believed ---------------------------------------------------------------------------------------------


def stripped(program: Path, target: Path, *options: str) -> Path:
    subprocess.run(["objcopy", "--strip-all", *options, program, target], check=True)
    return target


def debug_file(program: Path, target: Path) -> Path:
    subprocess.run(["objcopy", "--only-keep-debug", program, target], check=True)
    return target


def test_symbols_packed_into_the_file(traced: Callable[..., Path], tmp_path: Path):
    """MiniDebugInfo, as Fedora ships it."""
    packed = tmp_path / "packed.xz"
    packed.write_bytes(lzma.compress(debug_file(traced("functions"), tmp_path / "debug").read_bytes()))
    program = stripped(traced("functions"), tmp_path / "program", f"--add-section=.gnu_debugdata={packed}")
    with running(program) as (pid, address):
        assert ProcessSymbols(pid).resolve(address + 2) == Resolved("leaf", 2, str(program))


def test_packed_symbols_that_are_damaged(traced: Callable[..., Path], tmp_path: Path):
    for n, content in enumerate((lzma.compress(bytes(100))[:-9], b"", b"no xz", lzma.compress(b"no ELF"))):
        packed = tmp_path / f"packed{n}"
        packed.write_bytes(content)
        program = stripped(traced("functions"), tmp_path / f"program{n}", f"--add-section=.gnu_debugdata={packed}")
        with running(program) as (pid, address):
            found = ProcessSymbols(pid).resolve(address + 2)
        assert found is not None and found.name is None


def test_debug_files_of_something_else(traced: Callable[..., Path], tmp_path: Path):
    """A file of the right name that was made for another program: names would be wrong."""
    program = tmp_path / "program"
    debug = debug_file(traced("functions"), tmp_path / "program.debug")
    stripped(traced("functions"), program, f"--add-gnu-debuglink={debug}")
    debug.write_bytes(debug_file(traced("functions", "-O0"), tmp_path / "other.debug").read_bytes())
    with running(program) as (pid, address):
        found = ProcessSymbols(pid).resolve(address + 2)
    assert found is not None and found.name is None


@pytest.fixture
def page() -> Iterator[int]:
    """A page of anonymous memory that may be executed."""
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    address = libc.mmap(None, 4096, 5, 0x22, -1, 0)
    yield address
    libc.munmap(ctypes.c_void_p(address), 4096)


@pytest.fixture
def listing() -> Iterator[Path]:
    """Where this process would list the code that it makes."""
    path = Path(f"/tmp/perf-{os.getpid()}.map")
    yield path
    path.unlink(missing_ok=True)


def test_lists_that_others_may_write(page: int, listing: Path):
    listing.write_text(f"{page:x} 40 name\n")
    assert ProcessSymbols(os.getpid()).resolve(page) == Resolved("name", 0, "")
    listing.chmod(0o666)
    assert ProcessSymbols(os.getpid()).resolve(page) is None
    listing.chmod(0o600)
    os.chown(listing, 12345, 12345)
    assert ProcessSymbols(os.getpid()).resolve(page) is None


def test_lists_behind_a_link(page: int, listing: Path, tmp_path: Path):
    (tmp_path / "list").write_text(f"{page:x} 40 name\n")
    listing.symlink_to(tmp_path / "list")
    assert ProcessSymbols(os.getpid()).resolve(page) is None


def test_a_list_that_is_a_pipe(page: int, listing: Path):
    """Nobody writes to it: we would wait for ever."""
    os.mkfifo(listing)
    assert ProcessSymbols(os.getpid()).resolve(page) is None


def test_a_list_that_is_not_one(page: int, listing: Path):
    listing.write_bytes(b"\0\xff" * 1000 + f"\n{page:x} 40 name\n{'f' * 40} 1 x\n-1 4 y\n".encode())
    assert ProcessSymbols(os.getpid()).resolve(page) == Resolved("name", 0, "")


def test_a_list_is_read_after_its_process_has_ended():
    code = (
        "import ctypes, os, sys\nlibc = ctypes.CDLL(None)\nlibc.mmap.restype = ctypes.c_void_p\n"
        "libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]\n"
        "page = libc.mmap(None, 4096, 5, 0x22, -1, 0)\nprint(page, flush=True)\nsys.stdin.readline()\n"
        "open(f'/tmp/perf-{os.getpid()}.map', 'w').write(f'{page:x} 40 late\\n')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        page = int(process.stdout.readline())
        symbols = ProcessSymbols(process.pid)
        process.communicate("\n")
    try:
        assert symbols.resolve(page + 1) == Resolved("late", 1, "")
    finally:
        Path(f"/tmp/perf-{process.pid}.map").unlink()
        symbols.close()


def test_a_program_without_a_name(traced: Callable[..., Path]):
    """One that runs from memory: memfd_create and fexecve."""
    fd = os.memfd_create("hidden", 0)
    os.write(fd, traced("functions").read_bytes())
    with running(Path(f"/proc/{os.getpid()}/fd/{fd}")) as (pid, address):
        found = ProcessSymbols(pid).resolve(address + 1)
    os.close(fd)
    assert found is not None
    assert (found.name, found.offset) == ("leaf", 1)


def test_links_do_not_leave_the_root_of_a_process(tmp_path: Path):
    """A process with a root of its own may put links there that point into ours."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside").write_text("secret")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "inside").write_text("own")
    (root / "absolute").symlink_to("/inside")
    fd = os.open(root, os.O_PATH)
    try:
        for path in ("/link", "/../outside", "/../../outside"):
            with pytest.raises(FileNotFoundError):
                open_under(fd, path)
        with pytest.raises(OSError, match="symbolic links"):
            open_under(fd, "/absolute", links=False)
        with open(open_under(fd, "/absolute"), encoding="ascii") as file:
            assert file.read() == "own"
    finally:
        os.close(fd)


@pytest.mark.live
def test_a_process_in_a_mount_namespace_of_its_own(traced: Callable[..., Path], tmp_path: Path):
    """What it runs is in a file system that we do not see."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    script = tmp_path / "start"
    script.write_text(
        f"#!/bin/sh\nmount -t tmpfs none {hidden} && cp {traced('functions')} {hidden}/inside && exec {hidden}/inside\n"
    )
    script.chmod(0o755)
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f"#!/bin/sh\nexec unshare -m {script}\n")
    wrapper.chmod(0o755)
    with running(wrapper) as (pid, address):
        assert not (hidden / "inside").exists()
        assert ProcessSymbols(pid).resolve(address + 1) == Resolved("leaf", 1, f"{hidden}/inside")
