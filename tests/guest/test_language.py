"""The language where the kernel lacks newer helpers and functions: what a program prints is the same everywhere."""

from __future__ import annotations

import pytest

from tests.guest.conftest import SIZE

pytestmark = pytest.mark.guest


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("$i = 0; while ($i < 5) { $i++; } print($i);", ["5"]),
        ("for ($k : 0..7) { @[$k] = $k * 2; } for ($kv : @) { @s += $kv.1; } print(@s); clear(@); clear(@s);",
         ["@s: 42"]),
        ("$n = (uint64)10; for ($k : 0..$n) { if ($k == 3) { continue; } if ($k > 5) { break; } @s += $k; }",
         ["@s: 12"]),
        ("unroll(3) { @u++; }", ["@u: 3"]),
        ('print((strcontains("hello world", "lo w"), strncmp("abc", "abd", 2)));', ["(true, 0)"]),
        ('print(len("abc")); printf("%s|%5d|%-4x|\\n", str("ab"), -7, 255);', ["3", "ab|   -7|ff  |"]),
        ('@[1, "x"] = 1; @[2, "y"] = 5; delete(@, (1, "x")); print((has_key(@, (2, "y")), len(@)));',
         ["(true, 1)", "@[2, y]: 5"]),
        ("@ = stats(4); @ = stats(8);", ["@: { .count = 2, .average = 6, .total = 12 }"]),
        ("print((1, (int8)-1, true)); print(strerror(2)); print(ntop(0x0100007f));",
         ["(1, -1, true)", "No such file or directory", "127.0.0.1"]),
        ("print((nsecs(tai) > 0, nsecs(sw_tai) > 0, nsecs(monotonic) > 0, ncpus > 0));", ["(true, true, true, true)"]),
        ('print(ksym(kaddr("vfs_read")));', ["vfs_read"]),
    ],
)
def test_a_program_that_runs_once(start, body, expected):
    assert start("-q", "-e", f"begin {{ {body} }}").wait().lines == expected


def test_tracepoints(traced):
    done = traced(
        'tracepoint:syscalls:sys_enter_openat /str(args.filename) == "/dev/null"/'
        " { @[comm] = count(); for ($i : 0..3) { @loops++; } }",
        mode="open",
    )
    assert done.lines == [f"@[load]: {SIZE}", f"@loops: {3 * SIZE}"]


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
    assert done.lines == [f"@: {10 * SIZE}", f"@r: {SIZE - 1 + 10}"]


def test_iterators(start):
    done = start("-q", "-e", "iter:task { @ = count(); }").wait()
    assert int(done.lines[0].removeprefix("@: ")) > 10
