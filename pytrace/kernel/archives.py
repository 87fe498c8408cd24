"""Code in zip archives, which Android maps and runs without unpacking: members that are stored as they are, and start
at a page of the archive (APPNOTE.TXT, "Local file header").
"""

from __future__ import annotations

import mmap
import os

from pytrace.frozen import frozen
from pytrace.hints import TYPE_CHECKING
from pytrace.recent import recent

if TYPE_CHECKING:
    from typing import BinaryIO
    from zipfile import ZipInfo

__all__ = ["DAMAGE", "StoredMember", "content_start", "is_stored", "stored_at"]

_STORED, _ENCRYPTED = 0, 1
_LOCAL, _LOCAL_SIZE = b"PK\x03\x04", 30
_END, _END_SIZE, _COMMENT_AT_MOST = b"PK\x05\x06", 22, 0xFFFF
_DIRECTORY_AT_MOST = 1 << 22
"""Bytes of the directory of an archive; a longer one is not read for the sake of symbols."""
DAMAGE = (ValueError, LookupError, NotImplementedError, EOFError, OverflowError, MemoryError)
"""What reading a damaged archive leads to, besides `zipfile.BadZipFile` and `struct.error`."""


@frozen
class StoredMember:
    """`size` bytes of an archive from `start` on."""

    start: int
    size: int
    name: str


def is_stored(info: ZipInfo) -> bool:
    """Whether a member is neither compressed nor encrypted."""
    return not info.flag_bits & _ENCRYPTED and info.compress_type == _STORED


def content_start(file: BinaryIO, info: ZipInfo) -> int | None:
    """Where the content of a member starts; None if its header is damaged."""
    file.seek(info.header_offset)
    header = file.read(_LOCAL_SIZE)
    if len(header) < _LOCAL_SIZE or not header.startswith(_LOCAL):
        return None
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return info.header_offset + _LOCAL_SIZE + lengths


def _directory_size(file: BinaryIO, size: int) -> int:
    """What an archive says of its directory, in bytes; -1 if it has none."""
    file.seek(max(size - _END_SIZE - _COMMENT_AT_MOST, 0))
    end = file.read()
    at = end.rfind(_END)
    return int.from_bytes(end[at + 12 : at + 16], "little") if at >= 0 else -1


@recent(maxsize=8)
def _members(path: str, state: tuple[int, int, int, int]) -> tuple[StoredMember, ...]:
    import struct
    import zipfile

    found = []
    try:
        with open(path, "rb") as file:
            if file.read(4) != _LOCAL or not 0 <= _directory_size(file, state[2]) <= _DIRECTORY_AT_MOST:
                return ()
            with zipfile.ZipFile(file) as archive:
                for info in archive.infolist():
                    start = content_start(file, info) if is_stored(info) else None
                    if start is not None and start % mmap.PAGESIZE == 0 and start + info.file_size <= state[2]:
                        found.append(StoredMember(start, info.file_size, info.filename))
    except (OSError, zipfile.BadZipFile, struct.error, *DAMAGE):
        return ()
    return tuple(found)


def stored_at(path: str, offset: int) -> StoredMember | None:
    """The member of an archive that a position of the file lies in, if it can be mapped; None also for other files.
    `path` must lead to a plain file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    state = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
    return next((each for each in _members(path, state) if each.start <= offset < each.start + each.size), None)
