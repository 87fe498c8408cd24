"""Records: their layout, their order, what happens when the ring is full, warnings, and what the session gives."""

from __future__ import annotations

import struct

import pytest

from pytrace.codegen.image import RecordLayout
from pytrace.codegen.module import layout_of, ring_size
from pytrace.kernel import bpf
from pytrace.semantics import program as core
from pytrace.semantics.types import I8, I16, I64, U32, U64, VOID, Aggregate, Str, Tuple
from tests.codegen.harness import (
    SPAN,
    Names,
    arith,
    builtin,
    do,
    emit,
    features,
    loaded,
    num,
    pair,
    program,
    put,
    read,
    records,
    run,
    text,
)


def test_layout_is_that_of_c():
    assert layout_of((I8, I64, Str(3), I16, Aggregate("sum"))) == RecordLayout(
        32, ((4, I8), (8, I64), (16, Str(3)), (20, I16), (24, Aggregate("sum")))
    )


def test_the_ring_is_as_large_as_the_specification_says():
    assert ring_size(0, features(memory=1 << 34)) == 4096 * 4096
    assert ring_size(0, features(memory=1 << 16)) == 256 << 10
    assert ring_size(0, features(memory=3 << 20)) in (2 << 20, 4 << 20)
    assert ring_size(1, features(cpus=1)) == 4096
    assert ring_size(1, features(cpus=3)) == 4 * 4096
    assert ring_size(65, features(cpus=1)) == 128 * 4096


@pytest.mark.live
def test_arguments_of_all_sizes():
    names = Names()
    wide = text(b"w" * 900, 1024)
    body = [emit(), emit(names.hidden(-1, I8), text("x"), wide, names.hidden(7), pair(num(1, I8), text("in", 90)))]
    assert run(body, names).records == [(), (-1, b"x", b"w" * 900, 7, (1, b"in"))]


@pytest.mark.live
def test_arguments_that_do_something_are_evaluated_in_order():
    names = Names()
    count = names.map(I64)

    def step() -> core.Expr:
        return core.Step(I64, SPAN, count, None, 1, True)

    def said(value: int) -> core.Expr:
        return core.Do(I64, SPAN, (emit(num(value)),), arith("add", read(count), num(value)))

    body = [emit(read(count), step(), read(count), step()), emit(said(10), step(), said(20))]
    assert run(body, names).records == [(0, 1, 1, 2), (10,), (20,), (12, 3, 23)]


@pytest.mark.live
def test_the_same_argument_twice_from_a_map():
    names = Names()
    map_ = names.map(Str(100), Str(3))
    body = [put(map_, text("value", 100), text("ab")), emit(read(map_, text("ab")), read(map_, text("cd")), num(1))]
    assert run(body, names).records == [(b"value", b"", 1)]


@pytest.mark.live
def test_128_arguments():
    names = Names()
    count = names.map(I64)
    args = [core.Step(I64, SPAN, count, None, 1, True) for _ in range(128)]
    assert run([emit(*args)], names).records == [tuple(range(1, 129))]


@pytest.mark.live
def test_a_full_ring_counts_what_it_loses():
    names = Names()
    i = names.var(I64)
    body = [core.RangeLoop(SPAN, i, num(0), num(1000), (emit(read(i), text("x" * 20)),))]
    with loaded(program(body, names, config=core.Config(perf_rb_pages=1))) as (image, held):
        bpf.prog_test_run(held.programs[0])
        found = [values for _, _, values in records(image, held)]
        raw = bpf.map_lookup(held.maps["drops"], struct.pack("<I", 1), 8 * bpf.possible_cpus())
        assert raw is not None
        lost = sum(struct.unpack(f"<{bpf.possible_cpus()}Q", raw))
    assert [number for number, _ in found] == list(range(len(found)))
    assert 0 < len(found) < 1000
    assert len(found) + lost == 1000


@pytest.mark.live
def test_urgent_records_have_a_ring_of_their_own():
    done = run([emit(num(1)), emit(num(2), urgent=True)])
    assert [each.symbol for each in done.image.maps if each.type == "ringbuf"] == ["ring", "control"]
    assert done.records == [(1,), (2,)]
    assert [action.urgent for action in done.image.actions] == [False, True]


@pytest.mark.live
def test_places_of_actions():
    done = run([emit(num(1))])
    place = done.image.actions[0].place
    assert (place.name, place.line, place.column) == ("test", 1, 5)
    assert place.blocks == (("test:1:5-8", "one two three\n    ~~~\n"),)


@pytest.mark.live
def test_values_of_the_session():
    with builtin("test_session", lambda e, call: e.b.sub(e.session("tai_offset"), e.session("start"))):
        done = run([emit(core.Call(I64, SPAN, "test_session")), emit(num(1))])
    assert isinstance(done.records[0][0], int) and done.records[0][0] != 0
    assert done.records[1] == (1,)


@pytest.mark.live
def test_an_aggregation_travels_as_an_integer():
    names = Names()
    total = names.map(Aggregate("sum"))
    body = [core.Update(SPAN, total, None, (num(3),)), emit(core.ReadMap(Aggregate("sum"), SPAN, total, None))]
    done = run(body, names)
    assert done.image.actions[-1].layout.fields[0][1] == I64
    assert done.records == [(3,)]


@pytest.mark.live
def test_what_a_program_returns():
    assert run([core.Return(SPAN, num(7))]).retval == 7
    assert run([core.Return(SPAN)]).retval == 0
    assert run([do(core.Zero(VOID, SPAN))]).retval == 0


def test_sizes_of_keys():
    assert layout_of((Tuple((U32, U64)),)).size == 24
