"""Paths of control groups by their id (`cgroup_path`).

The id of a control group is the inode number of its directory. Directories of kernfs can be opened by that number
(fs/kernfs/mount.c, `kernfs_fh_to_dentry`), so nothing has to be searched.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from functools import cache

from pytrace.probes.patterns import matcher

__all__ = ["cgroup_paths"]

_FILEID_KERNFS = 0xFE
_libc = ctypes.CDLL(None, use_errno=True)


@cache
def _hierarchies() -> list[tuple[str, str]]:
    """(name, mount point) of each mounted hierarchy: the second version's first, as "unified", then those of the first
    version, named by their directories."""
    second: list[tuple[str, str]] = []
    first: dict[str, str] = {}
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                fields, _, rest = line.partition(" - ")
                point, kind = fields.split()[4].replace("\\040", " "), rest.split()[0]
                if kind == "cgroup2":
                    second.append(("unified", point))
                elif kind == "cgroup":
                    first.setdefault(os.path.basename(point), point)
    except OSError:
        return []
    return second[:1] + sorted(first.items())


def _path_of(id_: int, root: str) -> str | None:
    """The path of a directory below the mount point, `/` for the mount point itself; None if it is not there."""
    try:
        if os.stat(root).st_ino == id_:
            return "/"
        mount = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        handle = struct.pack("<IiQ", 8, _FILEID_KERNFS, id_)
        fd = _libc.open_by_handle_at(mount, handle, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if fd < 0:
            return _search(id_, root)
        try:
            path = os.readlink(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
    finally:
        os.close(mount)
    return path.removeprefix(root) or "/"


def _search(id_: int, root: str) -> str | None:
    """The same by looking at all directories."""
    for path, _, _ in os.walk(root):
        try:
            if os.stat(path).st_ino == id_:
                return path.removeprefix(root) or "/"
        except OSError:
            continue
    return None


def cgroup_paths(id_: int, filter_: str) -> Iterator[tuple[str, str]]:
    """(hierarchy, path) for the hierarchies that have a control group of that id and whose name matches the filter."""
    wanted = matcher(filter_ or "*")
    for name, root in _hierarchies():
        if wanted(name) and (path := _path_of(id_, root)) is not None:
            yield name, path
