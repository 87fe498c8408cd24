"""Whole scripts on the running kernel: what bodies see of their probes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.live


@pytest.fixture(scope="session")
def probed(build: Callable[..., Path]) -> str:
    return str(build("probed"))


@pytest.fixture
def traced(pytrace: Callable[..., Any], probed: str) -> Callable[..., list[str]]:
    """Runs a script (`PROG` stands for the program) with `probed N`; gives the lines that it printed itself, sorted."""

    def run(script: str, times: int = 2, *options: str) -> list[str]:
        done = pytrace("-q", *options, "-e", script.replace("PROG", probed), "-c", f"{probed} {times}")
        return sorted(line for line in done.stdout.replace(probed, "PROG").splitlines() if line and not line.isdigit())

    return run


def test_parameters_by_name(traced: Callable[..., list[str]]) -> None:
    assert traced("u:PROG:add { print((args.a, args.b, str(args.text))); }") == ["(0, -2, abc)", "(1, -2, abc)"]


def test_structs_of_the_program(traced: Callable[..., list[str]]) -> None:
    script = """u:PROG:look {
        $t = args.thing;
        print((args.p.y, args.q.y, $t.serial, $t.name, $t.at, $t.low, $t.high));
        print(($t.color, $t.whole, $t.next.name, $t.values, args.c, args.byte, args.yes));
    }"""
    assert traced(script, 1) == [
        "(2, 2, 7, first, { .x = 3, .y = 4 }, 5, 6)", "(5, 1, last, [-1,-2,-3], 5, 200, true)",
    ]  # fmt: skip


def test_all_parameters_together(traced: Callable[..., list[str]]) -> None:
    (line,) = traced("u:PROG:add { print(args); }", 1)
    assert line.startswith("{ .a = 0, .b = -2, .text = 0x")


def test_registers_of_a_call_and_its_result(traced: Callable[..., list[str]]) -> None:
    script = 'u:PROG:add { print((arg0, (int64)arg1, str(arg2))); } ur:PROG:add { print((probe, (int32)retval)); }'
    assert traced(script, 1) == ["(0, -2, abc)", "(uretprobe:PROG:add, 95)"]


def test_functions_of_one_program_know_their_names(traced: Callable[..., list[str]]) -> None:
    assert traced("u:PROG:t*,u:PROG:add { @[probe] = count(); }", 3) == [
        "@[uprobe:PROG:add]: 3", "@[uprobe:PROG:tick]: 3", "@[uprobe:PROG:twice]: 3",
    ]  # fmt: skip


def test_arguments_of_static_probes(traced: Callable[..., list[str]]) -> None:
    """In registers, in memory, in an array, constant, signed, and missing."""
    script = 'usdt:PROG:demo:tick { printf("%d %lld %d %d %d %d\\n", arg0, arg1, arg2, arg3, arg4, arg5); }'
    assert traced(script, 2) == ["-1 1099511627776 7 -2 -3 0", "0 1099511627776 7 -2 -3 0"]


def test_copies_of_a_static_probe_are_one_probe(traced: Callable[..., list[str]]) -> None:
    assert traced("usdt:PROG:copies { @[probe, arg0] = count(); }", 5) == [
        "@[usdt:PROG:other:copies, 1]: 2", "@[usdt:PROG:other:copies, 2]: 3",
    ]  # fmt: skip


def test_pairs_of_probes_count_together(pytrace: Callable[..., Any], probed: str) -> None:
    done = pytrace("-e", f"usdt:{probed}:copies,u:{probed}:add,i:s:100 {{ @ = count(); }}", "-c", f"{probed} 4")
    assert "Attached 3 probes\n" in done.stderr
    assert "@: 8\n" in done.stdout


def test_tracepoints_of_one_program_know_their_names(traced: Callable[..., list[str]]) -> None:
    script = "t:syscalls:sys_*_write /pid == cpid/ { @[probe] = count(); }"
    assert traced(script, 1) == [
        "@[tracepoint:syscalls:sys_enter_write]: 1", "@[tracepoint:syscalls:sys_exit_write]: 1",
    ]  # fmt: skip


def test_a_field_that_only_some_have_is_typed_for_each(pytrace: Callable[..., Any]) -> None:
    done = pytrace("-e", "t:sched:sched_sw* { print(args.prev_comm); exit(); }", status=1)
    assert "does not contain a field named 'prev_comm'" in done.stderr


def test_raw_tracepoints_follow_kernel_pointers(pytrace: Callable[..., Any]) -> None:
    script = "rt:sched_switch /args.next.pid > 0/ { print((args.next.pid > 0, arg3 == args.prev_state)); exit(); }"
    assert pytrace("-q", "-e", script).stdout.splitlines()[0] == "(true, true)"


def test_all_arguments_of_a_raw_tracepoint(pytrace: Callable[..., Any]) -> None:
    """Those behind one that is narrower than its slot are right too."""
    script = "rt:sched_switch { print(args.prev_state); print(args); exit(); }"
    first, second, *_ = pytrace("-q", "-e", script).stdout.splitlines()
    assert second.startswith("{ .preempt = ")
    assert second.endswith(f".prev_state = {first} }}")


def test_variable_data_of_a_tracepoint(pytrace: Callable[..., Any], probed: str) -> None:
    script = "t:sched:sched_process_exec /pid == cpid/ { print(str(args.filename)); exit(); }"
    assert pytrace("-q", "-e", script, "-c", probed).stdout.splitlines().count(probed) == 1


def test_an_iterator_visits_every_task(pytrace: Callable[..., Any]) -> None:
    script = "iter:task { @[ctx.task.comm == \"python\" || ctx.task.comm == \"python3\", ctx.task.pid > 0] = count(); }"
    done = pytrace("-q", "-f", "json", "-e", script)
    (data,) = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert sum(data["data"]["@"].values()) > 10


def test_a_watchpoint_fires_in_a_process(pytrace: Callable[..., Any], probed: str) -> None:
    done = pytrace("-e", "w:0x1000:8:w { @ = count(); }", "-c", probed, status=None)
    assert "Attached 1 probe\n" in done.stderr or "Unable to attach probe: watchpoint:4096:8:w" in done.stderr


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("u:PROG:add+100000", "ERROR: Offset outside the function bounds ('add' size is "),
        ("u:PROG:1", "ERROR: Could not resolve address: PROG:0x1\n"),
        ("u:PROG:seven+1", "ERROR: Could not add uprobe into middle of instruction: PROG:seven+1\nUse --unsafe"),
    ],
)
def test_a_place_that_cannot_be_probed_says_why(
    pytrace: Callable[..., Any], probed: str, spec: str, reason: str
) -> None:
    done = pytrace("-e", spec.replace("PROG", probed) + " {}", status=255)
    assert reason.replace("PROG", probed) in done.stderr
    assert "ERROR: Unable to attach probe: uprobe:" in done.stderr
