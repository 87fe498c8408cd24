"""Programs attached by BPF links of their own."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.kernel import bpf, features
from pytrace.kernel.assemble import call, exit_, insn, map_fd, mov, mov_register
from pytrace.kernel.bpf import AttachType, BpfError
from pytrace.kernel.btf import Kind, kernel_btf
from pytrace.kernel.elf import Elf

pytestmark = pytest.mark.live

_SYSCALL = ctypes.CDLL(None, use_errno=True).syscall
GETPPID = {"x86_64": 110, "aarch64": 173}[os.uname().machine]


def only_getppid() -> bytes:
    """Ends unless the second argument of sys_enter is getppid."""
    return insn(0x79, 1, 6, 8) + insn(0x15, 1, offset=2, imm=GETPPID) + exit_(0)


def test_a_raw_tracepoint_counts_every_call(counter):
    prog = counter.program("raw_tracepoint", head=only_getppid())
    link = bpf.raw_tracepoint_open(prog, "sys_enter")
    for _ in range(321):
        _SYSCALL(GETPPID)
    info = bpf.link_info(link)
    assert (info.type, info.prog_id) == (bpf.LinkType.RAW_TRACEPOINT, bpf.prog_info(prog).id)
    assert info.id in list(bpf.ids("link"))
    os.close(link)
    _SYSCALL(GETPPID)
    assert counter[0] == 321


def test_a_typed_raw_tracepoint_counts_every_call(counter):
    kernel = kernel_btf()
    found = kernel.find("btf_trace_sys_enter", Kind.TYPEDEF) if kernel is not None else None
    if found is None:
        pytest.skip("this kernel offers no BTF")
    prog = counter.program(
        "tracing", head=only_getppid(), expected_attach_type="trace_raw_tp", attach_btf_id=found.id
    )
    link = bpf.raw_tracepoint_open(prog)
    for _ in range(321):
        _SYSCALL(GETPPID)
    os.close(link)
    assert counter[0] == 321


def test_an_unknown_raw_tracepoint(counter):
    with pytest.raises(BpfError, match="cannot attach to raw tracepoint nosuch") as caught:
        bpf.raw_tracepoint_open(counter.program("raw_tracepoint"), "nosuch")
    assert caught.value.errno == errno.ENOENT


def test_many_places_of_a_file_through_one_link(counter, traced: Callable[..., Path]):
    if not features.uprobe_multi():
        pytest.skip("needs uprobe.multi (Linux 6.6)")
    path = str(traced("functions"))
    elf = Elf(path)
    offsets = [elf.file_offset(elf.function(name).address) for name in ("leaf", "hidden", "main")]  # type: ignore[union-attr]
    prog = counter.program("kprobe", only_me=False, cookie=True, expected_attach_type="trace_uprobe_multi")
    entry = bpf.link_uprobe_multi(prog, path, offsets, cookies=[1, 2, 3])  # type: ignore[arg-type]
    back = bpf.link_uprobe_multi(prog, path, offsets[:1], cookies=[4], returns=True)  # type: ignore[arg-type]
    subprocess.run([path], input="40\n2\n", text=True, check=True, stdout=subprocess.DEVNULL)
    os.close(entry)
    os.close(back)
    subprocess.run([path], input="40\n", text=True, check=True, stdout=subprocess.DEVNULL)
    assert [counter[n] for n in range(5)] == [0, 42, 42, 1, 42]


def test_one_process_of_a_file(counter, traced: Callable[..., Path]):
    if not features.uprobe_multi():
        pytest.skip("needs uprobe.multi (Linux 6.6)")
    path = str(traced("functions"))
    elf = Elf(path)
    offset = elf.file_offset(elf.function("leaf").address)  # type: ignore[union-attr]
    prog = counter.program("kprobe", only_me=False, expected_attach_type="trace_uprobe_multi")
    with subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as mine:
        assert mine.stdout is not None
        mine.stdout.readline()
        link = bpf.link_uprobe_multi(prog, path, [offset], pid=mine.pid)  # type: ignore[list-item]
        subprocess.run([path], input="10\n", text=True, check=True, stdout=subprocess.DEVNULL)
        mine.communicate("5\n")
    os.close(link)
    assert counter[0] == 5


def test_a_place_that_cannot_be_probed():
    if not features.uprobe_multi():
        pytest.skip("needs uprobe.multi (Linux 6.6)")
    prog = bpf.prog_load("kprobe", exit_(0), expected_attach_type="trace_uprobe_multi")
    with pytest.raises(BpfError, match="cannot attach to 1 places of /nosuch"):
        bpf.link_uprobe_multi(prog, "/nosuch", [0])
    os.close(prog)


def test_an_iterator_over_one_process():
    """Writes the pointer of each task to the output: one for each thread of this process, and the end."""
    kernel = kernel_btf()
    found = kernel.find("bpf_iter_task", Kind.FUNC) if kernel is not None else None
    if found is None or not features.iter():
        pytest.skip("needs iterators over tasks")
    seq_write = 127
    code = (
        # context: meta at 0 with the seq file at 0, the task at 8
        mov_register(6, 1) + insn(0x79, 7, 6, 8) + insn(0x15, 7, offset=7) + insn(0x79, 1, 6, 0) + insn(0x79, 1, 1, 0)
        + insn(0x62, 10, 0, -8, 0x61626364) + mov_register(2, 10, -8) + mov(3, 4) + call(seq_write) + exit_(0)
    )
    prog = bpf.prog_load("tracing", code, expected_attach_type=AttachType.TRACE_ITER, attach_btf_id=found.id)
    link = bpf.link_iter(prog, pid=os.getpid())
    reader = bpf.iter_create(link)
    threads = len(os.listdir("/proc/self/task"))
    assert os.read(reader, 4096) == b"dcba" * threads
    assert os.read(reader, 4096) == b""
    for fd in (reader, link, prog):
        os.close(fd)


def test_pinning_needs_the_bpf_file_system(tmp_path):
    fd = bpf.map_create("array", 4, 8, 1)
    with pytest.raises(BpfError, match="cannot pin"):
        bpf.obj_pin(fd, str(tmp_path / "pin"))
    with pytest.raises(BpfError, match="cannot open"):
        bpf.obj_get(str(tmp_path / "pin"))
    os.close(fd)


def test_a_map_reached_from_a_program(counter):
    """The counting program itself, run on demand."""
    prog = counter.program("raw_tracepoint")
    for _ in range(10):
        assert bpf.prog_test_run(prog).retval == 0
    assert counter[0] == 10
    used = bpf.prog_info(prog).map_ids
    assert used == (bpf.map_info(counter.fd).id,)
    assert map_fd(1, 3) == struct.pack("<BBhiBBhi", 0x18, 0x11, 0, 3, 0, 0, 0, 0)
