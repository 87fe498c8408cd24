"""`-l`: patterns, programs, types."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.probes.host import MachineHost
from pytrace.probes.listing import list_pattern, list_unit, warns_about_file
from pytrace.semantics.unit import Options
from tests.conftest import Done
from tests.probes.support import compile_headers

pytestmark = pytest.mark.live


def listed(patterns: str | None, *, verbose: bool = False, pid: int | None = None) -> list[str]:
    return list(list_pattern(patterns, MachineHost(Options(pid=pid)), verbose=verbose))


def program(*headers: str, verbose: bool = False) -> list[str]:
    unit, diagnostics = compile_headers(*headers)
    assert not diagnostics.errors
    assert unit.host is not None
    return list(list_unit(unit, unit.host, verbose=verbose))


@pytest.fixture(scope="session")
def probed(build: Callable[..., Path]) -> str:
    return str(build("probed"))


def test_events_and_units_end_in_a_colon() -> None:
    assert listed("software:c*") == [
        "software:context-switches:", "software:cpu-clock:", "software:cpu-migrations:", "software:cpu:",
        "software:cs:",
    ]  # fmt: skip
    assert listed("interval:*") == ["interval:hz:", "interval:ms:", "interval:s:", "interval:us:"]
    assert listed("hardware:*misses") == ["hardware:branch-misses:", "hardware:cache-misses:"]


def test_special_probes() -> None:
    assert listed("self:*") == ["self:signal:SIGUSR1"]
    assert listed("begin:*,end:*,test:*,bench:*,watchpoint:*") == []


def test_unknown_providers_list_nothing() -> None:
    assert listed("nosuch:*") == listed("nosuch*") == []


def test_arguments_of_every_kernel_provider() -> None:
    assert listed(
        "tracepoint:syscalls:sys_enter_openat,fexit:vfs_read,kprobe:vfs_read,kretprobe:vfs_read,iter:task_file",
        verbose=True,
    ) == [
        "tracepoint:syscalls:sys_enter_openat", "    int __syscall_nr", "    int dfd", "    const char * filename",
        "    int flags", "    umode_t mode",
        "fexit:vmlinux:vfs_read", "    struct file * file", "    char * buf", "    size_t count", "    loff_t * pos",
        "    ssize_t retval",
        "kprobe:vfs_read", "    struct file * arg0", "    char * arg1", "    size_t arg2", "    loff_t * arg3",
        "kretprobe:vfs_read", "    ssize_t retval",
        "iter:task_file", "    struct task_struct * task", "    u32 fd", "    struct file * file",
    ]  # fmt: skip
    assert listed("rawtracepoint:sched_switch", verbose=True) == [
        "rawtracepoint:vmlinux:sched_switch", "    bool preempt", "    struct task_struct * prev",
        "    struct task_struct * next", "    unsigned int prev_state",
    ]  # fmt: skip
    assert listed("t:irq:irq_handler_entry", verbose=True)[1:] == ["    int irq", "    __data_loc char[] name"]


def test_a_module_is_shown_where_one_was_given() -> None:
    assert listed("kprobe:vfs_readv") == ["kprobe:vfs_readv"]
    assert listed("kprobe:vmlinux:vfs_readv") == ["kprobe:vmlinux:vfs_readv"]
    assert listed("fentry:vfs_readv") == listed("fentry:vmlinux:vfs_readv") == ["fentry:vmlinux:vfs_readv"]


def test_one_word_is_looked_for_in_all_providers_of_the_kernel() -> None:
    assert listed("*vfs_readv") == ["fentry:vmlinux:vfs_readv", "kprobe:vfs_readv"]
    assert listed("*vfs_readv", verbose=True)[:2] == ["fentry:vmlinux:vfs_readv", "    struct file * file"]
    assert "tracepoint:sched:sched_switch" in listed("*sched_switch*")
    assert "rawtracepoint:vmlinux:sched_switch" in listed("*sched_switch*")


def test_a_word_stands_for_what_follows_a_provider() -> None:
    assert listed("vfs_readv") == listed("*:vfs_readv") == ["fentry:vmlinux:vfs_readv", "kprobe:vfs_readv"]
    assert listed("cpu-cl*") == ["software:cpu-clock:"]
    assert listed("sched_switch") == ["rawtracepoint:vmlinux:sched_switch", "tracepoint:sched:sched_switch"]
    assert listed("task_file") == ["iter:task_file"]
    assert listed("kprobe") == listed("kprobe:nosuch:*") == []


def test_what_is_not_written_yet_is_everything() -> None:
    assert listed("software:") == listed("software:*")
    assert listed("tracepoint:sched:") == listed("tracepoint:sched:*")


def test_too_many_parts_match_nothing() -> None:
    """Providers whose patterns have fewer parts are left out."""
    assert listed("*:*:sched_switch") == ["rawtracepoint:vmlinux:sched_switch", "tracepoint:sched:sched_switch"]
    for pattern in ("software:cpu-clock:10", "iter:task:pin", "kprobe:a:vmlinux:vfs_read", "fentry:a:vmlinux:vfs_read"):
        assert listed(pattern) == []


def test_a_provider_may_be_a_pattern() -> None:
    assert listed("raw*:sched_switch") == ["rawtracepoint:vmlinux:sched_switch"]
    assert listed("*:vfs_readv") == ["fentry:vmlinux:vfs_readv", "kprobe:vfs_readv"]


def test_the_whole_list_is_in_order_and_quick() -> None:
    started = time.process_time()
    lines = listed(None)
    assert time.process_time() - started < 3
    providers = [line.partition(":")[0] for line in lines]
    assert list(dict.fromkeys(providers)) == [
        "fentry", "hardware", "iter", "kprobe", "rawtracepoint", "software", "tracepoint",
    ]  # fmt: skip
    tracepoints = [line for line in lines if line.startswith("tracepoint:")]
    assert tracepoints == sorted(tracepoints)
    assert len(tracepoints) > 100


def test_functions_of_a_program(probed: str) -> None:
    assert listed(f"uprobe:{probed}:a*", verbose=True) == [
        f"uprobe:{probed}:add", "    int a", "    long int b", "    const char* text",
    ]  # fmt: skip
    assert listed(f"uretprobe:{probed}:lo*") == [f"uretprobe:{probed}:look"]
    assert listed(f"uprobe:{probed}:look", verbose=True)[1:] == [
        "    struct point* p", "    struct point q", "    struct thing* thing", "    enum color c",
        "    unsigned char byte", "    _Bool yes",
    ]  # fmt: skip


def test_a_return_has_no_parameters(probed: str) -> None:
    assert listed(f"uretprobe:{probed}:add", verbose=True) == [f"uretprobe:{probed}:add"]


def test_files_without_debug_information_are_told(pytrace: Callable[..., Done], tmp_path: Path, probed: str) -> None:
    bare = tmp_path / "bare"
    subprocess.run(["objcopy", "--strip-debug", probed, bare], check=True)
    done = pytrace("-lv", f"uprobe:{bare}:*,uprobe:{probed}:add")
    assert done.stderr == f'WARNING: No DWARF found for "{bare}", cannot show parameter info\n'
    assert f"uprobe:{bare}:add\nuprobe:{bare}:" in done.stdout and "    int a\n" in done.stdout
    assert pytrace("-l", f"uprobe:{bare}:add").stderr == ""


def test_static_probes_of_a_program(probed: str) -> None:
    names = ["demo:guarded", "demo:tick", "other:copies", "other:tick"]
    assert listed(f"usdt:{probed}:*") == [f"usdt:{probed}:{name}" for name in names]
    assert listed(f"usdt:{probed}:o*:*") == [f"usdt:{probed}:other:copies", f"usdt:{probed}:other:tick"]
    assert listed(f"usdt:{probed}:tick") == [f"usdt:{probed}:demo:tick", f"usdt:{probed}:other:tick"]


def test_a_path_brings_in_the_providers_of_user_space(probed: str) -> None:
    assert listed(f"*:{probed}:tick") == [
        f"uprobe:{probed}:tick", f"usdt:{probed}:demo:tick", f"usdt:{probed}:other:tick",
    ]  # fmt: skip


def test_functions_of_a_process() -> None:
    """Those of all files that it maps, also where no provider is named."""
    library = next(part for part in Path("/proc/self/maps").read_text().split() if "/libc.so" in part)
    line = f"uprobe:{library}:getppid"
    assert line in listed("uprobe:getppid", pid=os.getpid())
    assert line in listed("getppid", pid=os.getpid())
    assert listed("uprobe:getppid") == [] and line not in listed("getppid")
    everything = listed(None, pid=os.getpid())
    assert line in everything and "software:cpu-clock:" in everything
    assert [each.partition(":")[0] for each in everything] == sorted(each.partition(":")[0] for each in everything)


# --- programs -----------------------------------------------------------------------------------------------------


def test_probes_of_a_program_in_their_order(probed: str) -> None:
    assert program(
        "i:s:1", "software:faults:10", "begin", "t:sched:sched_sw*", "kretprobe:vfs_read", f"u:{probed}:ad*", "test:a",
        "w:0x1000:8:w", "end", "self:signal:SIGUSR1", "iter:task",
    ) == [
        "interval:s:", "software:faults:", "tracepoint:sched:sched_swap_numa", "tracepoint:sched:sched_switch",
        "kretprobe:vfs_read", f"uprobe:{probed}:add", "test:a", "watchpoint:4096:8:w", "iter:task",
    ]  # fmt: skip


def test_arguments_of_the_probes_of_a_program(probed: str) -> None:
    assert program(f"u:{probed}:add", "fexit:kfree", verbose=True) == [
        f"uprobe:{probed}:add", "    int a", "    long int b", "    const char* text",
        "fexit:vmlinux:kfree", "    const void * object",
    ]  # fmt: skip


# --- types --------------------------------------------------------------------------------------------------------


def test_types_by_name_and_pattern() -> None:
    assert listed("struct path") == ["struct path"]
    assert listed("struct path,enum zone_type") == ["struct path", "enum zone_type"]
    assert listed("struct nosuch_struct") == []
    tasks = listed("struct task_str*")
    assert "struct task_struct" in tasks
    assert tasks == sorted(tasks)


def test_a_definition_and_an_empty_line() -> None:
    assert listed("struct path", verbose=True) == [
        "vmlinux: struct path {", "\tstruct vfsmount *mnt;", "\tstruct dentry *dentry;", "};", "",
    ]  # fmt: skip


def test_a_file_that_does_not_exist_is_warned_about() -> None:
    warning = warns_about_file("nosuch.bt")
    assert warning is not None
    assert warning.startswith("It appears that 'nosuch.bt' is a filename but the file does not exist.")
    assert warns_about_file("nosuch*.bt") is warns_about_file("a:b.c") is warns_about_file("nosuch") is None
