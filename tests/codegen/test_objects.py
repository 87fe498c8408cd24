"""Object files, linking, type information, disassembly, plain data: what needs no kernel."""

from __future__ import annotations

import marshal
import struct
import subprocess
import sys

import pytest

from pytrace.codegen import Features, generate
from pytrace.codegen.btf_out import program_btf
from pytrace.codegen.disasm import disassemble
from pytrace.codegen.helpers import HELPERS
from pytrace.codegen.image import Action, Place, RecordLayout, Relocation
from pytrace.codegen.link import frame_size, link
from pytrace.codegen.llvm import compile_modules
from pytrace.codegen.plain import from_plain, to_plain
from pytrace.diagnostics import CompileError, Source, Span
from pytrace.kernel.btf import Btf, Kind
from pytrace.kernel.object_file import read_object
from pytrace.probes.provider import Target
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    I8,
    I64,
    U64,
    Aggregate,
    Enum,
    Field,
    Pointer,
    Record,
    Space,
    Str,
    Struct,
    StructDef,
    Tuple,
)
from tests.codegen.harness import SPAN, Names, compare, emit, num, program, put, read, text
from tests.conftest import ROOT

MODULE = """
@map_one = external global [0 x i64], align 8
@rodata.24 = external global [0 x i64], align 8
@cell.value = external global [0 x i64], align 8
declare i64 @bpf_something(i64)
define i64 @main_function(ptr %ctx) nounwind section "program/1" {
  %a = call i64 @bpf_something(i64 3)
  %b = call i64 @second(i64 %a)
  %c = call i64 @first(i64 %b)
  %d = call i64 inttoptr (i64 1 to ptr)(ptr @map_one, ptr @rodata.24)
  %e = call i64 inttoptr (i64 181 to ptr)(i64 4, ptr @callback, ptr null, i64 0)
  store i64 %e, ptr @cell.value
  ret i64 %c
}
define internal i64 @unused(i64 %x) nounwind noinline {
  %y = call i64 inttoptr (i64 7 to ptr)()
  ret i64 %y
}
define internal i64 @first(i64 %x) nounwind noinline {
  %y = call i64 @second(i64 %x)
  %z = add i64 %y, 1
  ret i64 %z
}
define internal i64 @second(i64 %x) nounwind noinline {
  %y = call i64 inttoptr (i64 5 to ptr)()
  %z = add i64 %y, %x
  ret i64 %z
}
define internal i64 @callback(i64 %index, ptr %state) nounwind noinline {
  %y = call i64 @first(i64 %index)
  ret i64 0
}
"""


def test_linking_joins_what_is_called():
    (data,) = compile_modules([MODULE], "v4")
    (linked,) = link(data, ["program/1"], bytearray().find)
    names = dict(linked.functions)
    assert set(names) == {"main_function", "first", "second", "callback"}
    assert names["main_function"] == 0
    listing = disassemble(linked.code, linked.relocations).splitlines()
    first_call = next(i for i, line in enumerate(listing) if "bpf_something" in line)
    assert f"call {names['second']}" in listing[first_call + 2]
    assert any(f"= function {names['callback']}" in line for line in listing)
    kinds = {(each.kind, each.symbol, each.addend) for each in linked.relocations}
    assert kinds == {("kfunc", "bpf_something", 0), ("map", "map_one", 0), ("data", "rodata", 24), ("data", "cell", 0)}
    inside_first = next(line for line in listing if line.strip().startswith(f"{names['first']}:"))
    assert inside_first.endswith(f"call {names['second']}")


def test_functions_of_an_object():
    obj = read_object(compile_modules([MODULE], "v3")[0])
    functions = {symbol.name for symbol in obj.symbols if symbol.is_function}
    assert functions == {"main_function", "unused", "first", "second", "callback"} or "unused" not in functions
    assert obj.sections[obj.section("program/1")].executable
    assert obj.section("no such section") == 0


def test_other_files_are_refused():
    with pytest.raises(ValueError, match="ELF"):
        read_object(b"\x7fELF\x01\x01 of 32 bits")


def test_the_size_of_a_frame():
    store = struct.pack("<BBhi", 0x7B, 0x1A, -24, 0)
    address = struct.pack("<BBhi", 0xBF, 0xA2, 0, 0) + struct.pack("<BBhi", 0x07, 0x02, 0, -104)
    assert frame_size(store, 0, 1) == 24
    assert frame_size(store + address, 0, 3) == 104


def test_type_information_names_the_functions():
    one = [("program_1", 0), ("program_1.loop", 12), ("lost", 20)]
    data, infos = program_btf([("kprobe_f_1", one), ("kprobe_g_2", [("program_2", 0), ("lost", 7)])])
    parsed = Btf(data, "program")
    assert sorted(parsed.names(Kind.FUNC)) == ["kprobe_f_1", "kprobe_g_2", "lost", "program_1_loop"]
    first, second = ([(slot, parsed.type(id_).name) for slot, id_ in struct.iter_unpack("<II", info)] for info in infos)
    assert first == [(0, "kprobe_f_1"), (12, "program_1_loop"), (20, "lost")]
    assert second == [(0, "kprobe_g_2"), (7, "lost")]


def test_type_information_tells_of_all_arguments():
    """The kernel passes on as many when it calls a function whose exit is traced."""
    data, _ = program_btf([("kprobe_f_1", [("program_1", 0), ("callback", 12)])])
    parsed = Btf(data, "program")
    functions = {name: parsed.find(name, Kind.FUNC) for name in ("kprobe_f_1", "callback")}
    counts = {
        name: len(parsed.parameters(parsed.type(found.value))) for name, found in functions.items() if found is not None
    }
    assert counts == {"kprobe_f_1": 1, "callback": 5}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("b701000005000000", "r1 = 5"),
        ("bf16000000000000", "r6 = r1"),
        ("b4000000ffffffff", "w0 = -1"),
        ("8500000005000000", "call ktime_get_ns#5"),
        ("9500000000000000", "exit"),
        ("5500020000000000", "if r0 != 0 goto 3"),
        ("2e12030000000000", "if w2 > w1 goto 4"),
        ("7b1af8ff00000000", "*(u64 *)(r10 -8) = r1"),
        ("7101100000000000", "r1 = *(u8 *)(r0 +16)"),
        ("620af8ff07000000", "*(u32 *)(r10 -8) = 7"),
        ("db10000000000000", "lock *(u64 *)(r0 +0) += r1"),
        ("db10000001000000", "r1 = fetch lock *(u64 *)(r0 +0) += r1"),
        ("db100000e1000000", "r1 = xchg(*(u64 *)(r0 +0), r1)"),
        ("0600000005000000", "goto 6"),
        ("3f12000000000000", "r2 /= r1"),
        ("3f12010000000000", "r2 s/= r1"),
        ("8700000000000000", "r0 = -r0"),
        ("dc01000010000000", "r1 = be16 r1"),
    ],
)
def test_disassembly(code: str, expected: str):
    assert disassemble(bytes.fromhex(code)).strip() == f"0: {expected}"


def test_disassembly_of_relocated_loads():
    load = bytes.fromhex("18010000000000000000000000000000")
    assert "r1 = map[AT_x]" in disassemble(load, (Relocation(0, "map", "AT_x"),))
    assert "r1 = data[rodata]+8" in disassemble(load, (Relocation(0, "data", "rodata", 8),))


def test_helper_numbers():
    known = {"map_lookup_elem": 1, "probe_read": 4, "get_stack": 67, "probe_read_kernel": 113, "ringbuf_reserve": 131,
             "for_each_map_elem": 164, "get_attach_cookie": 174, "loop": 181, "map_lookup_percpu_elem": 195,
             "ktime_get_tai_ns": 208, "cgrp_storage_delete": 211}  # fmt: skip
    assert {name: HELPERS[name] for name in known} == known


def image_of_everything():
    names = Names()
    map_, keyed = names.map(I64), names.map(Aggregate("hist", True, (2,)), Tuple((I8, Str(7))))
    assert keyed.key is not None
    updated = core.Update(SPAN, keyed, core.Zero(keyed.key, SPAN), (num(3),))
    body = [put(map_, num(1)), emit(read(map_), text("abc")), updated]
    struct_ = Struct("pair", 16)
    checked = core.Program(
        program(body, names).probes, tuple(names.maps), core.Config(max_strlen=77), ("%H:%M",),
        {struct_: StructDef(struct_, (Field("a", U64, 0), Field("b", Pointer(I8, Space.USER), 8, 1, 3, ("rcu",))))},
        {Enum("colour"): {0: "RED", 4: "GREEN"}},
    )  # fmt: skip
    return generate(checked, Features())


def test_plain_data_and_back():
    image = image_of_everything()
    plain = marshal.loads(marshal.dumps(to_plain(image)))
    again = from_plain(plain)
    assert again == image
    assert again.structs == image.structs
    assert next(iter(again.structs.values())).fields[1].type.space is Space.USER


@pytest.mark.parametrize("junk", [None, 7, "x", (), [], [2], [99, 1], [2, *[[1, 0]] * 20], [0, 5], ([2],)])
def test_other_data_is_refused(junk: object):
    with pytest.raises(ValueError, match="image"):
        from_plain(junk)


def test_what_is_not_data_is_not_stored():
    from dataclasses import replace

    image = image_of_everything()
    action = Action("test", (object(),), RecordLayout(8, ()), Place("x", 1, 1, ()), 1)
    with pytest.raises(TypeError):
        to_plain(replace(image, actions=(action,)))


def test_the_stages_can_be_looked_at():
    names = Names()
    seen: dict[str, str] = {}
    generate(program([emit(num(1))], names), Features(), seen.__setitem__)
    assert [stage for stage in seen if stage != "elf"] == ["codegen", "codegen-opt", "dis"]
    assert "define i64 @program_1" in seen["codegen"]
    assert "call ringbuf_reserve#131" in seen["dis"]


def test_lines_of_the_script():
    source = Source("script", "first\nsecond\n  third\n")
    names = Names()
    map_ = names.map(I64)

    def at(start: int) -> core.Stmt:
        span = Span(source, start, start + 5)
        return core.Evaluate(span, core.Step(I64, span, map_, None, 1, True))

    image = generate(program([at(0), at(6), at(15)], names), Features())
    assert {(line, column) for _, line, column in image.programs[0].lines} >= {(1, 1), (2, 1), (3, 3)}


def test_a_program_beyond_the_reach_of_jumps():
    names = Names()
    cond = compare("eq", names.hidden(1), num(2))
    body = [core.Branch(SPAN, cond, tuple(emit(num(i)) for i in range(2000)))]
    with pytest.raises(CompileError, match="too large"):
        generate(program([*names.prelude, *body], names), Features(instruction_set="v3"))


def test_no_program_at_all():
    image = generate(core.Program((), (), core.Config()), Features())
    assert (image.programs, image.maps) == ((), ())


def test_an_image_is_used_without_the_compiler():
    code = (
        "import sys; import pytrace.codegen.image, pytrace.codegen.plain; "
        "print([m for m in sys.modules if 'llvmlite' in m or 'lark' in m or m.startswith('pytrace.builtins') "
        "or m == 'pytrace.codegen.driver'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


def test_targets_are_numbered():
    from dataclasses import replace

    checked = program([], Names())
    targets = (Target("begin", "begin"), Target("begin", "begin2"))
    image = generate(replace(checked, probes=(replace(checked.probes[0], targets=targets),)), Features())
    assert [cookie for _, cookie in image.programs[0].targets] == [0, 1]


def test_records_of_a_type():
    layout = RecordLayout(8, ((4, Record((("a", I8),))),))
    assert from_plain(to_plain(image_of_everything())).actions[0].layout != layout
