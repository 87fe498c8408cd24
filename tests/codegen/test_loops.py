"""Loops of all kinds, with every way the kernel offers to make them: iterators, callbacks, plain loops."""

from __future__ import annotations

import errno

import pytest

from pytrace.codegen import Features
from pytrace.diagnostics import CompileError
from pytrace.semantics import program as core
from pytrace.semantics.types import BOOL, I8, I64, U8, U64, VOID, Aggregate, Array, Str, Tuple
from tests.codegen.harness import (
    SPAN,
    Names,
    arith,
    compare,
    convert,
    do,
    emit,
    features,
    num,
    pair,
    put,
    read,
    run,
    text,
)

pytestmark = pytest.mark.live

KINDS: dict[str, dict[str, bool]] = {
    "iterator": {"number_iterator": True},
    "callback": {"number_iterator": False, "loop": True},
    "plain": {"number_iterator": False, "loop": False},
}


@pytest.fixture(params=list(KINDS))
def offers(request: pytest.FixtureRequest) -> Features:
    return features(**KINDS[request.param])


def plain(offers: Features) -> bool:
    return not (offers.number_iterator or offers.loop)


def loop(var: core.Var, start: core.Expr, end: core.Expr, *body: core.Stmt) -> core.RangeLoop:
    return core.RangeLoop(SPAN, var, start, end, body)


def increment(target: core.Var | core.Map, key: core.Expr | None = None) -> core.Stmt:
    type_ = target.type if isinstance(target, core.Var) else target.value
    return do(core.Step(type_, SPAN, target, key, 1, True))


def branch(cond: core.Expr, *then: core.Stmt) -> core.Branch:
    return core.Branch(SPAN, cond, then)


BREAK, CONTINUE, RETURN = core.Break(SPAN), core.Continue(SPAN), core.Return(SPAN, num(5))


def test_a_range_counts_up(offers: Features):
    names = Names()
    i = names.var(I64)
    body = [loop(i, num(2), num(6), emit(read(i))), loop(i, num(3), num(3), emit(num(99))), emit(num(-1))]
    assert run(body, names, offers=offers).records == [(2,), (3,), (4,), (5,), (-1,)]


def test_negative_and_hidden_bounds():
    names = Names()
    i, j = names.var(I64), names.var(I8)
    body = [
        loop(i, names.hidden(-2), names.hidden(1), emit(read(i))),
        loop(i, names.hidden(5), names.hidden(-5), emit(num(99))),
        loop(j, num(-100), num(-98), emit(read(j))),
    ]
    assert run(body, names).records == [(-2,), (-1,), (0,), (-100,), (-99,)]


def test_bounds_are_evaluated_once(offers: Features):
    names = Names()
    i, end, count = names.var(I64), names.var(I64), names.map(I64)
    body = [
        put(end, num(3)),
        loop(i, num(0), read(end), increment(end), increment(count)),
        emit(read(end), read(count)),
    ]
    assert run(body, names, offers=offers).records == [(6, 3)]


def test_assigning_the_variable_does_not_change_the_rounds(offers: Features):
    names = Names()
    i = names.var(I64)
    body = [loop(i, num(0), num(3), put(i, arith("add", read(i), num(10))), emit(read(i)))]
    assert run(body, names, offers=offers).records == [(10,), (11,), (12,)]


def test_break_and_continue(offers: Features):
    names = Names()
    i = names.var(I64)
    body = [
        loop(
            i, num(0), num(10),
            branch(compare("eq", read(i), num(1)), CONTINUE),
            branch(compare("eq", read(i), num(4)), BREAK),
            emit(read(i)),
        ),
        emit(num(-1)),
    ]  # fmt: skip
    assert run(body, names, offers=offers).records == [(0,), (2,), (3,), (-1,)]


def test_return_leaves_the_program_from_nested_loops(offers: Features):
    names = Names()
    i, j = names.var(I64), names.var(I64)
    third = compare("eq", arith("add", read(i), read(j)), num(3))
    inner = loop(j, num(0), num(5), branch(third, RETURN), emit(read(i), read(j)))
    done = run([loop(i, num(0), num(5), inner), emit(num(-1), num(-1))], names, offers=offers)
    assert (done.records, done.retval) == ([(0, 0), (0, 1), (0, 2)], 5)


def test_breaks_of_nested_loops_end_the_inner_one(offers: Features):
    names = Names()
    i, j = names.var(I64), names.var(I64)
    inner = loop(j, num(0), num(5), branch(compare("gt", read(j), read(i)), BREAK), emit(read(i), read(j)))
    done = run([loop(i, num(0), num(3), inner, CONTINUE)], names, offers=offers)
    assert done.records == [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]


def test_variables_of_all_kinds_are_shared_with_the_body(offers: Features):
    names = Names()
    i, total, string, pair_ = names.var(I64), names.var(I64), names.var(Str(100)), names.var(Tuple((I8, I64)))
    body = [
        put(total, num(100)), put(string, text("start", 100)), put(pair_, pair(num(1, I8), num(0))),
        loop(
            i, num(0), num(4),
            put(total, arith("add", read(total), read(i))),
            put(pair_, pair(num(2, I8), arith("add", core.Part(I64, SPAN, read(pair_), 8), num(2)))),
            branch(compare("eq", read(i), num(2)), put(string, text("two", 100))),
        ),
        emit(read(total), read(string), read(pair_)),
    ]  # fmt: skip
    assert run(body, names, offers=offers).records == [(106, b"two", (2, 8))]


def test_variables_of_the_body_start_anew(offers: Features):
    names = Names()
    i, inner, string = names.var(I64), names.var(I64), names.var(Str(70))
    body = [loop(i, num(0), num(3), increment(inner), emit(read(inner), read(string)), put(string, text("used", 70)))]
    assert run(body, names, offers=offers).records == [(1, b"")] * 3


def test_while(offers: Features):
    names = Names()
    n = names.var(I64)
    count = 20 if plain(offers) else 1000
    body = [
        put(n, names.hidden(0)),
        core.WhileLoop(SPAN, compare("lt", read(n), num(count)), (increment(n),)),
        emit(read(n)),
        core.WhileLoop(SPAN, num(1, BOOL), (increment(n), branch(compare("gt", read(n), num(count + 5)), BREAK))),
        emit(read(n)),
    ]
    if plain(offers):
        body = body[:3]
        body[0] = put(n, num(0))
    done = run(body, names, offers=offers)
    assert done.records == [(count,), (count + 6,)][: len(done.records)]
    assert not done.errors


@pytest.mark.parametrize("kind", ["iterator", "callback"])
def test_a_loop_without_end_ends_with_a_warning(kind: str):
    names = Names()
    n = names.map(I64)
    body = [core.WhileLoop(SPAN, num(1, BOOL), (increment(n),)), emit(read(n))]
    done = run(body, names, offers=features(**KINDS[kind]))
    assert (done.records, done.errors) == ([(8 << 20,)], [("helper", "loop", -errno.E2BIG)])


def test_the_longest_range():
    names = Names()
    i, count = names.var(I64), names.map(I64)
    body = [loop(i, num(1), num((8 << 20) + 1), increment(count)), emit(read(count))]
    assert run(body, names).records == [(8 << 20,)]


@pytest.mark.parametrize("kind", ["iterator", "callback"])
def test_a_longer_range_does_not_run(kind: str):
    names = Names()
    i, count = names.var(I64), names.map(I64)
    body = [loop(i, num(0), names.hidden((8 << 20) + 1), increment(count)), emit(read(count))]
    done = run(body, names, offers=features(**KINDS[kind]))
    assert (done.records, done.errors) == ([(0,)], [("helper", "loop", -errno.E2BIG)])


def test_an_index_that_grows_with_the_rounds(offers: Features):
    """The verifier must not follow the variable through all rounds."""
    names = Names()
    i, n, array = names.var(I64), names.var(U64), names.var(Array(U8, 8))
    element = core.Element(U8, SPAN, read(array), arith("and", read(n), num(7, U64)), 8)
    sums = names.var(I64)
    rounds = 30 if plain(offers) else 5000
    body = [
        put(array, convert(names.hidden(0x0101010101010101, U64), Array(U8, 8))),
        loop(i, num(0), num(rounds), increment(n), put(sums, arith("add", read(sums), convert(element, I64)))),
        emit(read(sums)),
    ]
    assert run(body, names, offers=offers).records == [(rounds,)]


def test_records_and_maps_in_loops(offers: Features):
    names = Names()
    i, map_, count = names.var(I64), names.map(Str(90), I64), names.map(Aggregate("count"), I64)
    body = [
        loop(
            i, num(0), num(3), put(map_, text("some string", 90), read(i)),
            core.Update(SPAN, count, arith("and", read(i), num(1)), ()), emit(read(map_, read(i)), read(i)),
        ),
        emit(read(count, num(0)), read(count, num(1))),
    ]  # fmt: skip
    assert run(body, names, offers=offers).records == [(b"some string", n) for n in range(3)] + [(2, 1)]


# --- loops over maps ----------------------------------------------------------------------------------------------


def map_loop(var: core.Var, map_: core.Map, *body: core.Stmt) -> core.MapLoop:
    return core.MapLoop(SPAN, var, map_, body)


def test_all_entries_are_visited(offers: Features):
    names = Names()
    map_, entry, total = names.map(I64, I8), names.var(Tuple((I8, I64))), names.var(I64)
    body = [*(put(map_, num(10 * i), num(i, I8)) for i in range(5))]
    body += [
        map_loop(
            entry, map_,
            put(total, arith("add", read(total), core.Part(I64, SPAN, read(entry), 8))),
            emit(read(entry)),
        ),
        emit(read(total)),
    ]  # fmt: skip
    done = run(body, names, offers=offers)
    assert sorted(done.records[:-1]) == [((i, 10 * i),) for i in range(5)]
    assert done.records[-1] == (100,)


def test_large_keys_and_values():
    names = Names()
    key = Tuple((I8, Str(500)))
    map_, entry = names.map(Str(1024), key), names.var(Tuple((key, Str(1024))))
    name = core.Part(Str(500), SPAN, core.Part(key, SPAN, read(entry), 0), 1)
    body: list[core.Stmt] = [
        put(map_, text("value", 1024), pair(num(1, I8), convert(text("key"), Str(500)))),
        map_loop(entry, map_, emit(read(entry)), emit(name)),
    ]
    assert run(body, names).records == [(((1, b"key"), b"value"),), (b"key",)]


def test_aggregations_are_reduced():
    names = Names()
    sums, entry = names.map(Aggregate("sum"), Str(5)), names.var(Tuple((Str(5), I64)))
    body = [
        core.Update(SPAN, sums, text("abcd"), (num(4),)), core.Update(SPAN, sums, text("abcd"), (num(-6),)),
        map_loop(entry, sums, emit(read(entry))),
    ]  # fmt: skip
    assert run(body, names).records == [((b"abcd", -2),)]


def test_deleting_the_current_entry():
    names = Names()
    map_, entry = names.map(I64, I64), names.var(Tuple((I64, I64)))
    key = core.Part(I64, SPAN, read(entry), 0)
    body = [*(put(map_, num(i), num(i)) for i in range(20))]
    body += [
        map_loop(
            entry, map_,
            do(core.Select(VOID, SPAN, compare("lt", key, num(15)),
                           core.Do(VOID, SPAN, (do(core.MapCall(BOOL, SPAN, "delete", map_, key)),), None),
                           core.Zero(VOID, SPAN))),
        ),
    ]  # fmt: skip
    assert sorted(run(body, names).maps["@m0"]) == list(range(15, 20))


def test_break_continue_return_in_loops_over_maps():
    names = Names()
    map_, entry, seen = names.map(I64, I64), names.var(Tuple((I64, I64))), names.var(I64)
    fill = [put(map_, num(i), num(i)) for i in range(10)]
    body = [
        *fill,
        map_loop(entry, map_, increment(seen), branch(compare("eq", read(seen), num(3)), BREAK)), emit(read(seen)),
        map_loop(entry, map_, CONTINUE, emit(num(99))),
        map_loop(entry, map_, increment(seen), branch(compare("eq", read(seen), num(5)), RETURN)), emit(num(98)),
    ]  # fmt: skip
    done = run(body, names)
    assert (done.records, done.retval) == ([(3,)], 5)


def test_nested_loops_over_maps(offers: Features):
    names = Names()
    outer, inner = names.map(I64, I64), names.map(I64, I64)
    a, b, i, count = names.var(Tuple((I64, I64))), names.var(Tuple((I64, I64))), names.var(I64), names.var(I64)
    fill = [put(map_, num(k), num(k)) for map_ in (outer, inner) for k in range(3)]
    said = emit(read(a), read(b), read(i))
    body = [
        *fill,
        map_loop(a, outer, map_loop(b, inner, loop(i, num(0), num(2), increment(count), said))),
        emit(read(count)),
    ]
    done = run(body, names, offers=offers)
    assert done.records[-1] == (18,)
    assert len(set(done.records)) == 19


def test_return_through_nested_callbacks(offers: Features):
    names = Names()
    map_, entry, i = names.map(I64, I64), names.var(Tuple((I64, I64))), names.var(I64)
    inner = loop(i, num(0), num(9), branch(compare("eq", read(i), num(2)), RETURN), emit(read(i)))
    body = [put(map_, num(1), num(1)), put(map_, num(2), num(2)), map_loop(entry, map_, inner), emit(num(99))]
    done = run(body, names, offers=offers)
    assert (done.records, done.retval) == ([(0,), (1,)], 5)


def test_four_nested_ranges(offers: Features):
    names = Names()
    variables = [names.var(I64) for _ in range(4)]
    count = names.map(I64)
    stmt: core.Stmt = increment(count)
    for var in variables:
        stmt = loop(var, num(0), num(3), stmt)
    assert run([stmt, emit(read(count))], names, offers=offers).records == [(81,)]


def test_length_by_counting():
    names = Names()
    map_ = names.map(I64, I64)
    body = [*(put(map_, num(i), num(i)) for i in range(7)), emit(core.MapCall(I64, SPAN, "len", map_))]
    for counts in (True, False):
        assert run(body, names, offers=features(count_elements=counts)).records == [(7,)]


def test_a_kernel_that_cannot_walk_through_maps():
    names = Names()
    map_, entry = names.map(I64, I64), names.var(Tuple((I64, I64)))
    length = emit(core.MapCall(I64, SPAN, "len", map_))
    for body in ([map_loop(entry, map_, CONTINUE)], [length]):
        with pytest.raises(CompileError, match=r"Linux 5\.13"):
            run([put(map_, num(1), num(1)), *body], names, offers=features(for_each=False, count_elements=False))


def test_rows_of_tables_are_counted(offers: Features):
    names = Names()
    table = names.map(Aggregate("hist", False, (0,)), I64)
    i = names.var(I64)
    update = core.Update(SPAN, table, arith("and", read(i), num(1)), (read(i),))
    body = [loop(i, num(0), num(12), update), emit(core.MapCall(I64, SPAN, "len", table))]
    assert run(body, names, offers=offers).records == [(len({(n & 1, n.bit_length()) for n in range(12)}),)]
