"""What a process maps, and the mapped files, without being led astray by the process.

Paths that a process controls are never resolved from our root: symbolic links and `..` in them could lead anywhere.
A mapped file is opened through its mapping (`/proc/PID/map_files`), which names the file itself, also when it was
deleted, replaced, or never had a name. Where that is forbidden its path is resolved inside the root folder of the
process, and must lead to the file that is mapped.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct

from pytrace.kernel.archives import stored_at
from pytrace.kernel.elf import Elf, ElfError
from pytrace.named import NamedTuple
from pytrace.once import cache

__all__ = ["VDSO", "Mapping", "elf_of", "mappings", "open_elf_in_root", "open_mapped", "open_under", "root_of", "vdso"]

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


def root_of(pid: int) -> int:
    """A descriptor of a process's root folder, for `open_under`; it outlives the process. Raises `OSError`."""
    return os.open(f"/proc/{pid}/root", os.O_PATH | os.O_CLOEXEC)


def open_under(root: int, path: str, *, links: bool = True) -> int:
    """A descriptor of the file at an absolute path as seen from a root folder, which symbolic links do not leave.
    Without `links` there must be none. Raises `OSError`."""
    how = struct.pack("<QQQ", _QUIET, 0, _RESOLVE_IN_ROOT | (0 if links else _RESOLVE_NO_SYMLINKS))
    name = os.fsencode(path.lstrip("/"))
    fd = int(_libc.syscall(_OPENAT2, root, ctypes.c_char_p(name), ctypes.c_char_p(how), ctypes.c_size_t(len(how))))
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return fd


def _open_in_root(pid: int, path: str) -> int:
    root = root_of(pid)
    try:
        return open_under(root, path)
    finally:
        os.close(root)


def _elf(fd: int, path: str, offset: int = 0) -> Elf | None:
    """The ELF file of a descriptor, which is closed, under the name `path`; of an archive, the member at `offset`."""
    opened = f"/proc/self/fd/{fd}"
    try:
        member = stored_at(opened, offset) if offset else None
        elf = Elf(opened) if member is None else Elf(opened, member.start, member.size)
    except (OSError, ElfError, ValueError):
        return None
    finally:
        os.close(fd)
    elf.path = path if member is None else f"{path}!/{member.name}"
    return elf


def open_elf_in_root(pid: int, path: str) -> Elf | None:
    """The ELF file at an absolute path as the process sees it; None if there is none."""
    try:
        return _elf(_open_in_root(pid, path), path)
    except (OSError, ValueError):
        return None


def open_mapped(pid: int, mapping: Mapping) -> Elf | None:
    """A mapped ELF file, also one that was deleted, or that is seen by the process only, or that is part of an archive.
    Its `path` is the one in the process's own view."""
    path = mapping.path.removesuffix(" (deleted)")
    try:
        fd = os.open(f"/proc/{pid}/map_files/{mapping.start:x}-{mapping.end:x}", _QUIET)
    except OSError:
        if path != mapping.path or not path.startswith("/"):
            return None
        try:
            fd = _open_in_root(pid, path)
        except (OSError, ValueError):
            return None
        if os.fstat(fd).st_ino != mapping.inode:
            os.close(fd)
            return None
    return _elf(fd, path, mapping.offset)


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
        except OSError:
            return None
        return elf_of(image, VDSO)
    return None


def elf_of(image: bytes, path: str) -> Elf | None:
    """The ELF file that has these contents; None if they are none."""
    try:
        fd = os.memfd_create("elf", os.MFD_CLOEXEC)
        with open(fd, "wb", closefd=False) as file:
            file.write(image)
    except OSError:
        return None
    return _elf(fd, path)
