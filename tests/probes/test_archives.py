"""Probes in members of zip archives."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.kernel.elf import Elf
from pytrace.probes.archives import ArchiveError, member
from tests.conftest import Done

Pytrace = Callable[..., Done]

SOURCE = "int triple(int n) { return 3 * n; }\nint twice(int n) { return 2 * n; }\n"
NAME = "lib/libcode.so"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("library") / "libcode.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", path, "-xc", "-"], input=SOURCE.encode(), check=True)
    return path.read_bytes()


def archive(path: Path, content: bytes, *, method: int = zipfile.ZIP_STORED, aligned: bool = True) -> Path:
    """An archive with a text file and the member NAME, which starts at a page if it is to be aligned."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "text " * 20)
        info = zipfile.ZipInfo(NAME)
        info.compress_type = method
        if aligned:
            assert file.fp is not None
            padding = -(file.fp.tell() + 30 + len(NAME) + 4) % 4096
            info.extra = (0xD935).to_bytes(2, "little") + padding.to_bytes(2, "little") + bytes(padding)
        file.writestr(info, content)
    return path


def test_where_a_member_is(library: bytes, tmp_path: Path):
    path = archive(tmp_path / "a.zip", library)
    found = member(f"{path}!/{NAME}")
    assert (found.file, found.start % 4096, found.size) == (str(path), 0, len(library))
    assert path.read_bytes()[found.start : found.start + found.size] == library
    assert Elf(found.file, found.start, found.size).function("triple") is not None


@pytest.mark.parametrize(
    ("how", "name", "message"),
    [
        ({"method": zipfile.ZIP_DEFLATED}, NAME, "compressed"),
        ({"aligned": False}, NAME, "does not start at a page"),
        ({}, "other.so", "has no member"),
        ({}, "", "has no member"),
    ],
)
def test_members_that_cannot_be_mapped(library: bytes, tmp_path: Path, how: dict[str, int], name: str, message: str):
    path = archive(tmp_path / "a.zip", library, **how)
    with pytest.raises(ArchiveError, match=message):
        member(f"{path}!/{name}")


def test_damaged_archives(library: bytes, tmp_path: Path):
    """Whatever is cut off or overwritten, there is a member inside of the file, or an error."""
    whole = archive(tmp_path / "a.zip", library).read_bytes()
    refused = 0
    for n in range(0, len(whole), 997):
        for content in (whole[:n], whole[:n] + b"\xff" * 40 + whole[n + 40 :], whole[n:]):
            path = tmp_path / f"damaged{n}.zip"
            path.write_bytes(content)
            try:
                found = member(f"{path}!/{NAME}")
                assert found.start + found.size <= len(content)
            except (ArchiveError, OSError):
                refused += 1
            path.unlink()
    assert refused > 10


@pytest.mark.live
def test_counting(pytrace: Pytrace, library: bytes, tmp_path: Path):
    """A program maps the code out of the archive and calls it."""
    path = archive(tmp_path / "a.zip", library)
    found = member(f"{path}!/{NAME}")
    elf = Elf(found.file, found.start, found.size)
    symbol = elf.function("triple")
    assert symbol is not None
    place = elf.file_offset(symbol.address)
    assert place is not None
    script = tmp_path / "caller.py"
    script.write_text(
        "import ctypes\n"
        "libc = ctypes.CDLL(None)\nlibc.mmap.restype = ctypes.c_void_p\n"
        "libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]\n"
        f"file = open({str(path)!r}, 'rb')\nfd = file.fileno()\n"
        f"page = libc.mmap(None, 4096, 5, 2, fd, {(found.start + place) & ~4095})\n"
        f"triple = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(page + {(found.start + place) & 4095})\n"
        "print(sum(triple(n) for n in range(7)))\n"
    )
    target = f"{path}!/{NAME}"
    program = (
        f"uprobe:{target}:triple {{ @n = sum(arg0); @[func, probe] = count(); }} uretprobe:{target}:triple "
        "{ @r = sum((int32)retval); }"
    )
    done = pytrace("-q", "-e", program, "-c", f"{sys.executable} {script}")
    assert done.stdout.startswith("63\n"), done.stderr
    assert "@n: 21\n" in done.stdout and "@r: 63\n" in done.stdout
    assert f"uprobe:{target}:triple]: 7\n" in done.stdout
    listed = pytrace("-l", f"uprobe:{target}:t*").stdout
    assert listed.splitlines() == [f"uprobe:{target}:triple", f"uprobe:{target}:twice"]


CALLER = """
import ctypes, sys, time
path, start, function = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
file = open(path, "rb")
page = libc.mmap(None, 4096, 5, 2, file.fileno(), (start + function) & ~4095)
called = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(page + ((start + function) & 4095))
for n in range(3):
    called(n)
time.sleep(1)  # its symbols are read as long as it lives
"""

PROBED = """
#define NOTE "990: nop\\n.pushsection .note.stapsdt,\\"\\",\\"note\\"\\n.balign 4\\n" \\
    ".4byte 8, 994f-993f, 3\\n.asciz \\"stapsdt\\"\\n993: .8byte 990b, 0, 0\\n" \\
    ".asciz \\"lib\\"\\n.asciz \\"called\\"\\n.asciz \\"-4@%0\\"\\n994:\\n" \\
    ".balign 4\\n.popsection"
int called(int number) { __asm__ volatile(NOTE : : "r"(number)); return number; }
"""


@pytest.mark.live
def test_static_probes_parameters_and_frames(pytrace: Pytrace, tmp_path: Path):
    """Code in an archive is like code in a file of its own."""
    built = tmp_path / "libcode.so"
    subprocess.run(
        ["gcc", "-O1", "-g", "-fno-omit-frame-pointer", "-shared", "-fPIC", "-Wl,-z,noseparate-code", "-o", built,
         "-xc", "-"], input=PROBED.encode(), check=True,
    )  # fmt: skip
    path = archive(tmp_path / "a.zip", built.read_bytes())
    found = member(f"{path}!/{NAME}")
    elf = Elf(found.file, found.start, found.size)
    symbol = elf.function("called")
    assert symbol is not None
    script = tmp_path / "caller.py"
    script.write_text(CALLER)
    target = f"{path}!/{NAME}"
    program = (
        f"uprobe:{target}:called {{ @p = sum(args.number); print((ustack(1), usym(reg(\"ip\")))); "
        "print(ustack(perf, 1)); }"
        f" usdt:{target}:lib:called {{ @s = sum((int32)arg0); @at[probe] = count(); }}"
    )
    command = f"{sys.executable} {script} {path} {found.start} {elf.file_offset(symbol.address)}"
    assert pytrace("-l", f"usdt:{target}:*").stdout.split() == [f"usdt:{target}:lib:called"]
    done = pytrace("-q", "-e", program, "-c", command)
    assert "@p: 3\n" in done.stdout and "@s: 3\n" in done.stdout, done.stderr
    assert done.stdout.count("        called+0\n, called)\n") == 3
    assert done.stdout.count(f" called+0 ({target})\n") == 3
    assert f"@at[usdt:{target}:lib:called]: 3\n" in done.stdout


@pytest.mark.live
def test_the_reason_is_told(pytrace: Pytrace, library: bytes, tmp_path: Path):
    path = archive(tmp_path / "a.zip", library, method=zipfile.ZIP_DEFLATED)
    done = pytrace("-e", f"uprobe:{path}!/{NAME}:triple {{ }}", status=1)
    assert f"ERROR: uprobe target file '{path}!/{NAME}' does not exist or is not executable" in done.stderr
    assert "HINT: 'lib/libcode.so' is compressed" in done.stderr
