"""`fentry` and `fexit`: typed arguments and results of kernel functions, and of BPF programs."""

from __future__ import annotations

import pytest

from tests.guest.conftest import READS, SIZE

pytestmark = pytest.mark.guest

LOAD = '/comm == "load" && args.count == 512/'


def test_arguments_and_names(traced):
    done = traced(f"fentry:vfs_read {LOAD} {{ @[args.count, func, probe] = count(); }}")
    assert done.lines == [f"@[512, vfs_read, fentry:vmlinux:vfs_read]: {SIZE}"]


def test_result_beside_the_arguments(traced):
    done = traced(f"fexit:vfs_read {LOAD} {{ @[args.count, retval, probe] = count(); }}")
    assert done.lines == [f"@[512, 512, fexit:vmlinux:vfs_read]: {SIZE}"]


def test_two_threads(traced):
    assert traced(f"fexit:vfs_read {LOAD} {{ @ = sum(retval); }}", threads=2).lines == [f"@: {2 * 512 * SIZE}"]


def test_functions_of_a_pattern(traced):
    lines = traced('fentry:vfs_rea*,fexit:vfs_rea* /comm == "load"/ { @[probe] = count(); }').lines
    counts = {line.split("]")[0].removeprefix("@["): int(line.split(": ")[1]) for line in lines}
    # The C library reads something too.
    assert counts["fentry:vmlinux:vfs_read"] == counts["fexit:vmlinux:vfs_read"] >= SIZE


def test_all_arguments_at_once(traced):
    line = traced(f"fentry:vfs_read {LOAD} {{ print(args); exit(); }}").lines[0]
    assert line.startswith("{ .file = 0xffff") and ".count = 512, " in line


def test_fields_and_paths_of_arguments(traced):
    done = traced(
        'fentry:security_file_open /comm == "load" && str(args.file.f_path.dentry.d_name.name) == "null"/'
        " { @[path(args.file.f_path)] = count(); }",
        mode="open",
    )
    assert done.lines == [f"@[/dev/null]: {SIZE}"]


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


@pytest.mark.parametrize(
    ("number", "body", "more"),
    [(1, "@ = count();", []), (2, "@ = count(); @m[1] = 1; for ($kv : @m) { @m[$kv.0] = 2; }", ["@m[1]: 2"])],
    ids=["one function", "a function for its loop"],
)
def test_a_running_program(start, load, number, body, more):
    """Entries and exits of the program behind a kprobe are as many as its hits, and it still works."""
    import subprocess

    others = "begin { } " * (number - 1)
    first = start("-e", f"{others}kprobe:vfs_read {READS} {{ {body} }}")
    first.until("Attached")
    target = f"bpf:kprobe_vfs_read_{number}"
    second = start("-e", f'fentry:{target},fexit:{target} /comm == "load"/ {{ @[probe] = count(); }}')
    second.until("Attached 2 probes")
    subprocess.run([load, "read", str(SIZE)], check=True)
    counts = [int(line.split(": ")[1]) for line in second.interrupt().lines]
    assert first.interrupt().lines == [f"@: {SIZE}", *more]
    assert len(counts) == 2 and counts[0] == counts[1] >= SIZE


def test_a_lock_that_programs_take_themselves(start, traced):
    """Two programs change the same map, one of them wherever a lock is taken: each in turn, and the machine goes on."""
    script = "fentry:_raw_spin_lock { @[comm, tid] = count(); } "
    script += f"fentry:vfs_read {LOAD} {{ @[comm, args.count] = count(); @n = count(); }}"
    done = start("-q", "-e", script, "-c", "true").wait()
    assert "Attaching to dangerous function: vmlinux:_raw_spin_lock" in done.errors
    lines = traced(script).lines
    assert sum(1 for line in lines if line.startswith("@[")) > 1
    counted = int(next(line for line in lines if line.startswith("@n: ")).removeprefix("@n: "))
    assert 0 < counted <= SIZE
