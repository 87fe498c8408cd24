"""The language where the kernel lacks newer helpers and functions: what a program prints is the same everywhere."""

from __future__ import annotations

import pytest

from pytrace.kernel import features
from tests.guest.conftest import SIZE

pytestmark = pytest.mark.guest


PROGRAMS = [
    ("$i = 0; while ($i < 5) { $i++; } print($i);", ["5"], ""),
    ("for ($k : 0..7) { @[$k] = $k * 2; @s += $k * 2; } print(@s); clear(@); clear(@s);", ["@s: 42"], ""),
    ("$n = (uint64)10; for ($k : 0..$n) { if ($k == 3) { continue; } if ($k > 5) { break; } @s += $k; }",
     ["@s: 12"], ""),
    ("unroll(3) { @u++; }", ["@u: 3"], ""),
    ('print((strcontains("hello world", "lo w"), strncmp("abc", "abd", 2)));', ["(true, 0)"], ""),
    ('printf("%s|%5d|%-4x|\\n", str("ab"), -7, 255);', ["ab|   -7|ff  |"], ""),
    ('@[1, "x"] = 1; @[2, "y"] = 5; delete(@, (1, "x")); print(has_key(@, (2, "y")));', ["true", "@[2, y]: 5"], ""),
    ("@ = stats(4); @ = stats(8);", ["@: { .count = 2, .average = 6, .total = 12 }"], ""),
    ("print((1, (int8)-1, true)); print(strerror(2)); print(ntop(0x0100007f));",
     ["(1, -1, true)", "No such file or directory", "127.0.0.1"], ""),
    ("print((nsecs(sw_tai) > 0, nsecs(monotonic) > 0, ncpus > 0));", ["(true, true, true)"], ""),
    ('print(ksym(kaddr("vfs_read")));', ["vfs_read"], ""),
    # What cannot be done without a helper that older kernels lack.
    ("@[1] = 2; @[2] = 3; for ($kv : @) { @s += $kv.1; } print(@s); clear(@); clear(@s);", ["@s: 5"],
     "for_each_map_elem"),
    ("@[1] = 2; @[2] = 3; print(len(@)); clear(@);", ["2"], "for_each_map_elem"),
    ("print(nsecs(tai) > 0);", ["true"], "ktime_get_tai_ns"),
]


@pytest.mark.parametrize(("body", "expected", "helper"), PROGRAMS)
def test_a_program_that_runs_once(start, body, expected, helper):
    missing = bool(helper) and not features.helper(helper)
    done = start("-q", "--no-warnings", "-e", f"begin {{ {body} }}").wait(1 if missing else 0)
    if missing:
        assert "ERROR: " in done.errors and "Linux" in done.errors
    else:
        assert done.lines == expected


def test_tracepoints(traced):
    done = traced(
        'tracepoint:syscalls:sys_enter_openat /str(args.filename) == "/dev/null"/'
        " { @[comm] = count(); for ($i : 0..3) { @loops++; } }",
        mode="open",
    )
    done.counted(f"@[load]: {SIZE}", f"@loops: {3 * SIZE}", each=3)


def test_raw_tracepoints(start):
    script = "rawtracepoint:sched_switch { @[args.next != 0] = count(); exit(); }"
    assert start("-q", "-e", script).wait().lines[0].startswith("@[true]: ")


def test_timers(start):
    done = start("-q", "-e", "interval:ms:50 { if (++@ == 3) { exit(); } } profile:hz:99 { @c = count(); }").wait()
    assert int(done.lines[0].removeprefix("@: ")) >= 3


@pytest.mark.parametrize("function", ["load_call", "load_cal*"])
def test_user_functions(traced, load, function):
    script = f"uprobe:{load}:{function} {{ @ = sum(arg1); }} uretprobe:{load}:{function} {{ @r = max(retval); }}"
    done = traced(script, mode="call")
    done.counted(f"@: {10 * SIZE}", f"@r: {SIZE - 1 + 10}", each=10)


def test_iterators(start):
    done = start("-q", "-e", "iter:task { @ = count(); }").wait()
    assert int(done.lines[0].removeprefix("@: ")) > 10
