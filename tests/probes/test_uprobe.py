"""`uprobe` and `uretprobe`: every call is counted; parameters are typed by debug information."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytrace.probes import PROVIDERS
from pytrace.probes.provider import AttachError, Target
from pytrace.probes.registers import registers
from pytrace.semantics.configuration import Config
from pytrace.semantics.types import BOOL, U8, Int, Pointer, Space, Struct
from tests.probes.support import (
    CALLS,
    args_of,
    context_and_host,
    context_of,
    counting_program,
    getppid,
    hits,
    names_of,
    run,
    targets_of,
)

SINGLE = frozenset({"uprobe_multi"})


@pytest.mark.live
@pytest.mark.parametrize("features", [frozenset(), SINGLE], ids=["multi", "single"])
@pytest.mark.parametrize(
    ("spec", "places", "each"),
    [("u:{}:add", 1, 1), ("ur:{}:add", 1, 1), ("u:{}:add,u:{}:look", 2, 2), ("u:{}:t*c*", 2, 2)],
)
def test_uprobes_count_every_call(
    probed: str, spec: str, places: int, each: int, features: frozenset[str]
) -> None:
    header = spec.replace("{}", probed)
    assert hits(header, run(probed, 7), no_features=features) == (places, 7 * each)


@pytest.mark.live
def test_functions_of_a_stripped_file_are_found_by_its_debug_file(probed: str, tmp_path: Path) -> None:
    bare, debug = str(tmp_path / "bare"), str(tmp_path / "bare.debug")
    subprocess.run(["objcopy", "--only-keep-debug", probed, debug], check=True)
    subprocess.run(["objcopy", "--strip-all", "--remove-section=.note.gnu.build-id", probed, bare], check=True)
    assert names_of(f"u:{bare}:ad*", config=Config(missing_probes="ignore")) == []
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", bare], check=True)
    assert names_of(f"u:{bare}:add") == [f"uprobe:{bare}:add"]
    assert hits(f"u:{bare}:ad*", run(bare, 10)) == hits(f"u:{probed}:ad*", run(probed, 10))


@pytest.mark.live
def test_a_uprobe_may_be_bound_to_a_process(probed: str) -> None:
    assert hits(f"u:{probed}:add", run(probed, 7), pid=os.getpid()) == (1, 0)
    assert hits("u:libc:getppid", getppid, pid=os.getpid()) == (1, CALLS)


@pytest.mark.live
def test_an_address_is_that_of_the_file(probed: str) -> None:
    symbols = subprocess.run(["nm", probed], capture_output=True, text=True, check=True).stdout
    address = next(line.split()[0] for line in symbols.splitlines() if line.endswith(" add"))
    assert [target.name for target in targets_of(f"u:{probed}:0x{address}")] == [f"uprobe:{probed}:{int(address, 16)}"]
    assert hits(f"u:{probed}:0x{address}", run(probed, 7)) == (1, 7)


@pytest.mark.live
def test_a_source_line_is_an_address(probed: str) -> None:
    source = (Path(__file__).parent.parent / "programs" / "probed.c").read_text().splitlines()
    line = next(n for n, text in enumerate(source, 1) if "return a + d + b" in text)
    assert hits(f"u:{probed}@probed.c:{line}", run(probed, 7)) == (1, 7)


@pytest.mark.live
@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("{}:add+100000", "Offset outside the function bounds ('add' size is "),
        ("{}:1", "Could not resolve address: {}:0x1"),
    ],
)
def test_unfit_places_fail_when_attaching(probed: str, spec: str, reason: str) -> None:
    with pytest.raises(AttachError) as caught:
        hits(f"u:{spec.format(probed)}", lambda: None)
    assert caught.value.reason.startswith(reason.format(probed))


@pytest.mark.live
def test_the_middle_of_an_instruction_needs_force(probed: str) -> None:
    """`seven` starts with an instruction of three bytes or more, whatever the compiler."""
    with pytest.raises(AttachError) as caught:
        hits(f"u:{probed}:seven+1", lambda: None)
    first, second = caught.value.reason.splitlines()
    assert first == f"Could not add uprobe into middle of instruction: {probed}:seven+1"
    assert "--unsafe" in second


@pytest.mark.live
def test_with_a_handler_the_other_targets_are_attached(probed: str) -> None:
    """A link for many places fails as a whole; the bad place is found and left out."""
    good = targets_of(f"u:{probed}:add,u:{probed}:look,u:{probed}:tick")
    data = dict(good[1].data) | {"place": 1 << 40}
    bad = Target("uprobe", "uprobe:bad", tuple(data.items()))
    _, program = counting_program(good)
    failures: list[AttachError] = []
    entries = [(target, 0) for target in (good[0], bad, good[2])]
    attachments = PROVIDERS["uprobe"].attach(program, entries, pid=None, failed=failures.append)
    for attachment in attachments:
        for fd in attachment.fds:
            os.close(fd)
    assert sum(attachment.count for attachment in attachments) == 2
    assert [failure.target for failure in failures] == [bad]
    with pytest.raises(AttachError):
        PROVIDERS["uprobe"].attach(program, entries, pid=None)
    os.close(program)


@pytest.mark.live
def test_parameters_by_name(traced: Callable[..., list[str]]) -> None:
    assert traced("u:PROG:add { print((args.a, args.b, str(args.text))); }") == ["(0, -2, abc)", "(1, -2, abc)"]


@pytest.mark.live
def test_structs_of_the_program(traced: Callable[..., list[str]]) -> None:
    script = """u:PROG:look {
        $t = args.thing;
        print((args.p.y, args.q.y, $t.serial, $t.name, $t.at, $t.low, $t.high));
        print(($t.color, $t.whole, $t.next.name, $t.values, args.c, args.byte, args.yes));
    }"""
    assert traced(script, 1) == [
        "(2, 2, 7, first, { .x = 3, .y = 4 }, 5, 6)", "(5, 1, last, [-1,-2,-3], 5, 200, true)",
    ]  # fmt: skip


@pytest.mark.live
def test_all_parameters_together(traced: Callable[..., list[str]]) -> None:
    (line,) = traced("u:PROG:add { print(args); }", 1)
    assert line.startswith("{ .a = 0, .b = -2, .text = 0x")


@pytest.mark.live
def test_registers_of_a_call_and_its_result(traced: Callable[..., list[str]]) -> None:
    script = 'u:PROG:add { print((arg0, (int64)arg1, str(arg2))); } ur:PROG:add { print((probe, (int32)retval)); }'
    assert traced(script, 1) == ["(0, -2, abc)", "(uretprobe:PROG:add, 95)"]


@pytest.mark.live
def test_functions_of_one_program_know_their_names(traced: Callable[..., list[str]]) -> None:
    assert traced("u:PROG:t*,u:PROG:add { @[probe] = count(); }", 3) == [
        "@[uprobe:PROG:add]: 3", "@[uprobe:PROG:tick]: 3", "@[uprobe:PROG:twice]: 3",
    ]  # fmt: skip


@pytest.mark.live
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
