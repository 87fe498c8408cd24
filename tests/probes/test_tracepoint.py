"""`tracepoint`: every call is counted; fields are typed after the format files."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from pytrace.kernel.tracefs import FormatField
from pytrace.probes.provider import AttachError, Target
from pytrace.probes.tracepoint_fields import field_type
from pytrace.semantics.types import BOOL, I64, U8, U64, VOID, Array, Enum, Int, Pointer, Space, Str, Struct, Type
from tests.probes.support import CALLS, args_of, attach, context_of, counting_program, hits, libc, targets_of


@pytest.mark.live
def test_tracepoints_count_every_call() -> None:
    def rarely_called() -> None:
        for _ in range(CALLS):
            libc.sched_get_priority_max(0)

    both = "t:syscalls:sys_enter_sched_get_priority_max,t:syscalls:sys_exit_sched_get_priority_max"
    places, count = hits(both, rarely_called)
    assert places == 2
    assert 2 * CALLS <= count < 2 * CALLS + 100


@pytest.mark.live
def test_a_tracepoint_that_went_away_is_named() -> None:
    (target,) = targets_of("t:sched:sched_switch")
    _, program = counting_program([target])
    gone = Target("tracepoint", "tracepoint:sched:gone", (("category", "sched"), ("event", "gone")))
    with pytest.raises(AttachError) as caught:
        attach(program, [gone])
    os.close(program)
    assert caught.value.target == gone
    assert "sched:gone does not exist" in caught.value.reason


@pytest.mark.live
def test_tracepoints_of_one_program_know_their_names(traced: Callable[..., list[str]]) -> None:
    script = "t:syscalls:sys_*_write /pid == cpid/ { @[probe] = count(); }"
    assert traced(script, 1) == [
        "@[tracepoint:syscalls:sys_enter_write]: 1", "@[tracepoint:syscalls:sys_exit_write]: 1",
    ]  # fmt: skip


@pytest.mark.live
def test_a_field_that_only_some_have_is_typed_for_each(pytrace: Callable[..., Any]) -> None:
    done = pytrace("-e", "t:sched:sched_sw* { print(args.prev_comm); exit(); }", status=1)
    assert "does not contain a field named 'prev_comm'" in done.stderr


@pytest.mark.live
def test_variable_data_of_a_tracepoint(pytrace: Callable[..., Any], probed: str) -> None:
    script = "t:sched:sched_process_exec /pid == cpid/ { print(str(args.filename)); exit(); }"
    assert pytrace("-q", "-e", script, "-c", probed).stdout.splitlines().count(probed) == 1


class _Types:
    """A few kernel types."""

    def struct(self, kind: str, name: str) -> Struct | None:
        return Struct(name, 16, 8, kind, "vmlinux") if name == "sock" else None

    def definition(self, struct: Struct) -> None:
        return None

    def named(self, name: str) -> Type | None:
        return {
            "owner_t": Pointer(Struct("file", 8)), "flag_t": BOOL, "xid_t": Int(4, False), "char": U8,
            "kind_t": Enum("kind"),
        }.get(name)  # fmt: skip

    def enum(self, name: str) -> Enum | None:
        return Enum(name, "vmlinux") if name == "kind" else None

    def enumerator(self, name: str) -> None:
        return None

    def variants(self, enum: Enum) -> dict[int, str]:
        return {}


def parsed(text: str, size: int, signed: bool = False) -> FormatField:
    from pytrace.kernel.tracefs import parse_format

    lines = f"name: x\nID: 1\nformat:\n\tfield:{text};\toffset:8;\tsize:{size};\tsigned:{int(signed)};\n\nprint fmt: x"
    return parse_format(lines).fields[0]


@pytest.mark.parametrize(
    ("text", "size", "signed", "expected"),
    [
        ("int a", 4, True, Int(4, True)),
        ("int dfd", 8, False, U64),
        ("unsigned long long a", 8, False, U64),
        ("xid_t a", 8, True, I64),
        ("nosuch_t a", 4, False, Int(4, False)),
        ("bool a", 1, False, BOOL),
        ("flag_t a", 1, False, BOOL),
        ("char a", 1, False, U8),
        ("char comm[16]", 16, True, Str(16)),
        ("u8 mac[6]", 6, False, Array(U8, 6)),
        ("unsigned long v[4]", 32, False, Array(U64, 4)),
        ("char rest[0]", 0, False, Str(0)),
        ("enum kind k", 4, False, Enum("kind", "vmlinux")),
        ("enum nosuch k", 4, False, Int(4, False)),
        ("const enum kind k", 8, False, Enum("kind", "vmlinux")),
        ("const char * name", 8, False, Pointer(U8, Space.USER)),
        ("char **names", 8, False, Pointer(Pointer(U8, Space.USER), Space.USER)),
        ("void * p", 8, False, Pointer(VOID, Space.USER)),
        ("const void *const p", 8, False, Pointer(VOID, Space.USER)),
        ("struct sock * sk", 8, False, Pointer(Struct("sock", 16, 8, "struct", "vmlinux"), Space.USER)),
        ("struct nosuch * p", 8, False, Pointer(VOID, Space.USER)),
        ("owner_t p", 8, False, Pointer(Struct("file", 8), Space.USER)),
        ("struct sock s", 16, False, Struct("sock", 16, 8, "struct", "vmlinux")),
        ("struct nosuch s", 12, False, Array(U8, 12)),
        ("__data_loc char[] name", 4, False, I64),
        ("__data_loc cpumask_t mask", 4, False, I64),
        ("__rel_loc u8[] data", 4, False, I64),
    ],
)
def test_the_type_of_a_field(text: str, size: int, signed: bool, expected: Type) -> None:
    """Size and signedness come from the format, the rest from the kernel's types."""
    found = field_type(parsed(text, size, signed), _Types(), Space.USER)
    assert found == expected


@pytest.mark.live
def test_arguments_of_a_system_call_are_the_user_s() -> None:
    context = context_of("t:syscalls:sys_enter_openat")
    args = args_of(context)
    assert args["filename"].type in (Pointer(U8, Space.USER), Pointer(Int(1, True), Space.USER))
    assert (args["dfd"].type, args["dfd"].offset, args["dfd"].size) == (U64, 16, 8)
    assert args["dfd"].space is Space.USER
    assert not context.args_printable


@pytest.mark.live
def test_common_fields_are_refused() -> None:
    context = context_of("t:sched:sched_switch")
    assert context.refused == {"common_type", "common_flags", "common_preempt_count", "common_pid"}
    assert context.refused <= set(args_of(context))
    assert args_of(context)["prev_comm"].type == Str(16)
    assert context.args_name == "tracepoint:sched:sched_switch_args"


@pytest.mark.live
def test_variable_data_is_the_kernel_s() -> None:
    field = args_of(context_of("t:irq:irq_handler_entry"))["name"]
    assert (field.type, field.size, field.data_loc, field.space) == (I64, 4, True, Space.KERNEL)
