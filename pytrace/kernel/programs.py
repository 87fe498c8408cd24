"""BPF programs: loading, running on demand, and what the kernel says about them."""

from __future__ import annotations

import errno
import os
import struct

from pytrace.frozen import frozen
from pytrace.kernel.abi import AttachType, Cmd, ProgType
from pytrace.kernel.maps import object_name
from pytrace.kernel.syscall import BpfError, address, address_of_buffer, bpf, bpf_or_errno

__all__ = ["TestRun", "VerifierError", "btf_load", "enable_stats", "prog_load", "prog_load_verbose", "prog_test_run"]

_LOG_START = 64 << 10
_LOG_LIMIT = (1 << 30) - 1
_FUNC_INFO_SIZE = 8
_LINE_INFO_SIZE = 16


class VerifierError(BpfError):
    """A program was refused. `log` is the kernel's verifier log, perhaps empty; `reason` the line that says why."""

    def __init__(self, number: int, name: str, log: str) -> None:
        super().__init__(number, f"cannot load BPF program {name}")
        self.name = name
        self.log = log

    @property
    def reason(self) -> str:
        """The last line of the log before its statistics: what the verifier objected to."""
        statistics = ("processed ", "verification time ", "stack depth ", "peak_states ")
        for line in reversed(self.log.splitlines()):
            if line.strip() and not line.startswith(statistics):
                return line.strip()
        return self.strerror or ""


def _load_attr(
    type: ProgType, insns: bytes, license: bytes, name: str, attach_type: AttachType, attach_btf_id: int,
    attach_fd: int, btf_fd: int, func_info: bytes, line_info: bytes, flags: int, fd_array: int,
    log: tuple[int, int, int],
) -> bytearray:
    level, log_size, log_buffer = log
    return bytearray(struct.pack(
        "<IIQQIIQII16sIIIIQIIQIIIIQ",
        type, len(insns) // 8, address(insns), address(license), level, log_size, log_buffer, 0, flags,
        object_name(name), 0, attach_type, btf_fd,
        _FUNC_INFO_SIZE if func_info else 0, address(func_info) if func_info else 0, len(func_info) // _FUNC_INFO_SIZE,
        _LINE_INFO_SIZE if line_info else 0, address(line_info) if line_info else 0, len(line_info) // _LINE_INFO_SIZE,
        attach_btf_id, attach_fd, 0, fd_array,
    ))


def prog_load_verbose(
    type: ProgType | str | int,
    insns: bytes,
    *,
    license: str = "GPL",
    name: str = "",
    expected_attach_type: AttachType | str | int = AttachType.NONE,
    attach_btf_id: int = 0,
    attach_btf_obj_fd: int = 0,
    attach_prog_fd: int = 0,
    btf_fd: int = 0,
    func_info: bytes = b"",
    line_info: bytes = b"",
    flags: int = 0,
    fd_array: bytes = b"",
    log_level: int = 0,
    log_size: int = 1000000,
) -> tuple[int, str]:
    """Load a program; gives its file descriptor and the verifier's log (empty at `log_level` 0).

    `insns` are whole 8-byte instructions, maps already filled in. `attach_btf_id` names the traced type or function in
    the kernel's BTF, in the BTF object `attach_btf_obj_fd` (a module's), or in the program `attach_prog_fd`.
    `func_info` has records of 8 bytes (instruction, type id), `line_info` of 16, both against `btf_fd`. `fd_array`
    holds int32 descriptors (module BTF of kernel functions). `log_size` is how much of the log is kept, in bytes.

    Raises `VerifierError`, with the log even at `log_level` 0: the program is then verified a second time.
    """
    kind = ProgType.of(type)
    attach_type = AttachType.of(expected_attach_type)
    licence = license.encode()

    def attempt(level: int, size: int) -> tuple[int, str]:
        buffer = bytearray(size)
        attr = _load_attr(
            kind, insns, licence, name, attach_type, attach_btf_id, attach_prog_fd or attach_btf_obj_fd, btf_fd,
            func_info, line_info, flags, address(fd_array) if fd_array else 0,
            (level, size, address_of_buffer(buffer)),
        )
        result = bpf_or_errno(Cmd.PROG_LOAD, attr)
        for _ in range(4):  # the verifier gives up with EAGAIN when a signal is pending
            if result != -errno.EAGAIN:
                break
            result = bpf_or_errno(Cmd.PROG_LOAD, attr)
        end = buffer.find(0)
        return result, buffer[: end if end >= 0 else size].decode("utf-8", "replace")

    result, log = attempt(log_level, _LOG_START if log_level else 0)
    size = _LOG_START
    if result < 0 and not log_level:
        first = result
        result, log = attempt(1, size)
        if result >= 0:  # the cause has passed; this is the program that was asked for
            return result, ""
        if result != -errno.ENOSPC:
            result = first
    limit = min(max(log_size, _LOG_START), _LOG_LIMIT)
    while result == -errno.ENOSPC and size < limit:
        # Kernels before 6.4 keep the beginning of a log that does not fit, later ones its end; both say ENOSPC.
        size = min(size * 8, limit)
        result, log = attempt(log_level or 1, size)
    if result == -errno.ENOSPC and log_level:
        fd, _ = attempt(0, 0)
        if fd >= 0:
            return fd, log
        result = fd
    if result >= 0:
        return result, log
    raise VerifierError(-result, name, log)


def prog_load(
    type: ProgType | str | int,
    insns: bytes,
    *,
    license: str = "GPL",
    name: str = "",
    expected_attach_type: AttachType | str | int = AttachType.NONE,
    attach_btf_id: int = 0,
    attach_btf_obj_fd: int = 0,
    attach_prog_fd: int = 0,
    btf_fd: int = 0,
    func_info: bytes = b"",
    line_info: bytes = b"",
    flags: int = 0,
    fd_array: bytes = b"",
    log_size: int = 1000000,
) -> int:
    """`prog_load_verbose` without a log unless the program is refused; gives the file descriptor."""
    return prog_load_verbose(
        type, insns, license=license, name=name, expected_attach_type=expected_attach_type,
        attach_btf_id=attach_btf_id, attach_btf_obj_fd=attach_btf_obj_fd, attach_prog_fd=attach_prog_fd,
        btf_fd=btf_fd, func_info=func_info, line_info=line_info, flags=flags, fd_array=fd_array, log_size=log_size,
    )[0]


@frozen
class TestRun:
    """The outcome of running a program on demand: its return value (u32), nanoseconds of one run on average, and the
    packet it left behind (XDP)."""

    retval: int
    duration: int
    data: bytes


def prog_test_run(
    fd: int,
    *,
    data_in: bytes = b"",
    ctx_in: bytes = b"",
    repeat: int = 0,
    data_out_size: int = 0,
    cpu: int | None = None,
) -> TestRun:
    """Run a program in the context of this process.

    RAW_TRACEPOINT programs take `ctx_in` (arguments of 8 bytes each; reads beyond it give garbage) and neither
    `repeat` nor data; XDP programs need at least 14 bytes of `data_in` and can be repeated. Other types: EOPNOTSUPP or
    `ENOTSUPP`. `cpu` runs it there (BPF_F_TEST_RUN_ON_CPU, raw tracepoints only). Raises `BpfError`.
    """
    out = bytearray(data_out_size)
    attr = bytearray(struct.pack(
        "<IIIIQQIIIIQQII", fd, 0, len(data_in), data_out_size, address(data_in) if data_in else 0,
        address_of_buffer(out), repeat, 0, len(ctx_in), 0, address(ctx_in) if ctx_in else 0, 0,
        1 if cpu is not None else 0, cpu or 0,
    ))
    bpf(Cmd.PROG_TEST_RUN, attr, "cannot run a BPF program")
    retval, _, written = struct.unpack_from("<III", attr, 4)
    return TestRun(retval, struct.unpack_from("<I", attr, 36)[0], bytes(out[:written]))


def btf_load(data: bytes) -> int:
    """Give the kernel type information for programs to refer to; its file descriptor. Raises `VerifierError`."""
    for size in (0, _LOG_START, 1 << 24):
        log = bytearray(size)
        attr = bytearray(struct.pack(
            "<QQIII", address(data), address_of_buffer(log), len(data), size, 1 if size else 0
        ))
        result = bpf_or_errno(Cmd.BTF_LOAD, attr)
        if result >= 0:
            return result
        if size and result != -errno.ENOSPC:
            break
    raise VerifierError(-result, "type information", log.partition(b"\0")[0].decode("utf-8", "replace"))


def enable_stats() -> int:
    """Count runs and time of all programs (BPF_STATS_RUN_TIME) until the returned descriptor is closed."""
    return bpf(Cmd.ENABLE_STATS, bytearray(struct.pack("<I", 0)), "cannot enable BPF statistics")


def close(*fds: int) -> None:
    """Close descriptors, each at once and in order; see `perf.close_all` for those whose closing takes long."""
    for fd in fds:
        os.close(fd)
