"""What a process maps, and the mapped files, without being led astray by the process.

Paths that a process controls are never resolved from our root: symbolic links and `..` in them could lead anywhere.
A mapped file is opened through its mapping (`/proc/PID/map_files`), which names the file itself, also when it was
deleted, replaced, or never had a name. Where that is forbidden its path is resolved inside the root folder of the process,
and must lead to the file that is mapped.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from functools import cache
from typing import NamedTuple

from pytrace.kernel.elf import Elf, ElfError

__all__ = ["VDSO", "Mapping", "mappings", "open_elf_in_root", "open_in_root", "open_mapped", "vdso"]

VDSO = "[vdso]"

_OPENAT2 = 437
_RESOLVE_NO_SYMLINKS, _RESOLVE_IN_ROOT = 0x04, 0x10
_QUIET = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""Opening has no effect on what is opened, and does not wait for another end."""

_libc = ctypes.CDLL(None, use_errno=True)


class Mapping(NamedTuple):
    """Executable memory: addresses from `start` to below `end` hold what is at `offset` in the file at `path`, as
    /proc/PID/maps names it. `device` and `inode` are 0 for memory without a file."""

    start: int
    end: int
    offset: int
    path: str
    device: int
    inode: int


def mappings(pid: int | str) -> list[Mapping]:
    """Executable mappings, by address; none of a process that has ended."""
    found = []
    with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            addresses, permissions, offset, device, inode, *rest = line.rstrip("\n").split(None, 5)
            if "x" in permissions:
                start, _, end = addresses.partition("-")
                major, _, minor = device.partition(":")
                path = rest[0].replace("\\012", "\n") if rest else ""
                number = os.makedev(int(major, 16), int(minor, 16))
                found.append(Mapping(int(start, 16), int(end, 16), int(offset, 16), path, number, int(inode)))
    return found


def open_in_root(pid: int, path: str, *, links: bool = True) -> int:
    """A descriptor of the file at an absolute path as the process sees it: symbolic links stay inside its root folder.
    Without `links` there must be none. Raises `OSError`."""
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_CLOEXEC)
    try:
        how = struct.pack("<QQQ", _QUIET, 0, _RESOLVE_IN_ROOT | (0 if links else _RESOLVE_NO_SYMLINKS))
        name = os.fsencode(path.lstrip("/"))
        fd = int(_libc.syscall(_OPENAT2, root, ctypes.c_char_p(name), ctypes.c_char_p(how), ctypes.c_size_t(len(how))))
        if fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        return fd
    finally:
        os.close(root)


def _elf(fd: int, path: str) -> Elf | None:
    """The ELF file of a descriptor, which is closed, under the name `path`."""
    try:
        elf = Elf(f"/proc/self/fd/{fd}")
    except (OSError, ElfError, ValueError):
        return None
    finally:
        os.close(fd)
    elf.path = path
    return elf


def open_elf_in_root(pid: int, path: str) -> Elf | None:
    """The ELF file at an absolute path as the process sees it; None if there is none."""
    try:
        return _elf(open_in_root(pid, path), path)
    except (OSError, ValueError):
        return None


def open_mapped(pid: int, mapping: Mapping) -> Elf | None:
    """A mapped ELF file, also one that was deleted, or that is seen by the process only. Its `path` is the one in the
    process's own view."""
    path = mapping.path.removesuffix(" (deleted)")
    try:
        fd = os.open(f"/proc/{pid}/map_files/{mapping.start:x}-{mapping.end:x}", _QUIET)
    except OSError:
        if path != mapping.path or not path.startswith("/"):
            return None
        try:
            fd = open_in_root(pid, path)
        except (OSError, ValueError):
            return None
        if os.fstat(fd).st_ino != mapping.inode:
            os.close(fd)
            return None
    return _elf(fd, path)


@cache
def vdso() -> Elf | None:
    """The code that the kernel maps into every process, as it is in this one."""
    for mapping in mappings("self"):
        if mapping.path != VDSO:
            continue
        try:
            with open("/proc/self/mem", "rb", buffering=0) as memory:
                memory.seek(mapping.start)
                image = memory.read(mapping.end - mapping.start)
            fd = os.memfd_create("vdso", os.MFD_CLOEXEC)
            os.write(fd, image)
        except OSError:
            return None
        return _elf(fd, VDSO)
    return None
