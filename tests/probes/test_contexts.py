"""What bodies see: arguments and their types, by provider."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.kernel.tracefs import FormatField
from pytrace.probes import PROVIDERS
from pytrace.probes.provider import ContextField, Host, ProbeContext
from pytrace.probes.registers import registers
from pytrace.probes.tracepoint import field_type
from pytrace.semantics.types import BOOL, I64, U8, U64, VOID, Array, Enum, Int, Pointer, Space, Str, Struct, Type
from tests.probes.support import compile_headers


def context_of(header: str, **options: object) -> ProbeContext:
    return context_and_host(header, **options)[0]


def context_and_host(header: str, **options: object) -> tuple[ProbeContext, Host]:
    unit, diagnostics = compile_headers(header, **options)  # type: ignore[arg-type]  # as the tests name them
    assert not diagnostics.errors, diagnostics.errors
    (target,) = unit.probes[0].targets
    assert unit.host is not None
    return PROVIDERS[target.provider].context(target, unit.host), unit.host


def args_of(context: ProbeContext) -> dict[str, ContextField]:
    assert context.args is not None
    return {field.name: field for field in context.args}


# --- the kind of each provider ------------------------------------------------------------------------------------


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


# --- tracepoints --------------------------------------------------------------------------------------------------


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


# --- BTF ----------------------------------------------------------------------------------------------------------


@pytest.mark.live
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


@pytest.mark.live
def test_arguments_and_result_of_a_function() -> None:
    entry, leave = context_of("f:vfs_read"), context_of("fexit:vfs_read")
    assert list(args_of(entry)) == list(args_of(leave)) == ["file", "buf", "count", "pos"]
    assert args_of(entry)["file"].trusted
    assert not args_of(entry)["count"].trusted
    assert entry.retval is None
    assert leave.retval is not None
    assert (leave.retval.type, leave.retval.offset) == (I64, 32)
    assert leave.args_printable


@pytest.mark.live
def test_a_function_without_a_result_has_no_retval() -> None:
    context = context_of("fexit:kfree")
    assert context.retval is None
    assert "$retval" in context.retval_error


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


@pytest.mark.live
def test_the_context_of_an_iterator_is_its_struct() -> None:
    context, host = context_and_host("iter:task_file")
    struct = host.types.struct("struct", "bpf_iter__task_file")
    assert struct is not None
    assert context.ctx == Pointer(struct, Space.KERNEL)
    assert isinstance(context.ctx, Pointer)
    assert context.ctx.trusted


# --- traced programs ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def probed(build: Callable[..., Path]) -> str:
    return str(build("probed"))


@pytest.mark.live
def test_parameters_of_a_function_with_debug_information(probed: str) -> None:
    context, host = context_and_host(f"u:{probed}:look")
    args = args_of(context)
    point = Struct("point", 8, 4, "struct", probed)
    assert [(name, field.type) for name, field in args.items()] == [
        ("p", Pointer(point, Space.USER)), ("q", point),
        ("thing", Pointer(Struct("thing", 64, 8, "struct", probed), Space.USER)), ("c", Int(4, False)), ("byte", U8),
        ("yes", BOOL),
    ]  # fmt: skip
    assert [field.offset for field in args.values()] == [registers().names[name] for name in registers().arguments[:6]]
    definition = host.types.definition(Struct("thing", 64, 8, "struct", probed))
    assert definition is not None
    assert [(f.name, str(f.type), f.offset, f.bit_offset, f.bit_size) for f in definition.fields] == [
        ("serial", "int64", 0, 0, 0), ("name", "string[16]", 8, 0, 0), ("at", "struct point", 24, 0, 0),
        ("low", "uint32", 32, 0, 3), ("high", "uint32", 32, 3, 5), ("color", "uint32", 36, 0, 0),
        ("whole", "int32", 40, 0, 0), ("part", "uint32", 40, 0, 0), ("next", "struct thing *", 48, 0, 0),
        ("values", "int16[3]", 56, 0, 0),
    ]  # fmt: skip


@pytest.mark.live
def test_floating_point_parameters_take_no_register(probed: str) -> None:
    args = args_of(context_of(f"u:{probed}:mixed"))
    known = registers()
    assert [(name, f.offset) for name, f in args.items()] == [
        ("a", known.names[known.arguments[0]]), ("b", known.names[known.arguments[1]]),
    ]  # fmt: skip


@pytest.mark.live
@pytest.mark.parametrize("function", ["seven", "large"])
def test_parameters_on_the_stack_make_args_an_error(probed: str, function: str) -> None:
    context = context_of(f"u:{probed}:{function}")
    assert context.args is None
    assert context.args_error == (
        f'Could not parse arguments of "uprobe:{probed}:{function}": '
        "'args' builtin is not supported for probes with stack-passed arguments."
    )
    assert len(context.arguments) == len(registers().arguments)


@pytest.mark.live
def test_without_debug_information_args_is_an_error(probed: str, tmp_path: Path) -> None:
    bare = str(tmp_path / "bare")
    subprocess.run(["objcopy", "--strip-debug", "--remove-section=.note.gnu.build-id", probed, bare], check=True)
    context = context_of(f"u:{bare}:add")
    assert context.args is None
    assert context.args_error == f'Could not parse arguments of "uprobe:{bare}:add": no debuginfo found for {bare}'


@pytest.mark.live
def test_debug_information_may_be_a_file_of_its_own(probed: str, tmp_path: Path) -> None:
    """Found by the name that the file gives, in a folder of the command line or next to it."""
    bare, folder = str(tmp_path / "bare"), tmp_path / "debug"
    folder.mkdir()
    separate = str(folder / "probed.debug")
    subprocess.run(["objcopy", "--only-keep-debug", probed, separate], check=True)
    strip = ["--strip-debug", "--remove-section=.note.gnu.build-id", f"--add-gnu-debuglink={separate}"]
    subprocess.run(["objcopy", *strip, probed, bare], check=True)
    assert list(args_of(context_of(f"u:{bare}:add", debug_folders=(str(folder),)))) == ["a", "b", "text"]
    assert context_of(f"u:{bare}:look").args is None
    folder.rename(tmp_path / ".debug")
    assert list(args_of(context_of(f"u:{bare}:mixed"))) == ["a", "b"]


@pytest.mark.live
def test_arguments_of_a_static_probe(probed: str) -> None:
    known = registers().names
    context = context_of(f"usdt:{probed}:demo:tick")
    number, big, constant, memory, element, *missing = context.arguments
    assert (number.stored, number.offset, number.displacement) == (Int(4, True), known["di"], None)
    assert (big.stored, big.offset) == (U64, known["si"])
    assert constant.constant == 7
    assert (memory.stored, memory.displacement, memory.index) == (Int(2, True), 2, None)
    assert (element.stored, element.displacement, element.scale) == (Int(2, True), 0, 2)
    assert element.index == known["cx"]
    assert {field.constant for field in missing} == {0}
    assert all(field.type == U64 for field in context.arguments)
