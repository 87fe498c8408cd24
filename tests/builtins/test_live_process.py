"""Processes, clocks and CPUs: what builtins say is compared with what else is known of the machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.builtins.conftest import lines

pytestmark = pytest.mark.live

TRUE = shutil.which("true") or "/bin/true"


def test_ids(begin):
    """All of them agree with the process that runs the script."""
    pid, tid, parent, uid, user, comm = begin("pid", "tid(curr_ns)", "ppid", "uid + gid", "username", "comm")
    assert pid == tid
    assert (parent, uid, user) == (str(os.getpid()), "0", "root")
    assert comm.startswith("python") or comm == "pytrace"


def test_relatives(begin):
    """The parent, and the leader of the thread group, which is the thread itself here."""
    with open("/proc/self/comm", encoding="utf-8") as file:
        name = file.read().strip()
    assert begin(
        "pcomm", "leader_tid == tid", "leader_comm == comm", "ppid(curtask)", "pcomm(curtask.real_parent) != \"\"",
        "curtask.comm == comm", "curtask.pid == tid",
    ) == [name, "true", "true", str(os.getpid()), "true", "true", "true"]  # fmt: skip


def test_clocks(begin):
    """Each mode of `nsecs` is the clock that Python knows by another name."""
    before = [time.clock_gettime_ns(c) for c in (time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC, time.CLOCK_TAI)]
    values = begin("nsecs", "nsecs(monotonic)", "nsecs(tai)", "nsecs(boot)", "nsecs(sw_tai)")
    after = [time.clock_gettime_ns(c) for c in (time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC, time.CLOCK_TAI)]
    for value, clock in zip(map(int, values), (0, 1, 2, 0, 2), strict=True):
        assert before[clock] - 10**6 <= value <= after[clock] + 10**6


def test_elapsed_and_jiffies(begin):
    """Little time has passed since the start; jiffies count up."""
    assert begin("elapsed < 5s", "jiffies > 1000", "elapsed > 0") == ["true", "true", "true"]


def test_strftime(begin):
    """The time of day, its extensions for fractions, and that a TAI value is the same time."""
    day, fraction, same, boot = begin(
        'strftime("%Y-%m-%d", nsecs)', 'strftime("%f|%k|%l", nsecs)',
        '(strftime("%H:%M", nsecs(tai)), strftime("%H:%M", nsecs(sw_tai)))', 'strftime("%Y", 0)',
    )  # fmt: skip
    assert day == time.strftime("%Y-%m-%d")
    assert re.fullmatch(r"\d{6}\|\d{9}\|\d{3}", fraction)
    first, second = same.strip("()").split(", ")
    assert first == second
    assert boot == time.strftime("%Y", time.localtime(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)))


def test_processors(begin):
    cpu, many, node = begin("cpu", "ncpus", "numaid")
    assert int(cpu) < int(many) == os.sysconf("SC_NPROCESSORS_CONF")
    assert int(node) < 1024


def test_rand_is_not_always_the_same(begin):
    """Sixteen numbers of 32 bits."""
    values = begin(*["rand"] * 16)
    assert len(set(values)) > 8
    assert all(int(value) < 1 << 32 for value in values)


def test_control_groups(begin):
    """The id of a control group is the inode of its directory."""
    root = os.stat("/sys/fs/cgroup").st_ino
    assert begin('cgroupid("/sys/fs/cgroup")', "cgroup > 0") == [str(root), "true"]
    (path,) = begin('cgroup_path(cgroup, "unified")')
    assert path.startswith("unified:/")


def test_a_child(pytrace):
    """Its pid is known; without one there is a warning for each use."""
    done = pytrace("-q", "-e", "begin { print((cpid > 0, has_cpid)); }", "-c", TRUE)
    assert lines(done)[0] == "(true, true)"
    done = pytrace("-q", "-e", "begin { print((cpid, has_cpid)); }")
    assert lines(done)[0] == "(0, false)"
    assert "WARNING: No child command (`-c`); cpid is zero" in done.stderr


def test_the_pid_of_another_namespace(pytrace):
    """In a namespace of its own a process sees small numbers; `init` gives those of the outside."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs the command unshare")
    program = 'begin { printf("%d %d %d\\n", pid, tid, pid(init)); }'
    words = [unshare, "--fork", "--pid", "--mount-proc", sys.executable, "-m", "pytrace", "-q", "-e", program]
    done = subprocess.run(words, capture_output=True, text=True, timeout=50, cwd=Path(__file__).parents[2])
    pid, tid, outside = map(int, done.stdout.split())
    assert pid == tid == 1
    assert outside > 1
