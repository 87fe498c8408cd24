"""`fentry` and `fexit`: typed arguments and results of kernel functions, and of BPF programs."""

from __future__ import annotations

import re
import subprocess

import pytest

from pytrace.kernel import features
from tests.guest.conftest import READS, SIZE

pytestmark = pytest.mark.guest

ARGUMENTS = '/comm == "load" && args.count == 512/'
RESULTS = '/comm == "load" && retval == 512/'


def test_arguments_and_names(traced):
    done = traced(f"fentry:vfs_read {ARGUMENTS} {{ @[args.count, func, probe] = count(); }}")
    done.counted(f"@[512, vfs_read, fentry:vmlinux:vfs_read]: {SIZE}")


def test_result_beside_the_arguments(traced):
    done = traced(f"fexit:vfs_read {ARGUMENTS} {{ @[args.count, retval, probe] = count(); }}")
    done.counted(f"@[512, 512, fexit:vmlinux:vfs_read]: {SIZE}")


def test_two_threads(traced):
    done = traced(f"fexit:vfs_read {ARGUMENTS} {{ @ = sum(retval); }}", threads=2)
    done.counted(f"@: {2 * 512 * SIZE}", each=512)


def test_functions_of_a_pattern(traced):
    done = traced(
        'fentry:vfs_rea* /comm == "load"/ { @[probe] = count(); }'
        f" fexit:vfs_rea* {RESULTS} {{ @r[probe] = count(); }}"
    )
    lines = {name: int(number) for name, number in (line.split(": ") for line in done.lines)}
    # The C library reads something too.
    assert lines["@[fentry:vmlinux:vfs_read]"] + done.skipped >= SIZE
    assert SIZE - done.skipped <= lines["@r[fexit:vmlinux:vfs_read]"] <= SIZE


def test_all_arguments_at_once(traced):
    line = traced(f"fentry:vfs_read {ARGUMENTS} {{ print(args); exit(); }}").lines[0]
    assert line.startswith("{ .file = 0xff") and ".count = 512, " in line


def test_fields_and_paths_of_arguments(traced):
    done = traced(
        'fentry:security_file_open /comm == "load" && str(args.file.f_path.dentry.d_name.name, 16) == "null"/'
        " { @[path(args.file.f_path, 64)] = count(); }",
        mode="open",
    )
    done.counted(f"@[/dev/null]: {SIZE}")


def test_a_function_without_result(start):
    done = start("-e", "fexit:fput { print(retval); }").wait(1)
    assert "the function returns nothing" in done.errors


def test_a_function_that_does_not_exist(start):
    assert "No matches for fentry nosuch." in start("-e", "fentry:nosuch { }").wait(1).errors


def test_descriptions(start):
    done = start("-lv", "fexit:vfs_read").wait()
    assert done.output.splitlines() == [
        "fexit:vmlinux:vfs_read", "    struct file * file", "    char * buf", "    size_t count", "    loff_t * pos",
        "    ssize_t retval",
    ]


@pytest.mark.parametrize("loop", [False, True], ids=["one function", "a function for its loop"])
def test_a_running_program(start, load, loop):
    """Entries and exits of the program behind a kprobe are as many as its hits, and it still works."""
    if loop and not features.helper("for_each_map_elem"):
        pytest.skip("this kernel has no loops over maps")
    body = "@ = count(); @m[1] = 1; for ($kv : @m) { @m[$kv.0] = 2; }" if loop else "@ = count();"
    first = start("-e", f"{'begin { } ' if loop else ''}kprobe:vfs_read {READS} {{ {body} }}")
    first.until("Attached")
    target = f"bpf:kprobe_vfs_read_{2 if loop else 1}"
    second = start("-e", f'fentry:{target},fexit:{target} /comm == "load"/ {{ @[probetype] = count(); }}')
    second.until("Attached 2 probes")
    subprocess.run([load, "read", str(SIZE)], check=True)
    counts = {line.split("]")[0][2:]: int(line.split(": ")[1]) for line in second.interrupt().lines}
    assert counts.keys() == {"fentry", "fexit"}
    # The C library reads something too.
    assert all(count + second.skipped >= SIZE for count in counts.values())
    first.interrupt().counted(f"@: {SIZE}", *(["@m[1]: 2"] if loop else []))


def test_programs_are_listed(start):
    first = start("-e", "kprobe:vfs_read { @ = count(); }")
    first.until("Attached")
    lines = start("-l", "fentry:bpf:*").wait().lines
    assert any(re.fullmatch(r"fentry:bpf:\d+:kprobe_vfs_read_1", line) for line in lines)
    assert start("-l", "fentry:bpf:nosuch*").wait().lines == []
    first.interrupt()


def test_a_lock_that_programs_take_themselves(start, traced):
    """Two programs change the same map, one of them wherever a lock is taken: each in turn, and the machine goes on."""
    script = "fentry:_raw_spin_lock { @[comm, tid] = count(); } "
    script += f"fentry:vfs_read {ARGUMENTS} {{ @[comm, args.count] = count(); @n = count(); }}"
    done = start("-q", "-e", script, "-c", "true").wait()
    assert "Attaching to dangerous function: vmlinux:_raw_spin_lock" in done.output
    lines = traced(script, "--no-warnings").lines
    assert sum(1 for line in lines if line.startswith("@[")) > 1
    counted = int(next(line for line in lines if line.startswith("@n: ")).removeprefix("@n: "))
    assert 0 < counted <= SIZE
