"""The probe's context: read in exactly its slots, as scalars and aggregates; targets; names."""

from __future__ import annotations

import os
import struct

import pytest

from pytrace.codegen import generate
from pytrace.kernel import bpf
from pytrace.probes import PROVIDERS
from pytrace.probes.contexts import ProbeContext
from pytrace.runtime.loading import SessionValues, load
from pytrace.semantics import program as core
from pytrace.semantics.types import BOOL, I8, I16, I32, I64, U32, U64, Array, Pointer, Space, Str, Tuple
from tests.codegen.harness import SPAN, Names, builtin, compare, emit, features, num, program, put, read, records

pytestmark = pytest.mark.live


def run_with(body: list[core.Stmt], names: Names, arguments: list[int]) -> list[tuple[object, ...]]:
    """The records of a raw tracepoint program run with these arguments as its context."""
    image = generate(program(body, names), features())
    held = load(image, SessionValues.now())
    try:
        bpf.prog_test_run(held.programs[0], ctx_in=struct.pack(f"<{len(arguments)}Q", *arguments))
        return [values for _, _, values in records(image, held)]
    finally:
        held.close()


def slot(type_: core.Type, offset: int, size: int = 8) -> core.ContextRead:
    return core.ContextRead(type_, SPAN, offset, size)


def test_slots_are_cut_to_their_type():
    word = 0x8081828384858687
    body = [emit(*(slot(type_, 0) for type_ in (I8, I16, I32, I64, U32, U64, BOOL, Pointer(I8))))]
    expected = (-121, -31097, -2071624057, word - (1 << 64), 0x84858687, word, True, word)
    assert run_with(body, Names(), [word]) == [expected]


def test_the_same_slot_again_and_again():
    """In branches, too, the verifier must see the offset in the instruction."""
    names = Names()
    total = names.var(I64)
    body: list[core.Stmt] = []
    for i in range(4):
        larger = core.Arith(I64, SPAN, "add", read(total), slot(I64, 8 * (3 - i)))
        body += [core.Branch(SPAN, compare("gt", slot(I64, 8 * i), num(2)), (put(total, larger),))]
    assert run_with([*body, emit(read(total))], names, [1, 5, 3, 2]) == [(3 + 5,)]


def test_aggregates_of_the_context():
    data = struct.unpack("<4Q", b"sixteen letters!" + bytes(range(16)))
    body = [
        emit(slot(Str(16), 0, 16), slot(Array(U64, 2), 16, 16), slot(Tuple((U64, U64)), 8, 16)),
        emit(core.Part(U64, SPAN, slot(Array(U64, 2), 8, 16), 8)),
    ]
    found = run_with(body, Names(), list(data))
    assert found[0][0] == b"sixteen letters!"
    assert list(found[0][1]) == list(data[2:])  # type: ignore[call-overload]
    assert found[0][2] == data[1:3]
    assert found[1] == (data[2],)


def test_large_aggregates_of_the_context():
    data = bytes(65 + i // 8 for i in range(96))
    assert run_with([emit(slot(Str(96), 0, 96))], Names(), list(struct.unpack("<12Q", data))) == [(data,)]


def test_the_address_of_the_context():
    names = Names()
    address = core.ContextAddress(Pointer(U64, Space.KERNEL), SPAN, 8)
    loaded = core.Load(U64, SPAN, address, 0, Space.KERNEL)
    high = core.Arith(U64, SPAN, "lshr", core.Convert(U64, SPAN, address), num(48, U64))
    assert run_with([emit(loaded, high)], names, [1, 77]) == [(77, 0xFFFF)]


def attach_and_count(body: list[core.Stmt], events: list[str], trigger: object) -> list[tuple[object, ...]]:
    """The records that tracepoint programs send while `trigger` runs."""
    assert callable(trigger)
    context = ProbeContext("tracepoint", "tracepoint")
    from pytrace.diagnostics import Diagnostics
    from pytrace.probes.host import MachineHost
    from pytrace.probes.provider import Spec
    from pytrace.semantics.unit import Options

    provider = PROVIDERS["tracepoint"]
    host = MachineHost(Options())
    targets = []
    for event in events:
        spec = Spec("tracepoint", f"tracepoint:syscalls:{event}", ("syscalls", event), SPAN)
        spec = provider.parse(spec, Diagnostics())
        assert spec is not None
        targets += provider.expand(spec, host, Diagnostics())
    probe = core.Probe(1, "both_1", tuple(targets), (), tuple(body), SPAN, context)
    image = generate(core.Program((probe,), (), core.Config()), features())
    held = load(image, SessionValues.now())
    attached = provider.attach(held.programs[0], image.programs[0].targets, pid=None)
    try:
        trigger()
        return [values for _, _, values in records(image, held)]
    finally:
        for each in attached:
            for fd in each.fds:
                os.close(fd)
        held.close()


def test_a_shared_program_knows_which_target_fired():
    events = ["sys_enter_getpriority", "sys_enter_getsid"]
    names = [f"tracepoint:syscalls:{event}" for event in events]

    def trigger() -> None:
        os.getpriority(os.PRIO_PROCESS, 0)
        os.getsid(0)
        os.getpriority(os.PRIO_PROCESS, 0)

    with (
        builtin("test_by_target", lambda e, call: e.by_target([100, -200])),
        builtin("test_pid", lambda e, call: e.b.lshr(e.helper("get_current_pid_tgid"), 32)),
    ):
        own = compare("eq", core.Call(U64, SPAN, "test_pid"), num(os.getpid(), U64))
        name = core.ProbeName(Str(max(map(len, names)) + 1), SPAN)
        body = [core.Branch(SPAN, own, (emit(name, core.Call(I64, SPAN, "test_by_target")),))]
        found = attach_and_count(body, events, trigger)
    first, second = names[0].encode(), names[1].encode()
    assert found == [(first, 100), (second, -200), (first, 100)]


def test_the_name_of_a_single_target_is_a_constant():
    names = Names()
    image = generate(program([emit(core.ProbeName(Str(6), SPAN))], names), features())
    assert not any(each.kind == "kfunc" for each in image.programs[0].relocations)
    held = load(image, SessionValues.now())
    try:
        bpf.prog_test_run(held.programs[0])
        assert records(image, held)[0][2] == (b"begin",)
    finally:
        held.close()
