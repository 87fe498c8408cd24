"""Closing what takes the kernel long to let go.

Detaching waits until no CPU runs the program any more. Measured on Linux 6.18, for n links of perf events: 35 ms each
one after another, 130 ms for 360 of them in parallel. The events of tracepoints behind them need another 30 ms each,
and parallel threads do not help, for the kernel tears them down under one lock (kernel/trace/trace_event_perf.c,
`perf_trace_destroy`). Since they carry no program by then, nobody needs to wait for that.
"""

from __future__ import annotations

import os

from pytrace.hints import Iterable, Sequence

__all__ = ["abandon_events", "close_all", "detach_all"]

_THREADS = 128


def _close_in_parallel(fds: list[int]) -> None:
    shares = [fds[n::_THREADS] for n in range(min(_THREADS, len(fds)))]

    def close(share: list[int]) -> None:
        for fd in share:
            os.close(fd)

    import threading  # takes about as long to import as a few links to close

    if len(fds) < 2:
        close(fds)
        return
    threads = [threading.Thread(target=close, args=(share,)) for share in shares[1:]]
    for thread in threads:
        thread.start()
    if shares:
        close(shares[0])
    for thread in threads:
        thread.join()


def _kind(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}").removeprefix("anon_inode:").strip("[]")


def _split(fds: Iterable[int]) -> tuple[list[int], list[int]]:
    """Perf events, and everything else."""
    events: list[int] = []
    others: list[int] = []
    for fd in fds:
        (events if _kind(fd) == "perf_event" else others).append(fd)
    return events, others


def close_all(fds: Iterable[int]) -> None:
    """Close descriptors of links and perf events; at return everything is detached and gone."""
    events, others = _split(fds)
    _close_in_parallel(others)
    _close_in_parallel(events)


def detach_all(fds: Iterable[int]) -> None:
    """Close descriptors of links and perf events; at return no program is attached any more.

    Events whose programs were held by links may be torn down in a child process that outlives this call (and this
    process). It holds nothing else. Meant for the end of a run: in a process with other threads use `close_all`.
    """
    events, others = _split(fds)
    _close_in_parallel(others)
    if others:
        abandon_events(events)
    else:  # without links it is the closing of the event that detaches
        _close_in_parallel(events)


def abandon_events(events: Sequence[int]) -> None:
    """Close descriptors of perf events whose programs were held by links that are closed, without waiting for their
    end: a child process tears them down, which may outlive this one and holds nothing else."""
    if not events:
        return
    ready, done = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(ready)
        os.close(done)
        _close_in_parallel(list(events))
        return
    if child == 0:
        try:
            os.setsid()
            # Let go of everything but the events: pipes that others read to their end, maps, programs.
            keep = sorted({*events, done})
            for low, high in zip([-1, *keep], [*keep, os.sysconf("SC_OPEN_MAX")], strict=True):
                os.closerange(low + 1, high)
            os.close(done)
        finally:
            os._exit(0)  # closes the events, one after another
    os.close(done)
    for fd in events:
        os.close(fd)
    os.read(ready, 1)
    os.close(ready)
