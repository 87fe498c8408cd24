"""Output, maps and questions."""

from __future__ import annotations

import re
import time

import pytest

from tests.builtins.conftest import lines

pytestmark = pytest.mark.live


def test_formatted_output(pytrace):
    program = 'begin { printf("%5d|%-5s|%x|%s\\n", 42, "ab", 255, (1, "x")); errorf("e %d", 1); warnf("w %s", "x"); }'
    done = pytrace("-q", "-e", program)
    assert lines(done)[0] == "   42|ab   |ff|(1, x)"
    assert re.search(r"^stdin:1:\d+-\d+: ERROR: e 1$", done.stderr, re.MULTILINE)
    assert re.search(r"^stdin:1:\d+-\d+: WARNING: w x$", done.stderr, re.MULTILINE)


def test_files_and_commands(pytrace, tmp_path):
    """`cat` stops at its limit; a command's output is followed by an empty line."""
    file = tmp_path / "text"
    file.write_text("contents")
    program = (
        f'config = {{ max_cat_bytes = 4 }} begin {{ cat("%s/te%s", "{tmp_path}", "xt"); printf("|\\n"); '
        'system("echo %s; echo err 1>&2", "out"); printf("end\\n"); }'
    )
    assert lines(pytrace("-q", "--unsafe", "-e", program)) == ["cont|", "out", "err", "", "end"]


def test_exit_ends_the_probe_with_a_status(pytrace):
    done = pytrace("-q", "--no-warnings", "-e", 'begin { printf("x\\n"); exit(3); printf("y\\n"); }', status=3)
    assert lines(done) == ["x"]


def test_no_event_is_seen_after_exit(pytrace, load):
    """The programs stop by themselves, before user space hears of it; those of `end` run."""
    program = (
        "tracepoint:syscalls:sys_enter_getppid /pid == cpid/ { @n++; if (@n >= 100) { exit(5); } } "
        "tracepoint:syscalls:sys_exit_getppid /pid == cpid/ { @m++; } "
        'end { printf("%d %d\\n", @n, @m); clear(@n); clear(@m); }'
    )
    assert lines(pytrace("-q", "-e", program, "-c", f"{load} getppid 50000", status=5))[0] == "100 99"


def test_programs_that_are_not_for_events_run_after_exit(pytrace):
    """Several begin programs, end programs, and every test of --test."""
    program = 'begin { exit(1); } begin { printf("second "); } interval:us:100 { printf("event "); } end { exit(9); }'
    assert "event" not in pytrace("-q", "-e", program, status=9).stdout
    tests = 'test:a { exit(1); } test:b { printf("here"); errorf("shown"); }'
    done = pytrace("--test", "-e", tests, status=1)
    assert "here" in done.stdout


def test_time_of_day(pytrace):
    assert lines(pytrace("-q", "-e", 'begin { time("%Y|%%|"); time(); }'))[0].startswith(time.strftime("%Y|%|"))


def test_printing_maps(pytrace):
    """All entries, the greatest, divided, one; stats in text and by element."""
    program = (
        'begin { @["a"] = sum(10); @["b"] = sum(31); @["c"] = sum(20); print(@, 2); print(@, 1, 10); print(@["c"]); '
        'clear(@); print(@); @s[1] = stats(10); @s[1] = stats(-4); print(@s[1]); printf("%s\\n", @s[1]); clear(@s); }'
    )
    stats = "{ .count = 2, .average = 3, .total = 6 }"
    assert lines(pytrace("-q", "-e", program)) == ["@[c]: 20", "@[b]: 31", "@[b]: 3", "20", stats, stats]


def test_maps(pytrace):
    program = (
        "begin { @m[1] = 10; @m[2] = 20; let $v; print((len(@m), has_key(@m, 3), has_key(@m, 1))); "
        "if (find(@m, 2, $v)) { print($v) } print(find(@m, 5, $v)); print((delete(@m, 1), delete(@m, 1), len(@m))); "
        "@s = 1; print((delete(@s), delete(@s), is_scalar(@s), is_scalar(@m))); "
        "@z[1] = 5; zero(@z); @c[1] = 1; clear(@c); }"
    )
    found = lines(pytrace("-q", "-e", program))
    assert found[:5] == ["(2, false, true)", "20", "false", "(true, false, 1)", "(true, false, true, false)"]
    assert [line for line in found[5:] if line] == ["@m[2]: 20", "@z[1]: 0"]


def test_introspection(begin):
    assert begin(
        '(is_str("a"), is_str(1), is_integer(1), is_integer(true), is_unsigned_integer((uint8)1))',
        '(is_unsigned_integer(1), is_array(pton("1.1.1.1")), is_array(comm), is_ptr(curtask), is_ptr(1))',
        '(is_literal(5), is_literal(pid), kfunc_exist("bpf_task_from_pid"), kfunc_exist("no_such_fn"))',
        '(kfunc_allowed("bpf_rcu_read_lock"), kfunc_allowed("vfs_read"))', "config.max_strlen",
        '(probe, probetype)',
    ) == [
        "(true, false, true, false, true)", "(false, true, false, true, false)", "(true, false, true, false)",
        "(true, false)", "1024", "(begin, special)",
    ]  # fmt: skip
