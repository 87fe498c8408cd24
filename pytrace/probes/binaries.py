"""The files that uprobe and usdt specifications name (PROBES 3.6)."""

from __future__ import annotations

import os

from pytrace.frozen import frozen
from pytrace.hints import Iterator
from pytrace.probes.paths import native, shown

__all__ = ["Binary", "FileState", "find_binaries", "native", "shown"]


@frozen
class Binary:
    """A file to probe: `path` as text of the script (one character per byte); `others` counts further matches."""

    path: str
    others: int = 0


@frozen
class FileState:
    """Whether a file is still the one that was looked at."""

    device: int
    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, path: str) -> FileState:
        status = os.stat(path)
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def find_binaries(text: str, pid: int | None, *, unsafe: bool = False) -> list[Binary]:
    """The files that a target part means, in order; empty if there is none that can be probed.

    `pid` is the traced process: it has its own files and its own libraries.
    """
    from pytrace.kernel.elf import find_library, is_executable

    if "\0" in text:
        return []
    path = native(text)
    accept = os.path.exists if unsafe else is_executable
    if "*" in path:
        found = sorted(set(_all_mapped(pid) if path == "*" else _globbed(path, pid)), key=os.fsencode)
        return [Binary(shown(each)) for each in found if is_executable(each)]
    if path.startswith("lib") and (library := find_library(path, pid)) is not None:
        return [Binary(shown(f"{_root(pid)}{library}"))]
    candidates = [each for each in _candidates(path, pid) if accept(each)]
    # The same file under two spellings of $PATH is still two matches: the user named neither.
    return [Binary(shown(candidates[0]), len(candidates) - 1)] if candidates else []


def _root(pid: int | None) -> str:
    """The prefix of paths inside the process's mount namespace; empty if it is ours."""
    if pid is None:
        return ""
    try:
        if os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt"):
            return ""
    except OSError:
        return ""
    return f"/proc/{pid}/root"


def _search_path(pid: int | None) -> list[str]:
    root = _root(pid)
    text = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    if root:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                entries = dict(entry.partition(b"=")[::2] for entry in file.read().split(b"\0"))
            text = os.fsdecode(entries.get(b"PATH", b""))
        except OSError:
            pass
    return [f"{root}{folder}" for folder in text.split(":") if folder]


def _candidates(path: str, pid: int | None) -> Iterator[str]:
    root = _root(pid)
    if path.startswith("/"):
        yield path if path.startswith("/proc/") else f"{root}{path}"
        return
    yield path
    if "/" not in path:
        yield from (f"{folder}/{path}" for folder in _search_path(pid))


def _globbed(pattern: str, pid: int | None) -> Iterator[str]:
    """Only `*` is a wildcard here, and it stays within a component of the path."""
    import glob

    escaped = "*".join(glob.escape(piece) for piece in pattern.split("*"))
    for candidate in _candidates(escaped, pid):
        yield from glob.iglob(candidate)


def _all_mapped(pid: int | None) -> Iterator[str]:
    """All files that the process, or any process, has mapped executable."""
    seen: set[str] = set()
    for each in [str(pid)] if pid is not None else filter(str.isdigit, os.listdir("/proc")):
        for mapped in _mapped_files(each):
            if mapped not in seen:
                seen.add(mapped)
                yield mapped


def _mapped_files(pid: str) -> Iterator[str]:
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                fields = line.rstrip("\n").split(None, 5)
                if len(fields) == 6 and "x" in fields[1] and fields[5].startswith("/"):
                    path = fields[5].removesuffix(" (deleted)")
                    root = _root(int(pid))
                    yield f"{root}{path}"
    except OSError:
        return
