"""What is missing on this machine before anything can be traced, in one line each."""

from __future__ import annotations

import errno
import os
import sys

from pytrace.kernel import BCC_LIBRARY

__all__ = ["diagnose", "missing"]

# Numbers from include/uapi/linux/capability.h, in the order in which they are asked for.
_CAP_SYS_ADMIN = 21
_NEEDED = (
    ("CAP_DAC_READ_SEARCH", 2, False),
    ("CAP_DAC_OVERRIDE", 1, False),
    ("CAP_BPF", 39, True),
    ("CAP_PERFMON", 38, True),
)


def _effective_capabilities() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("CapEff:"):
                return int(line.split()[1], 16)
    return 0


def missing_capability() -> str | None:
    """The first capability that this process lacks. CAP_SYS_ADMIN stands in for CAP_BPF and CAP_PERFMON, as it did
    before Linux 5.8."""
    have = _effective_capabilities()
    for name, bit, replaceable in _NEEDED:
        if not have >> bit & 1 and not (replaceable and have >> _CAP_SYS_ADMIN & 1):
            return name
    return None


def lockdown() -> str:
    """The kernel's lockdown mode: "none", "integrity", "confidentiality", or "" where it has none."""
    try:
        with open("/sys/kernel/security/lockdown", encoding="ascii") as file:
            return file.read().partition("[")[2].partition("]")[0]
    except OSError:
        return ""


def _no_bpf() -> str | None:
    from pytrace.kernel.maps import map_create
    from pytrace.kernel.syscall import BpfError

    try:
        os.close(map_create("ringbuf", 0, 0, os.sysconf("SC_PAGESIZE")))
    except BpfError as error:
        if error.errno == errno.ENOSYS:
            return "This kernel was built without BPF (CONFIG_BPF_SYSCALL)."
        if error.errno == errno.EPERM:
            return "This system forbids BPF: bpf() fails with EPERM, as in containers that filter system calls."
        if error.errno == errno.EINVAL:
            return f"BPF ring buffers are needed: Linux 5.8 or later, this is {os.uname().release}."
        return f"BPF does not work here: {error}."
    return None


def _listed(library: str) -> bool:
    """Whether the dynamic loader's cache has a library. Believing it takes a tenth of a millisecond, loading four."""
    try:
        with open("/etc/ld.so.cache", "rb") as file:
            return library.encode() + b"\0" in file.read()
    except OSError:
        return False


def _loads_bcc() -> bool:
    from pytrace.kernel.bcc import available

    return available()


def missing() -> str | None:
    """The one line that says why nothing can be traced here; None if all is well. Takes about 0.2 ms."""
    if sys.platform != "linux":
        return f"Only Linux can be traced, this is {sys.platform}."
    if capability := missing_capability():
        return f"Missing {capability} capability, please run pytrace as the root user."
    if lockdown() == "confidentiality":
        return "Kernel lockdown is in confidentiality mode, which forbids reading kernel memory."
    if reason := _no_bpf():
        return reason
    if not _listed(BCC_LIBRARY) and not _loads_bcc():
        return "BCC's runtime library is missing: install the package libbpfcc (on other systems bcc or libbcc)."
    return None


def diagnose() -> list[str]:
    """All that is missing or limits what can be traced, one line each."""
    from pytrace.kernel import tracefs
    from pytrace.kernel.btf import kernel_btf_path

    found = [reason] if (reason := missing()) else []
    if sys.platform == "linux":
        if not kernel_btf_path():
            found.append("The kernel offers no type information (CONFIG_DEBUG_INFO_BTF): its types are unknown.")
        try:
            tracefs.find()
        except OSError as error:
            found.append(f"Tracepoints cannot be found: {error}.")
        if lockdown() == "integrity":
            found.append("Kernel lockdown is in integrity mode: functions that change user memory are refused.")
    return found
