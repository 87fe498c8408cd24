"""What the providers share whose programs run at perf events: context, and attaching to several CPUs or threads."""

from __future__ import annotations

import errno
import os

from pytrace.hints import TYPE_CHECKING, Callable, Iterable
from pytrace.probes.provider import AttachError, Attachment, Host, Provider, Target

if TYPE_CHECKING:
    from pytrace.probes.contexts import ProbeContext


class PerfEventProvider(Provider):
    """A provider of PERF_EVENT programs. Their context is struct bpf_perf_event_data, which starts with the registers
    (include/uapi/linux/bpf_perf_event.h)."""

    prog_type = "perf_event"
    filtered_by_pid = True

    def context(self, target: Target, host: Host) -> ProbeContext:
        from pytrace.probes.contexts import ProbeContext
        from pytrace.probes.registers import pt_regs_size
        from pytrace.semantics.types import Pointer, Space, Struct

        # The registers, then two 64-bit words; known here, so that a timer needs no kernel types.
        data = Struct("bpf_perf_event_data", pt_regs_size() + 16, 8, "struct", "vmlinux")
        return ProbeContext(
            self.probetype, self.prog_type, registers=0, ctx=Pointer(data, Space.KERNEL)
        )


def threads_of(pid: int) -> list[int]:
    """The threads of a process, for events that the kernel binds to one thread each."""
    try:
        return sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))
    except FileNotFoundError:
        return [pid]


def attach_event(prog_fd: int, event_fd: int, cookie: int) -> tuple[int, ...]:
    """Attach a program to an event, which is consumed; gives the descriptors that hold it. Raises `OSError`.

    Kernels that know no cookies get none: no program depends on them there (`semantics.matching`).
    """
    from pytrace.kernel import perf

    return perf.attach(prog_fd, event_fd, cookie if cookie and perf.has_links() else 0)


def attach_events(
    prog_fd: int, target: Target, cookie: int, opens: Iterable[Callable[[], int]], *, partly: bool = False
) -> list[Attachment]:
    """Attach a program to several events that are one probe together: `opens` open them.

    Events of threads that have ended in the meantime are left out; with `partly` so are those that fail, with a
    warning. Raises `AttachError` if one of the others fails, or none is left.
    """
    fds: list[int] = []
    warnings: list[str] = []
    reason: OSError | None = None
    for open_event in opens:
        try:
            fds += attach_event(prog_fd, open_event(), cookie)
        except OSError as error:
            reason = error
            if error.errno == errno.ESRCH:
                continue
            warnings.append(_explain(error))
            if not partly:
                break
    if not fds or (warnings and not partly):
        for fd in fds:
            os.close(fd)
        raise AttachError(target, warnings[0] if warnings else "the process has ended", cause=reason)
    return [Attachment(1, tuple(fds), tuple(dict.fromkeys(warnings)))]


def _explain(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "No more HW registers left"
    return str(error)
