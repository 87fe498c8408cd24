"""Values that live in memory: tuples, records, arrays, structs; built, copied, taken apart, compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytrace.codegen import generate
from pytrace.kernel import bpf
from pytrace.probes.provider import Target
from pytrace.runtime.loading import SessionValues, load
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    BOOL,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Array,
    Buffer,
    Int,
    Pointer,
    Record,
    Space,
    Str,
    Struct,
    Tuple,
    Type,
    offsets_of,
    size_of,
)
from tests.codegen.harness import (
    SPAN,
    Names,
    arith,
    compare,
    convert,
    do,
    emit,
    equal,
    features,
    num,
    pair,
    program,
    put,
    read,
    records,
    run,
    text,
)

pytestmark = pytest.mark.live


def part(value: core.Expr, offset: int, type_: Type, bit_offset: int = 0, bit_size: int = 0) -> core.Part:
    return core.Part(type_, SPAN, value, offset, bit_offset, bit_size)


def element(value: core.Expr, index: core.Expr, count: int, type_: Type) -> core.Element:
    return core.Element(type_, SPAN, value, index, count)


def test_tuples_nest_and_come_apart():
    names = Names()
    inner = pair(names.hidden(-1, I8), text("abc"), names.hidden(7, I64))
    outer = pair(names.hidden(1, BOOL), inner, names.hidden(9, I16))
    var = names.var(outer.type)
    at = offsets_of(outer.type)[1]
    body = [
        put(var, outer),
        emit(read(var), part(read(var), at, inner.type), part(part(read(var), at, inner.type), 8, I64)),
        emit(part(part(read(var), at, inner.type), 1, Str(4))),
    ]
    assert run(body, names).records == [((True, (-1, b"abc", 7), 9), (-1, b"abc", 7), 7), (b"abc",)]


def test_padding_of_keys_is_zero():
    """The same key twice is one entry, whatever was on the stack and in scratch memory before."""
    names = Names()
    key = Tuple((I8, I64, Str(3), I32))
    big = Tuple((I8, Str(61), I64))
    counts, wide = names.map(I64, key), names.map(I64, big)
    noise = [names.var(I64) for _ in range(6)]
    dirty = names.var(Str(200))

    def entry(i: int) -> core.Expr:
        return core.MakeTuple(key, SPAN, (num(1, I8), num(2), text("ab"), names.hidden(3, I32)))

    def wide_entry(i: int) -> core.Expr:
        return core.MakeTuple(big, SPAN, (num(1, I8), convert(text("q" * i), Str(61)), num(2)))

    body: list[core.Stmt] = []
    for i, var in enumerate(noise):
        body += [put(var, names.hidden(-i - 1)), put(dirty, text("\xff" * 30 * i, 200))]
        body += [do(core.Step(I64, SPAN, counts, entry(i), 1, True))]
        body += [put(wide, num(i), convert(pair(num(1, I8), text("w"), num(2)), big)), emit(read(var), read(dirty))]
        body += [put(wide, num(i), wide_entry(40))]
    done = run(body, names)
    assert done.maps["@m0"] == {(1, 2, b"ab", 3): 6}
    assert len(done.maps["@m1"]) == 2


def test_tuples_convert_member_by_member():
    names = Names()
    small = pair(names.hidden(-2, I8), text("ab"))
    wide = Tuple((I64, Str(70)))
    var = names.var(wide)
    body = [put(var, convert(small, wide)), emit(read(var), convert(read(var), Tuple((I16, Str(2)))))]
    assert run(body, names).records == [((-2, b"ab"), (-2, b"ab"))]


def test_records_convert_by_name():
    names = Names()
    source = Record((("b", Str(3)), ("a", I8)))
    target = Record((("a", I32), ("b", Str(10))))
    made = core.MakeTuple(source, SPAN, (text("xy"), names.hidden(-5, I8)), (1, 0))
    turned = Record((("a", I8), ("b", Str(3))))
    body = [emit(made, convert(made, target), equal(made, convert(made, turned)))]
    assert run(body, names).records == [((b"xy", -5), (-5, b"xy"), True)]


def test_tuples_compare_by_members():
    names = Names()
    a = pair(names.hidden(1, I8), text("ab"), names.hidden(5))
    b = pair(names.hidden(1, I8), text("ab"), names.hidden(6))
    c = pair(names.hidden(1, I8), text("ac"), names.hidden(5))
    body = [emit(equal(a, a), equal(a, b), equal(a, c, True))]
    assert run(body, names).records == [(True, False, True)]


def test_a_tuple_made_of_itself():
    names = Names()
    var = names.var(Tuple((I64, Str(64))))
    swap = names.var(Tuple((I32, I32)))
    body = [
        put(var, pair(num(1), text("a" * 60, 64))),
        put(swap, pair(names.hidden(1, I32), names.hidden(2, I32))),
        put(swap, pair(part(read(swap), 4, I32), part(read(swap), 0, I32))),
        put(var, pair(arith("add", part(read(var), 0, I64), num(1)), part(read(var), 8, Str(64)))),
        emit(read(var), read(swap)),
    ]
    assert run(body, names).records == [((2, b"a" * 60), (2, 1))]


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_elements_at_run_time(size: int):
    names = Names()
    type_ = Int(size, False)
    array = Array(type_, 8 // size)
    number = names.hidden(0x0807060504030201, U64)
    var = names.var(array)
    values = [int.from_bytes(bytes(range(1, 9))[i : i + size], "little") for i in range(0, 8, size)]
    body: list[core.Stmt] = [put(var, convert(number, array))]
    body += [emit(element(read(var), names.hidden(i, U64), array.count, type_)) for i in range(array.count)]
    body += [emit(element(read(var), names.hidden(array.count, U64), array.count, type_))]
    body += [emit(element(convert(number, array), names.hidden((1 << 64) - 1, U64), array.count, type_))]
    done = run(body, names)
    assert [value for (value,) in done.records] == [*values, 0, 0]
    assert [error[0] for error in done.errors] == ["array_bounds"] * 2


def test_elements_in_memory():
    names = Names()
    inner = Tuple((I16, I16))
    array = Array(inner, 2)
    word = names.var(Array(U16, 4))
    body = [
        put(word, convert(names.hidden(0x0004000300020001, U64), Array(U16, 4))),
        emit(element(convert(read(word), array), names.hidden(1, U64), 2, inner)),
        emit(element(convert(read(word), array), names.hidden(2, U64), 2, inner)),
        emit(element(text("core"), names.hidden(2, U64), 5, I8), element(text("core"), names.hidden(4, U64), 5, I8)),
    ]
    done = run(body, names)
    assert done.records == [((3, 4),), ((0, 0),), (ord("r"), 0)]


def test_bit_fields():
    names = Names()
    struct = Struct("bits", 8, 4)
    word = names.var(Array(U32, 2))
    body = [
        put(word, convert(names.hidden(0xABCD00050072, U64), Array(U32, 2))),
        emit(
            part(convert(read(word), struct), 0, I32, 0, 4),
            part(convert(read(word), struct), 0, I32, 4, 4),
            part(convert(read(word), struct), 4, U16, 3, 13),
            part(convert(read(word), struct), 0, U32, 28, 12),
        ),
    ]
    assert run(body, names).records == [(2, 7, 0xABCD >> 3, (0xABCD00050072 >> 28) & 0xFFF)]


def test_pointers_to_variables():
    names = Names()
    number, string = names.var(I32), names.var(Str(100))
    at, to = Pointer(I32, Space.KERNEL), Pointer(Str(100), Space.KERNEL)
    pointer = names.var(at)
    body = [
        put(number, names.hidden(77, I32)),
        put(string, text("deep down", 100)),
        put(pointer, core.AddressOf(at, SPAN, number)),
        emit(
            core.Load(I32, SPAN, read(pointer), 0, Space.KERNEL),
            core.Load(Str(100), SPAN, core.AddressOf(to, SPAN, string), 0, Space.KERNEL),
            part(core.Load(Str(100), SPAN, core.AddressOf(to, SPAN, string), 0, Space.KERNEL), 2, I16),
        ),
        put(number, num(5, I32)),
        emit(core.Load(I32, SPAN, read(pointer), 0, Space.NONE)),
        emit(compare("ne", arith("and", convert(read(pointer), U64), num(0xFFF0, U64)), num(0, U64))),
    ]
    assert run(body, names).records == [(77, b"deep down", int.from_bytes(b"ep", "little")), (5,), (True,)]


def test_a_pointer_to_a_map_is_a_number():
    names = Names()
    map_ = names.map(I64, I64)
    body = [
        put(map_, num(1), num(1)),
        emit(compare("gt", convert(core.AddressOf(Pointer(I8), SPAN, map_), U64), num(1 << 63, U64))),
    ]
    assert run(body, names).records == [(True,)]


@pytest.mark.parametrize("space", list(Space))
def test_failing_reads_give_zero(space: Space):
    names = Names()
    address = convert(names.hidden(16, U64), Pointer(I32, space))
    load = core.Load(I32, SPAN, address, 4, space)
    struct = core.Load(Tuple((I64, Str(90))), SPAN, address, 0, space)
    quiet = run([emit(load, struct)], names)
    assert (quiet.records, quiet.errors) == ([(0, (0, b""))], [])
    loud = run([emit(load, struct)], names, check_reads=True)
    helper = {Space.KERNEL: "probe_read_kernel", Space.USER: "probe_read_user", Space.NONE: "probe_read"}[space]
    assert loud.records == [(0, (0, b""))]
    assert loud.errors == [("helper", helper, -34 if space is Space.KERNEL else -14)] * 2
    assert loud.kinds == ["runtime_error", "runtime_error", "test"]


def test_buffers_compare_by_the_shorter_length():
    names = Names()
    raw = Tuple((U32, Str(8)))

    def buffer(data: bytes) -> core.Expr:
        return convert(core.MakeTuple(raw, SPAN, (num(len(data), U32), core.Text(Str(8), SPAN, data))), Buffer(8))

    cases = [(b"ab", b"abc", True), (b"abd", b"abc", False), (b"", b"x", True)]
    body = [emit(equal(buffer(a), buffer(b))) for a, b, _ in cases]
    assert [value for (value,) in run(body, names).records] == [same for _, _, same in cases]


def test_64_strings_of_one_kilobyte():
    names = Names()
    variables = [names.var(Str(1024)) for _ in range(64)]
    body: list[core.Stmt] = [put(var, text(f"string {i}", 1024)) for i, var in enumerate(variables)]
    body += [emit(read(var)) for var in variables]
    assert run(body, names).records == [(f"string {i}".encode(),) for i in range(64)]


def test_64_integers_live_at_once():
    names = Names()
    variables = [names.var(I64) for _ in range(64)]
    body: list[core.Stmt] = [put(var, names.hidden(i)) for i, var in enumerate(variables)]
    total: core.Expr = read(variables[0])
    for var in variables[1:]:
        total = arith("add", total, read(var))
    body += [emit(total), emit(*(read(var) for var in variables))]
    assert run(body, names).records == [(sum(range(64)),), tuple(range(64))]


def test_a_tuple_of_sixty_members():
    names = Names()
    members = [names.hidden(i, I8 if i % 3 else I64) for i in range(60)]
    var = names.var(pair(*members).type)
    assert run([put(var, pair(*members)), emit(read(var))], names).records == [(tuple(range(60)),)]


def test_a_value_larger_than_a_per_cpu_element():
    names = Names()
    var = names.var(Str(70000))
    body = [put(var, text("x" * 69000, 70000)), emit(read(var), equal(read(var), text("x", 70000)))]
    assert run(body, names).records == [(b"x" * 69000, False)]


def test_variables_start_as_zero():
    names = Names()
    number, string, pair_ = names.var(I32), names.var(Str(300)), names.var(Tuple((I8, I64)))
    body = [emit(read(number), read(string), read(pair_))]
    assert run(body, names, times=2).records == [(0, b"", (0, 0))] * 2


def test_everything_in_scratch_memory():
    """`on_stack_limit` of 0 leaves nothing for the stack."""
    names = Names()
    key = Tuple((I8, U8))
    map_ = names.map(I64, key)
    body = [
        put(map_, names.hidden(4), pair(names.hidden(1, I8), names.hidden(2, U8))),
        emit(read(map_, pair(names.hidden(1, I8), names.hidden(2, U8)))),
    ]
    assert run(body, names, config=core.Config(on_stack_limit=0)).records == [(4,)]


def test_sizes_agree():
    assert size_of(Tuple((I8, Str(61), I64))) == 72


@pytest.mark.parametrize("loops", ["iterator", "callback"])
def test_programs_that_are_preempted_claim_their_memory(loops: str):
    """Run as a uprobe's program would be: each run gives back what it claimed, by whatever way it ends."""
    names = Names()
    string, i, map_, entry = names.var(Str(300)), names.var(I64), names.map(I64, I64), names.var(Tuple((I64, I64)))
    leaves = core.Branch(SPAN, compare("eq", read(i), num(3)), (core.Return(SPAN, num(7)),))
    body = [
        put(string, text("text", 300)), put(map_, num(1), num(1)),
        core.MapLoop(SPAN, entry, map_, (put(string, text("changed", 300)),)),
        core.RangeLoop(SPAN, i, num(0), num(10), (emit(read(string), read(i)), leaves)),
        emit(read(string), num(-1)),
    ]  # fmt: skip
    probe = replace(program(body, names).probes[0], targets=(Target("uprobe", "uprobe:x:y"),))
    checked = replace(program(body, names), probes=(probe,))
    image = generate(checked, features(number_iterator=loops == "iterator"))
    scratch = next(each for each in image.maps if each.symbol == "scratch1")
    assert scratch.max_entries == 5
    image = replace(image, programs=tuple(replace(each, prog_type="raw_tracepoint") for each in image.programs))
    held = load(image, SessionValues.now())
    try:
        for _ in range(10):
            bpf.prog_test_run(held.programs[0])
        found = [values for _, _, values in records(image, held)]
    finally:
        held.close()
    assert found == [(b"changed", n) for n in range(4)] * 10
