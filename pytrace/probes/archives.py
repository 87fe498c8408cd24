"""Programs and libraries inside of zip archives, which Android maps and runs without unpacking: `ARCHIVE!/MEMBER`.

Such a member is stored as it is, at the start of a page of the archive; a probe's place in it is a place in the
archive.
"""

from __future__ import annotations

import mmap

from pytrace.frozen import frozen
from pytrace.kernel.archives import DAMAGE, content_start, is_stored
from pytrace.probes.binaries import FileState, native
from pytrace.problem import Problem
from pytrace.recent import recent

__all__ = ["ArchiveError", "Member", "is_member", "member"]

_SEPARATOR = "!/"


class ArchiveError(Problem, ValueError):
    """Why a member cannot be probed."""


@frozen
class Member:
    """`size` bytes from `start` on in the archive `file` (a path of the operating system)."""

    file: str
    start: int
    size: int


def is_member(path: str) -> bool:
    """Whether a path of the script names a member of an archive."""
    return _SEPARATOR in path


def member(path: str) -> Member:
    """The member that a path of the script names. Raises `ArchiveError`, and `OSError` without such an archive."""
    archive, _, name = path.partition(_SEPARATOR)
    return _find(native(archive), FileState.of(native(archive)), native(name))


@recent(maxsize=16)
def _find(archive: str, state: FileState, name: str) -> Member:
    import struct
    import zipfile

    try:
        with zipfile.ZipFile(archive) as file:
            found = file.getinfo(name)
        if not is_stored(found):
            raise ArchiveError(
                f"'{name}' is compressed or encrypted in {archive}: only what is stored as it is can be mapped"
            )
        with open(archive, "rb") as raw:
            start = content_start(raw, found)
    except KeyError:
        raise ArchiveError(f"{archive} has no member '{name}'") from None
    except (zipfile.BadZipFile, struct.error, *DAMAGE) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"{archive} is not a zip archive, or damaged: {error}") from error
    if start is None:
        raise ArchiveError(f"{archive} is damaged: '{name}' is not where its directory says")
    if start % mmap.PAGESIZE:
        raise ArchiveError(
            f"'{name}' does not start at a page of {archive}: it cannot be mapped from there (zipalign -p)"
        )
    if start + found.file_size > state.size:
        raise ArchiveError(f"{archive} is damaged: '{name}' reaches beyond its end")
    return Member(archive, start, found.file_size)
