"""Packet captures (`skboutput`): the classic pcap format with nanoseconds, link type LINKTYPE_RAW.

https://www.ietf.org/archive/id/draft-gharris-opsawg-pcap-01.html
"""

from __future__ import annotations

import struct

__all__ = ["PacketFile"]

_NANOSECOND_MAGIC = 0xA1B23C4D
_LINKTYPE_RAW = 101
_SNAPSHOT_LENGTH = 65535
_BILLION = 1_000_000_000


class PacketFile:
    """A capture that is being written. Raises `OSError`."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115  closed by `close`
        self._file.write(struct.pack("<IHHiIII", _NANOSECOND_MAGIC, 2, 4, 0, 0, _SNAPSHOT_LENGTH, _LINKTYPE_RAW))

    def write(self, nanoseconds: int, length: int, data: bytes) -> None:
        """Append a packet of `length` bytes, of which `data` was captured at `nanoseconds` since 1970."""
        seconds, fraction = divmod(nanoseconds, _BILLION)
        self._file.write(struct.pack("<IIII", seconds & 0xFFFFFFFF, fraction, len(data), length) + data)

    def close(self) -> None:
        self._file.close()
