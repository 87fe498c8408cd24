"""What bodies see of every provider alike."""

from __future__ import annotations

import pytest

from pytrace.probes import PROVIDERS
from pytrace.probes.registers import registers
from pytrace.semantics.types import U64, Pointer, Space, Struct
from tests.probes.support import compile_headers, context_and_host, context_of


@pytest.mark.parametrize(
    ("header", "probetype", "prog_type", "space"),
    [
        ("begin", "special", "raw_tracepoint", Space.NONE),
        ("end", "special", "raw_tracepoint", Space.NONE),
        ("self:signal:SIGUSR1", "special", "raw_tracepoint", Space.NONE),
        ("test:a", "test", "xdp", Space.NONE),
        ("bench:a", "benchmark", "xdp", Space.NONE),
        ("i:s:1", "interval", "perf_event", Space.NONE),
        ("p:hz:9", "profile", "perf_event", Space.NONE),
        ("s:cs", "software", "perf_event", Space.NONE),
        ("h:cycles", "hardware", "perf_event", Space.NONE),
        ("w:0x1000:8:w", "watchpoint", "perf_event", Space.NONE),
        pytest.param("t:sched:sched_switch", "tracepoint", "tracepoint", Space.KERNEL, marks=pytest.mark.live),
        pytest.param("rt:sched_switch", "rawtracepoint", "tracing", Space.KERNEL, marks=pytest.mark.live),
        pytest.param("f:vfs_read", "fentry", "tracing", Space.KERNEL, marks=pytest.mark.live),
        pytest.param("k:vfs_read", "kprobe", "kprobe", Space.KERNEL, marks=pytest.mark.live),
        pytest.param("iter:task", "iter", "tracing", Space.KERNEL, marks=pytest.mark.live),
        pytest.param("u:libc:malloc", "uprobe", "kprobe", Space.USER, marks=pytest.mark.live),
        pytest.param("ur:libc:malloc", "uretprobe", "kprobe", Space.USER, marks=pytest.mark.live),
    ],
)
def test_the_kind_of_a_program(header: str, probetype: str, prog_type: str, space: Space) -> None:
    context = context_of(header)
    assert (context.probetype, context.prog_type, context.space) == (probetype, prog_type, space)


def test_a_timer_sees_registers_and_needs_no_kernel_types(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytrace.kernel import btf

    def refuse() -> None:
        raise AssertionError("kernel types were read")

    monkeypatch.setattr(btf, "kernel_btf", refuse)
    context = context_of("i:s:1")
    assert context.registers == 0
    assert isinstance(context.ctx, Pointer)
    assert isinstance(context.ctx.pointee, Struct)
    assert context.ctx.pointee.name == "bpf_perf_event_data"


@pytest.mark.live
def test_sizes_that_are_known_beforehand_are_the_kernel_s() -> None:
    for header in ("i:s:1", "k:vfs_read", "u:libc:malloc"):
        context, host = context_and_host(header)
        assert isinstance(context.ctx, Pointer)
        assert host.types.struct("struct", str(context.ctx.pointee).split()[1]) == context.ctx.pointee


@pytest.mark.live
def test_functions_have_arguments_at_entry_and_a_value_at_return() -> None:
    known = registers()
    for entry, leave, space in (
        ("k:vfs_read", "kr:vfs_read", Space.KERNEL), ("u:libc:malloc", "ur:libc:malloc", Space.USER),
    ):  # fmt: skip
        arguments = context_of(entry).arguments
        assert [(f.name, f.offset, f.space) for f in arguments] == [
            (f"arg{n}", known.names[name], space) for n, name in enumerate(known.arguments)
        ]
        assert context_of(entry).retval is None
        assert context_of(leave).arguments == ()
        retval = context_of(leave).retval
        assert retval is not None
        assert (retval.type, retval.offset, retval.space) == (U64, known.names[known.result], space)


@pytest.mark.live
def test_programs_are_typed_after_what_they_trace() -> None:
    from pytrace.kernel.btf import Kind, kernel_btf

    btf = kernel_btf()
    assert btf is not None
    for header, name, kind in (
        ("rt:sched_switch", "btf_trace_sched_switch", Kind.TYPEDEF), ("f:vfs_read", "vfs_read", Kind.FUNC),
        ("iter:task", "bpf_iter_task", Kind.FUNC),
    ):  # fmt: skip
        unit, _ = compile_headers(header)
        (target,) = unit.probes[0].targets
        loading = PROVIDERS[target.provider].loading(target)
        found = btf.find(name, kind)
        assert found is not None
        assert loading.attach_btf == str(found.id)
