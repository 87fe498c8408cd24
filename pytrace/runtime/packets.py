"""Packets that programs send (`skboutput`): read from one perf event for each CPU, through BCC's perf readers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_int, c_uint64, c_void_p

from pytrace.kernel import bpf
from pytrace.kernel.bcc import library
from pytrace.kernel.maps import online_cpus
from pytrace.runtime.errors import RunError

__all__ = ["PacketReader"]

PAGES = 128
"""Pages of the buffer of each CPU: half a megabyte, a power of two."""

_RECORD = CFUNCTYPE(None, c_void_p, c_void_p, c_int)
_LOST = CFUNCTYPE(None, c_void_p, c_uint64)


class PacketReader:
    """`map_fd` is the map of perf events. Raises `RunError`.

    What is lost is counted by the programs, so the readers' own count is not taken.
    """

    def __init__(self, map_fd: int) -> None:
        self._lib = lib = library()
        lib.bpf_open_perf_buffer.restype = c_void_p
        lib.bpf_open_perf_buffer.argtypes = [_RECORD, _LOST, c_void_p, c_int, c_int, c_int]
        for name in ("perf_reader_fd", "perf_reader_event_read", "perf_reader_free"):
            getattr(lib, name).argtypes = [c_void_p]
        self._waiting: list[bytes] = []
        self._take = _RECORD(lambda _, data, size: self._waiting.append(ctypes.string_at(data, size)))
        self._ignore = _LOST(lambda _, count: None)
        self._readers: list[int] = []
        self.fds: tuple[int, ...] = ()
        """Readable when there are packets."""
        try:
            self.fds = tuple(self._open(map_fd, cpu) for cpu in online_cpus())
        except bpf.BpfError as error:
            self.close()
            raise RunError(f"Failed to open a buffer for packets: {error.strerror}") from error

    def _open(self, map_fd: int, cpu: int) -> int:
        reader = self._lib.bpf_open_perf_buffer(self._take, self._ignore, None, -1, cpu, PAGES)
        if not reader:
            raise bpf.BpfError(ctypes.get_errno(), "cannot open a perf event")
        self._readers.append(reader)
        fd: int = self._lib.perf_reader_fd(reader)
        bpf.map_update(map_fd, cpu.to_bytes(4, "little"), fd.to_bytes(4, "little"))
        return fd

    def handle(self, consume: Callable[[list[bytes]], bool]) -> None:
        """Handles all packets that are there."""
        for reader in self._readers:
            self._lib.perf_reader_event_read(reader)
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            consume(waiting)

    def close(self) -> None:
        for reader in self._readers:
            self._lib.perf_reader_free(reader)
        self._readers.clear()
