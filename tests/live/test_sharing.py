"""Many system calls are traced by one program at one event: everything is as if each had been attached to its own."""

from __future__ import annotations

import pytest

from pytrace.diagnostics import Diagnostics
from pytrace.semantics.sharing import MANY, share
from pytrace.semantics.unit import UnitProbe
from tests.probes.support import body_with, compile_headers, identifier, member, probe_of

pytestmark = pytest.mark.live

CALLS = 5000
GETPPID = "tracepoint:syscalls:sys_enter_getppid"


def probes_of(*headers: str, uses: str = "probe", field: str = "") -> list[UnitProbe]:
    """The probes of a script after sharing."""
    body = body_with(member(field) if field else identifier(uses))
    unit, diagnostics = compile_headers(*(probe_of(header, body) for header in headers))
    assert not diagnostics.errors
    return list(share(unit, Diagnostics()).probes)


def shared(each: UnitProbe) -> bool:
    flags = {target.number("shared") for target in each.targets}
    assert len(flags) == 1
    return flags == {1}


def test_all_calls_share() -> None:
    (each,) = (each for each in probes_of("t:syscalls:sys_enter_*") if shared(each))
    assert len(each.targets) >= 300


def test_entries_and_exits_are_two_programs() -> None:
    found = [each.targets[0].name for each in probes_of("t:syscalls:sys_e*") if shared(each)]
    assert sorted(name.rpartition("_")[0] for name in found) == [
        "tracepoint:syscalls:sys_enter", "tracepoint:syscalls:sys_exit",
    ]


def test_a_few_calls_do_not_share() -> None:
    (each,) = probes_of("t:syscalls:sys_enter_open*")
    assert len(each.targets) < MANY and not shared(each)


def test_all_programs_at_an_event_share_or_none_does() -> None:
    assert all(shared(each) for each in probes_of("t:syscalls:sys_enter_*", GETPPID))


def test_kernel_stacks_keep_their_events() -> None:
    assert not any(shared(each) for each in probes_of("t:syscalls:sys_enter_*", uses="kstack"))


def test_fields_that_stand_alike_do_not_hinder_it() -> None:
    assert any(shared(each) for each in probes_of("t:syscalls:sys_enter_*", field="__syscall_nr"))


def test_calls_are_counted_exactly(pytrace, load):
    script = 'tracepoint:syscalls:sys_enter_* /comm == "load"/ { @[probe] = count(); @n[args.__syscall_nr]++; }'
    done = pytrace("-q", "-e", script, "-c", f"{load} getppid {CALLS} 2")
    assert f"@[{GETPPID}]: {2 * CALLS}" in done.stdout.splitlines()
    assert f"@n[110]: {2 * CALLS}" in done.stdout.splitlines()


def test_results_and_a_loop_in_a_function_of_its_own(pytrace, load):
    script = (
        "begin { @seen[1] = 0; } tracepoint:syscalls:sys_exit_*"
        ' /comm == "load" && probe == "tracepoint:syscalls:sys_exit_getppid"/'
        " { @[args.ret == cpid, probe] = count(); for ($kv : @seen) { @in[probe] = count(); } }"
    )
    name = "tracepoint:syscalls:sys_exit_getppid"
    done = pytrace("-q", "--no-warnings", "-e", script, "-c", f"{load} getppid {CALLS} 1")
    lines = done.stdout.splitlines()
    assert f"@[false, {name}]: {CALLS}" in lines and f"@in[{name}]: {CALLS}" in lines


def test_programs_run_in_the_order_of_the_script(pytrace, load):
    guard = f'/comm == "load" && probe == "{GETPPID}"/'
    script = f'{GETPPID} {guard} {{ printf("one "); }} tracepoint:syscalls:sys_enter_* {guard} {{ printf("two "); }} '
    script += f'{GETPPID} {guard} {{ printf("three"); exit(); }}'
    done = pytrace("-q", "-e", script, "-c", f"{load} getppid 1 1")
    assert done.stdout.strip() == "one two three"


def test_all_are_counted_as_attached(pytrace):
    listed = pytrace("-l", "tracepoint:syscalls:sys_enter_*").stdout.splitlines()
    done = pytrace("-e", "tracepoint:syscalls:sys_enter_* { @ = count(); } interval:ms:1 { exit(); }")
    assert f"Attached {len(listed) + 1} probes\n" in done.stderr
