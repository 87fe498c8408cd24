"""Programs attached to perf events count what happened, exactly."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.kernel import bpf, closing, perf, tracefs
from pytrace.kernel.assemble import exit_, insn
from pytrace.kernel.bpf import BpfError
from pytrace.kernel.elf import Elf

pytestmark = pytest.mark.live

_SYSCALL = ctypes.CDLL(None, use_errno=True).syscall
GETPPID = {"x86_64": 110, "aarch64": 173}[os.uname().machine]


def event_id(category: str, name: str) -> int:
    found = tracefs.find().event_id(category, name)
    assert found is not None
    return found


def only_getppid() -> bytes:
    """Ends unless the system call of raw_syscalls:sys_enter (its number is at 8) is getppid."""
    return insn(0x79, 1, 6, 8) + insn(0x15, 1, offset=2, imm=GETPPID) + exit_(0)


def test_a_tracepoint_counts_every_call(counter):
    prog = counter.program("tracepoint", head=only_getppid())
    fds = perf.attach(prog, perf.tracepoint_event(event_id("raw_syscalls", "sys_enter")))
    for _ in range(1234):
        _SYSCALL(GETPPID)
    closing.close_all(fds)
    _SYSCALL(GETPPID)
    assert counter[0] == 1234


def test_cookies_tell_events_apart(counter):
    prog = counter.program("tracepoint", head=only_getppid(), cookie=True)
    enter = perf.attach(prog, perf.tracepoint_event(event_id("raw_syscalls", "sys_enter")), 5)
    exit = perf.attach(prog, perf.tracepoint_event(event_id("raw_syscalls", "sys_exit")), 6)
    for _ in range(100):
        _SYSCALL(GETPPID)
    closing.close_all((*enter, *exit))
    assert [counter[n] for n in (0, 5, 6)] == [0, 100, 100]


def test_a_clock_ticks(counter):
    prog = counter.program("perf_event", only_me=False)
    cpu = bpf.online_cpus()[0]
    fds = perf.attach(prog, perf.software_event("cpu-clock", period=1000000, cpu=cpu))
    start = time.monotonic()
    time.sleep(0.2)
    took = time.monotonic() - start
    closing.close_all(fds)
    ticks = counter[0]
    assert 0 < ticks <= took * 1000 + 100
    time.sleep(0.02)
    assert counter[0] == ticks


def test_a_frequency_of_this_process(counter):
    prog = counter.program("perf_event")
    fds = perf.attach(prog, perf.software_event("task-clock", frequency=1000, pid=os.getpid(), inherit=True))
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    closing.close_all(fds)
    assert counter[0] > 10


def test_faults_are_counted_per_event(counter):
    import mmap

    prog = counter.program("perf_event")
    fds = perf.attach(prog, perf.software_event("page-faults", period=1, pid=os.getpid()))
    with mmap.mmap(-1, 512 * mmap.PAGESIZE) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        for page in range(512):
            memory[page * mmap.PAGESIZE] = 1
    closing.close_all(fds)
    assert 512 <= counter[0] < 700


def test_a_uprobe_counts_calls(counter, traced: Callable[..., Path]):
    path = traced("functions")
    symbol = Elf(str(path)).function("leaf")
    assert symbol is not None
    offset = Elf(str(path)).file_offset(symbol.address)
    assert offset is not None
    prog = counter.program("kprobe", only_me=False, cookie=True)
    fds = [
        *perf.attach(prog, perf.uprobe_event(str(path), offset), 1),
        *perf.attach(prog, perf.uprobe_event(str(path), offset, returns=True), 2),
    ]
    subprocess.run([str(path)], input="150\n", text=True, check=True, stdout=subprocess.DEVNULL)
    closing.close_all(fds)
    subprocess.run([str(path)], input="10\n", text=True, check=True, stdout=subprocess.DEVNULL)
    assert (counter[1], counter[2]) == (150, 150)


def test_a_breakpoint_counts_writes(counter):
    cell = ctypes.c_long(0)
    prog = counter.program("perf_event")
    try:
        event = perf.breakpoint_event(ctypes.addressof(cell), 8, "w", pid=os.getpid())
    except BpfError as error:
        pytest.skip(f"no breakpoints here: {error}")
    fds = perf.attach(prog, event)
    for n in range(7):
        cell.value = n
    closing.close_all(fds)
    cell.value = 1
    assert counter[0] == 7


@pytest.mark.parametrize(
    ("open_event", "number"),
    [
        (lambda: perf.tracepoint_event(1 << 30), errno.EINVAL),
        (lambda: perf.uprobe_event("/nosuch/file", 0), errno.ENOENT),
        (lambda: perf.software_event("cpu-clock", period=1000, pid=1 << 22), errno.ESRCH),
        (lambda: perf.breakpoint_event(4, 3, "w", cpu=0), errno.EINVAL),
    ],
)
def test_what_cannot_be_opened_says_why(open_event: Callable[[], int], number: int):
    with pytest.raises(BpfError, match="cannot open") as caught:
        open_event()
    assert caught.value.errno == number


def test_a_program_of_the_wrong_type_is_refused_and_leaves_nothing(counter):
    before = os.listdir("/proc/self/fd")
    event = perf.tracepoint_event(event_id("raw_syscalls", "sys_enter"))
    with pytest.raises(BpfError):
        perf.attach(counter.program("xdp", only_me=False), event)
    assert len(os.listdir("/proc/self/fd")) == len(before) + 1  # the program


def test_the_limit_on_open_files_is_lifted(counter, monkeypatch: pytest.MonkeyPatch):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    from pytrace.kernel import syscall

    syscall.raise_open_files.cache_clear()
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 2, hard))
    fds: list[int] = []
    try:
        for _ in range(8):
            fds.append(perf.software_event("dummy", period=1, cpu=0))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        closing.close_all(fds)
    assert len(fds) == 8


def detach(fds: tuple[int, ...], how: Callable[..., None]) -> None:
    how(fds)
    for fd in fds:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


@pytest.mark.parametrize("how", [closing.close_all, closing.detach_all])
def test_detaching_many_at_once(counter, how: Callable[..., None]):
    fs = tracefs.find()
    names = [name for _, name in fs.events("syscalls") if name.startswith("sys_enter_")][:20]
    prog = counter.program("tracepoint")
    before = set(bpf.ids("link"))
    fds = tuple(
        fd for name in names for fd in perf.attach(prog, perf.tracepoint_event(event_id("syscalls", name)))
    )
    made = set(bpf.ids("link")) - before
    assert len(made) >= len(names)  # another tracer may have made some at the same moment
    detach(fds, how)
    count = counter[0]
    _SYSCALL(GETPPID)
    os.stat("/")
    assert counter[0] == count
    assert len(made & set(bpf.ids("link"))) <= len(made) - len(names)


def test_what_is_left_behind_holds_no_program(counter):
    """`detach_all` leaves a process behind for the events: the program must not live on in it."""
    prog = bpf.prog_load("tracepoint", exit_(0), name="gone")
    id = bpf.prog_info(prog).id
    fds = perf.attach(prog, perf.tracepoint_event(event_id("raw_syscalls", "sys_enter")))
    os.close(prog)
    closing.detach_all(fds)
    deadline = time.monotonic() + 1
    while id in bpf.ids("prog") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert id not in bpf.ids("prog")
