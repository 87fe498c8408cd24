"""Functions that a kernel may not let programs use: writing into processes, variables of each CPU."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.guest


def test_writing_into_a_process(start, tmp_path):
    """`write_user` changes the name of the file that a system call is about to open."""
    import subprocess

    for name in "ab":
        (tmp_path / name).write_text(f"contents of {name}\n")
    script = (
        'tracepoint:syscalls:sys_enter_openat /comm == "cat"/ { '
        f'if (str(args.filename) == "{tmp_path}/a") {{ $new = "{tmp_path}/b"; '
        f"printf(\"%d\\n\", write_user(args.filename, &$new, {len(str(tmp_path)) + 3})); exit(); }} }}"
    )
    running = start("--unsafe", "-e", script)
    running.until("Attached")
    done = subprocess.run(["cat", str(tmp_path / "a")], capture_output=True, text=True, check=True)
    running.wait()
    assert (running.lines, done.stdout) == (["1"], "contents of b\n")


def test_writing_where_nothing_is(start):
    running = start("--unsafe", "-e", "begin { $x = 5; print(write_user(uptr((uint64)8), &$x, 4)); }")
    running.wait()
    assert running.lines == ["false"]


def test_variables_of_each_cpu(start):
    """The run queue of this CPU, and those of others, which know their numbers; a CPU that is not there has none."""
    script = (
        'begin { $own = (struct rq *)percpu_kaddr("runqueues"); print($own.cpu == (int32)cpu); '
        '$first = percpu_kaddr("runqueues", 0); if ($first != 0) { print(((struct rq *)$first).cpu); } '
        'print(percpu_kaddr("runqueues", 100000)); }'
    )
    running = start("-e", script)
    running.wait()
    assert running.lines == ["true", "0", "0"]
