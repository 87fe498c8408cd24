"""Every provider on this kernel: a known number of events is counted exactly. docs/kernels.md has the results of some
kernels; there is one test for each row of its table, named in `tests.guest.matrix.ROWS`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time

import pytest

from pytrace.builtins.syscalls import syscall_names
from pytrace.kernel import features, perf
from pytrace.kernel.links import ids
from tests.conftest import PROGRAMS
from tests.guest.conftest import READS, SIZE

live, guest = pytest.mark.live, pytest.mark.guest
pytestmark = pytest.mark.timeout(300)

LOAD = '/comm == "load"/'
GETPPID = next((number for number, name in syscall_names().items() if name == "getppid"), 0)


@pytest.fixture
def fixed(tmp_path):
    """The load at fixed addresses."""
    target = tmp_path / "load"
    flags = ["-O1", "-no-pie", "-pthread", "-o", target]
    subprocess.run(["gcc", *flags, PROGRAMS / "load.c"], check=True)
    return target


@pytest.fixture
def unwound(tmp_path):
    """A program without frame pointers."""
    target = tmp_path / "unwound"
    flags = ["-O2", "-fomit-frame-pointer", "-pthread", "-o", target]
    subprocess.run(["gcc", *flags, PROGRAMS / "unwound.c"], check=True)
    return target


def links_of(start, spec):
    """How many links hold the functions of a pattern."""
    before = set(ids("link"))
    running = start("-e", f"{spec} {{ @ = count(); }}")
    running.until("Attached")
    count = len(set(ids("link")) - before)
    assert int(running.errors.split()[1]) > 1
    running.interrupt()
    return count


@live
def test_begin_and_end(start):
    script = "begin { @ = 1; } begin { @ += 1; } end { @ += 1; }"
    assert start("-q", "-e", script).wait().lines == ["@: 3"]


@live
def test_self(start):
    """Signals are told apart as long as each is seen before the next comes."""
    running = start("-e", 'self:signal:SIGUSR1 { printf("%d\\n", ++@); }')
    running.until("Attached 1 probe")
    for n in (1, 2, 3):
        os.kill(running.pid, signal.SIGUSR1)
        end = time.monotonic() + 60
        while len(running.lines) < n and time.monotonic() < end:
            time.sleep(0.05)
    assert running.interrupt().lines == ["1", "2", "3", "@: 3"]


@live
def test_test_and_bench(start):
    assert "1" in start("--test", "-e", 'test:adds { assert(1 + 1 == 2, "no"); }').wait().output
    assert "adds" in start("--bench", "-e", "bench:adds { @ = 1 + 1; }").wait().output


@live
def test_interval(start):
    done = start("-q", "-e", "interval:ms:20 { if (++@ == 5) { exit(); } }").wait()
    assert int(done.lines[0].removeprefix("@: ")) >= 5


@live
def test_profile(start, load):
    """A hit for each millisecond of the load's processor time; it takes a good part of a second."""
    done = start("-q", "-e", "profile:ms:1 { @ = count(); }", "-c", f"{load} getppid 3000000 1").wait()
    assert int(done.lines[0].removeprefix("@: ")) > 50


@live
def test_software(traced):
    """The pages of the load, and those which it needs to start."""
    done = traced(f"software:page-faults:1 {LOAD} {{ @ = count(); }}", mode="touch")
    assert SIZE <= int(done.lines[0].removeprefix("@: ")) < SIZE + 500


@live
def test_hardware(start):
    """Counts where the machine has counters, and says so where it has none."""
    try:
        os.close(perf.hardware_event("cpu-cycles", period=1000000, cpu=0))
    except OSError:
        done = start("-e", "hardware:cpu-cycles:1000000 { @ = count(); }").wait(255)
        assert "Unable to attach probe: hardware:cpu-cycles:1000000." in done.errors
        assert "this machine has no performance counter for it" in done.errors
        return
    done = start("-q", "-e", "hardware:cpu-cycles:100000 { @ = count(); } interval:ms:500 { exit(); }").wait()
    assert int(done.lines[0].removeprefix("@: ")) > 0


@live
def test_tracepoint(traced):
    done = traced(f"tracepoint:syscalls:sys_enter_getppid {LOAD} {{ @ = count(); }}", mode="getppid", threads=2)
    done.counted(f"@: {2 * SIZE}")


@live
def test_rawtracepoint(traced):
    script = f'rawtracepoint:sys_enter /comm == "load" && args.id == {GETPPID}/ {{ @ = count(); }}'
    traced(script, mode="getppid", threads=2).counted(f"@: {2 * SIZE}")


@live
@pytest.mark.parametrize("pattern", ["load_call", "load_cal*"], ids=["by name", "by pattern"])
def test_uprobe_and_uretprobe(traced, load, pattern):
    script = f"uprobe:{load}:{pattern} {{ @ = sum(arg1); }} uretprobe:{load}:{pattern} {{ @r = count(); }}"
    traced(script, mode="call", threads=2).counted(f"@: {2 * 10 * SIZE}", f"@r: {2 * SIZE}", each=10)


@live
def test_uprobe_multi(start, load):
    if not features.uprobe_multi():
        pytest.skip("one event each")
    assert links_of(start, f"uprobe:{load}:*") == 1


@live
def test_usdt(start, build):
    probed = build("probed")
    script = f"usdt:{probed}:demo:tick {{ @ = sum((int64)arg0); @n = count(); }}"
    script += f" usdt:{probed}:demo:guarded {{ @g = count(); }}"
    done = start("-q", "--no-warnings", "-e", script, "-c", f"{probed} 100").wait()
    assert done.lines == ["100", f"@: {-sum(range(100))}", "@g: 100", "@n: 100"]


@live
def test_dwarf_stacks(start, unwound):
    if not (features.loop() and features.helper("task_pt_regs")):
        pytest.skip("bpf_loop or bpf_task_pt_regs is missing")
    script = f"config = {{ unstable_dw_ustack = enable }} uprobe:{unwound}:leaf {{ @[dw_ustack(4)] = count(); }}"
    done = start("-q", "-e", script, "-c", f"{unwound} chain").wait()
    frames = [line.strip().partition("+")[0] for line in done.lines]
    assert frames[1:5] == ["leaf", "middle", "outer", "main"]


@live
def test_watchpoint(start, fixed):
    symbols = subprocess.run(["nm", fixed], capture_output=True, text=True, check=True).stdout
    address = re.search(r"^([0-9a-f]+) T load_call$", symbols, re.MULTILINE)
    script = f"watchpoint:0x{address[1]}:8:x {{ @ = count(); }}"
    done = start("-q", "--no-warnings", "-e", script, "-c", f"{fixed} call {SIZE} 1").wait()
    assert done.lines == [f"@: {SIZE}"]


@live
def test_iter(start):
    """The files of a process, counted in its folder too."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        script = f"iter:task_file /ctx.task.tgid == {process.pid}/ {{ @ = count(); }}"
        done = start("-q", "-e", script).wait()
        files = len(os.listdir(f"/proc/{process.pid}/fd"))
        process.communicate()
    assert done.lines == [f"@: {files}"]


@guest
def test_kprobe(traced):
    traced(f"kprobe:vfs_read {READS} {{ @[arg2] = count(); }}").counted(f"@[512]: {SIZE}")


@guest
def test_kretprobe(traced):
    script = 'kretprobe:vfs_read /comm == "load" && retval == 512/ { @ = count(); }'
    traced(script).counted(f"@: {SIZE}")


@guest
def test_kprobe_pattern(traced):
    traced(f"kprobe:vfs_rea* {READS} {{ @ = count(); }}").counted(f"@: {SIZE}")


@guest
def test_kprobe_multi(start):
    if not features.kprobe_multi():
        pytest.skip("one event each")
    assert links_of(start, "kprobe:vfs_*") == 1


@guest
def test_kprobe_session(traced):
    if not features.kprobe_session():
        pytest.skip("two programs")
    done = traced(
        f"kprobe:vfs_read {READS} {{ @in = count(); }}"
        ' kretprobe:vfs_read /comm == "load" && retval == 512/ { @out = count(); }'
    )
    done.counted(f"@in: {SIZE}", f"@out: {SIZE}")


@guest
def test_fentry_and_fexit(traced):
    both = '/comm == "load" && args.count == 512/'
    done = traced(f"fentry:vfs_read {both} {{ @ = count(); }} fexit:vfs_read {both} {{ @r = sum(retval); }}")
    done.counted(f"@: {SIZE}", f"@r: {512 * SIZE}", each=512)


@guest
def test_fentry_of_a_program(start, load):
    first = start("-e", f"kprobe:vfs_read {READS} {{ @ = count(); }}")
    first.until("Attached")
    second = start("-e", f"fexit:bpf:kprobe_vfs_read_1 {LOAD} {{ @ = count(); }}")
    second.until("Attached 1 probe")
    subprocess.run([load, "read", str(SIZE)], check=True)
    second.interrupt()
    assert int(second.lines[0].removeprefix("@: ")) + second.skipped >= SIZE
    first.interrupt().counted(f"@: {SIZE}")
