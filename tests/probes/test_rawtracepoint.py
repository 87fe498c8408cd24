"""`rawtracepoint`: every call is counted; arguments are typed by BTF."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pytrace.semantics.types import BOOL, U64, Pointer, Space
from tests.probes.support import CALLS, args_of, context_and_host, context_of, getppid, hits

pytestmark = pytest.mark.live


def test_a_raw_tracepoint_counts_every_call() -> None:
    places, count = hits("rt:sys_enter", getppid)
    assert places == 1
    assert count >= CALLS


def test_arguments_of_a_raw_tracepoint() -> None:
    context, host = context_and_host("rt:sched_switch")
    args = args_of(context)
    task = host.types.struct("struct", "task_struct")
    assert list(args) == ["preempt", "prev", "next", "prev_state"]
    assert [field.offset for field in args.values()] == [0, 8, 16, 24]
    assert args["preempt"].type == BOOL
    assert task is not None
    assert args["next"].type == Pointer(task, Space.KERNEL)
    assert args["next"].trusted
    assert [(f.name, f.type, f.offset) for f in context.arguments] == [(f"arg{n}", U64, 8 * n) for n in range(4)]


def test_raw_tracepoints_follow_kernel_pointers(pytrace: Callable[..., Any]) -> None:
    script = "rt:sched_switch /args.next.pid > 0/ { print((args.next.pid > 0, arg3 == args.prev_state)); exit(); }"
    assert pytrace("-q", "-e", script).stdout.splitlines()[0] == "(true, true)"


def test_pointers_that_the_verifier_does_not_load(pytrace: Callable[..., Any]) -> None:
    """Arguments that point to functions are read as other memory is."""
    script = "rt:workqueue_execute_end { print((ksym(args.function), args.function == arg1)); exit(); }"
    (line,) = pytrace("-q", "-e", f"{script} interval:s:30 {{ exit(); }}").stdout.split("\n")[:1]
    assert re.fullmatch(r"\([a-z_]\w*(\.\w+)*, true\)", line)
    context = context_of("rt:workqueue_execute_end")
    assert {name: field.copied for name, field in args_of(context).items()} == {"work": False, "function": True}
    assert [field.copied for field in context.arguments] == [False, True]


def test_all_arguments_of_a_raw_tracepoint(pytrace: Callable[..., Any]) -> None:
    """Those behind one that is narrower than its slot are right too."""
    script = "rt:sched_switch { print(args.prev_state); print(args); exit(); }"
    first, second, *_ = pytrace("-q", "-e", script).stdout.splitlines()
    assert second.startswith("{ .preempt = ")
    assert second.endswith(f".prev_state = {first} }}")
