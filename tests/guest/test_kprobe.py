"""`kprobe` and `kretprobe`: every call is seen once, with its arguments and its result."""

from __future__ import annotations

import platform

import pytest

from pytrace.kernel import kallsyms
from pytrace.kernel.functions import traceable
from tests.guest.conftest import READS, SIZE

pytestmark = pytest.mark.guest

x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="registers and instructions of x86-64")
WAYS = [(), ("--no-feature", "kprobe_multi")]


def test_arguments_and_names(traced):
    done = traced(f"kprobe:vfs_read {READS} {{ @[arg2, func, probe, probetype] = count(); }}")
    done.counted(f"@[512, vfs_read, kprobe:vfs_read, kprobe]: {SIZE}")


def test_result(traced):
    script = 'kretprobe:vfs_read /comm == "load" && retval == 512/ { @n[func, probe] = count(); @sum = sum(retval); }'
    traced(script).counted(f"@n[vfs_read, kretprobe:vfs_read]: {SIZE}", f"@sum: {512 * SIZE}", each=512)


def test_two_threads(traced):
    traced(f"kprobe:vfs_read {READS} {{ @ = count(); }}", threads=2).counted(f"@: {2 * SIZE}")


def test_entry_and_return_of_a_call_are_a_pair(traced):
    done = traced(
        f"kprobe:vfs_read {READS} {{ @start[tid] = nsecs; }}"
        " kretprobe:vfs_read /@start[tid]/ { @[retval, nsecs > @start[tid]] = count(); $gone = delete(@start, tid); }"
    )
    done.counted(f"@[512, true]: {SIZE}")


@pytest.mark.parametrize("flags", WAYS, ids=["by one link", "one by one"])
def test_functions_of_a_pattern(traced, flags):
    script = f"kprobe:vfs_rea* {READS} {{ @entry[func, probe] = count(); }}"
    script += ' kretprobe:vfs_rea* /comm == "load" && retval == 512/ { @return[func, probe] = count(); }'
    traced(script, *flags).counted(
        f"@entry[vfs_read, kprobe:vfs_read]: {SIZE}", f"@return[vfs_read, kretprobe:vfs_read]: {SIZE}"
    )


@pytest.mark.parametrize("flags", WAYS, ids=["by one link", "one by one"])
def test_a_pattern_covers_what_is_listed(start, flags):
    listed = start("-l", "kprobe:vfs_*").wait().lines
    assert len(listed) > 20 and "kprobe:vfs_read" in listed
    attached = start(*flags, "-e", "kprobe:vfs_* { @ = count(); } interval:ms:100 { exit(); }").wait()
    assert attached.errors == f"Attached {len(listed) + 1} probes\n"


def test_every_attached_function_is_detached(start):
    from pytrace.kernel.links import ids

    before = set(ids("prog")), set(ids("link"))
    running = start("-e", "kprobe:vfs_* { @ = count(); } kretprobe:vfs_read { @r = count(); }")
    running.until("Attached")
    assert set(ids("prog")) > before[0]
    running.interrupt()
    assert (set(ids("prog")), set(ids("link"))) == before


@x86
def test_registers(traced):
    done = traced(f'kprobe:vfs_read {READS} {{ @[reg("di") == arg0, reg("dx"), ctx.dx] = count(); }}')
    done.counted(f"@[true, 512, 512]: {SIZE}")


def test_stack_of_the_kernel(traced):
    lines = traced(f"kprobe:vfs_read {READS} {{ @[kstack(2), ustack(1)] = count(); }}").lines
    assert lines[0].startswith("@[") and lines[-1].endswith(f"]: {SIZE}")
    assert lines[1].strip().startswith("vfs_read+")


def test_fields_behind_an_argument(traced):
    done = traced(
        f"kprobe:vfs_read {READS} {{ @[str(((struct file *)arg0).f_path.dentry.d_name.name, 16)] = count(); }}"
    )
    done.counted(f"@[zero]: {SIZE}")


@x86
def test_an_offset(traced):
    """The second instruction is behind `endbr64`, or behind the five bytes of the call that tracing patches in."""
    for offset in (4, 5):
        done = traced(f"kprobe:vfs_read+{offset} {READS} {{ @[probe] = count(); }}", status=None)
        if "middle of an instruction" not in done.errors:
            break
    done.counted(f"@[kprobe:vfs_read+{offset}]: {SIZE}")


@x86
def test_an_offset_inside_an_instruction(traced):
    done = traced("kprobe:vfs_read+2 { }", status=255)
    assert "kprobe:vfs_read+2" in done.errors and "middle of an instruction" in done.errors


def test_a_module_in_front(traced):
    done = traced(f"kprobe:vmlinux:vfs_read {READS} {{ @[probe] = count(); }}")
    done.counted(f"@[kprobe:vmlinux:vfs_read]: {SIZE}")


def test_an_address(traced):
    address = kallsyms.lookup("vfs_read")[0].address
    done = traced(f"kprobe:{address:#x} {READS} {{ @[func, probe] = count(); }}", "--unsafe")
    done.counted(f"@[vfs_read, kprobe:{address}]: {SIZE}")
    assert "Probing by address requires --unsafe" in traced(f"kprobe:{address:#x} {{ }}", status=1).errors


@x86
@pytest.mark.parametrize("provider", ["kprobe", "kretprobe"])
def test_another_name_of_a_function(traced, provider):
    """The function that serves a call without arguments has several names, of which ftrace lists one."""
    done = traced(f'{provider}:__x64_sys_getppid /comm == "load"/ {{ @[probe] = count(); }}', mode="getppid")
    done.counted(f"@[{provider}:__x64_sys_getppid]: {SIZE}")


def test_more_functions_than_max_probes(start):
    count = len(start("-l", "kprobe:vfs_*").wait().lines)
    script = f"config = {{ max_probes = {count - 1} }} kprobe:vfs_* {{ @ = count(); }}"
    done = start("-e", script).wait(1)
    assert f"Can't attach to {count} probes because it exceeds the current limit of {count - 1} probes." in done.errors
    more = start("-q", "-e", script.replace(str(count - 1), str(count)), "-c", "true").wait()
    assert len(more.lines) == 1


def test_functions_of_a_module(start):
    modules = {module for found in traceable().modules.values() for module in found} - {"vmlinux"}
    if not modules:
        pytest.skip("no module with traceable functions is loaded")
    module = min(modules)
    listed = start("-l", f"kprobe:{module}:*").wait().lines
    assert listed and all(line.startswith(f"kprobe:{module}:") for line in listed)
    running = start("-e", f"{listed[0]} {{ @[probe] = count(); }}")
    running.until("Attached 1 probe")
    running.interrupt()


def test_a_module_that_is_not_loaded(start):
    done = start("-e", "kprobe:nosuchmod:f { }").wait(1)
    assert "specified module nosuchmod in probe kprobe:nosuchmod:f is not loaded." in done.errors


@pytest.mark.parametrize(("policy", "status"), [("error", 1), ("warn", 0), ("ignore", 0)])
def test_functions_that_do_not_exist(start, policy, status):
    script = f'config = {{ missing_probes = "{policy}" }} begin {{ print(1); }} kprobe:nosuch {{ }}'
    done = start("-e", script).wait(status)
    assert (done.lines[-1:] == ["1"]) == (policy != "error")
    assert ("ERROR: No matches" in done.errors) == (policy == "error")
    assert ("Skipping" in done.output + done.errors) == (policy == "warn")


def test_the_kernel_decides_about_unsafe_probes(start):
    done = start("--unsafe", "-e", "kprobe:nosuch { }").wait(255)
    assert "Unable to attach probe: kprobe:nosuch." in done.errors


def test_one_process(start, load):
    """With -p only that process is seen; another with the same name is not."""
    import subprocess

    command = ["sh", "-c", f"read go; exec {load} read {SIZE}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        running = start("-p", str(process.pid), "-e", "kprobe:vfs_read /arg2 == 512/ { @[pid] = count(); }")
        running.until("Attached")
        subprocess.run([load, "read", "500"], check=True)
        process.communicate(b"\n")
        running.wait()
    assert running.lines == [f"@[{process.pid}]: {SIZE}"]


@x86
def test_override_of_a_result(traced):
    script = 'kprobe:__x64_sys_getppid /comm == "load"/ { override(77); @ = count(); }'
    done = traced(script, "--unsafe", mode="getppid", status=None)
    if "override_return not allowed" in done.errors:
        pytest.skip("kernel built without CONFIG_BPF_KPROBE_OVERRIDE")
    done.counted(f"@: {SIZE}")


def test_a_signal_at_the_first_read(traced):
    done = traced(f'kprobe:vfs_read {READS} {{ signal("KILL"); @ = count(); }}', "--unsafe", status=None)
    assert done.lines == ["@: 1"]
