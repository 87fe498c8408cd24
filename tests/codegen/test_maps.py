"""Maps: reading, writing, absence, deletion, being full, aggregations."""

from __future__ import annotations

import errno

import pytest

from pytrace.kernel import bpf
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    BOOL,
    I8,
    I32,
    I64,
    U32,
    U64,
    VOID,
    Aggregate,
    Array,
    Pointer,
    Space,
    Str,
    Tuple,
    Type,
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
    features,
    loaded,
    needs_long_keys,
    num,
    pair,
    program,
    put,
    read,
    run,
    text,
)

pytestmark = pytest.mark.live


def step(target: core.Var | core.Map, delta: int = 1, key: core.Expr | None = None, prefix: bool = True) -> core.Step:
    type_ = target.type if isinstance(target, core.Var) else target.value
    return core.Step(type_, SPAN, target, key, delta, prefix)


def update(map_: core.Map, *args: core.Expr, key: core.Expr | None = None) -> core.Stmt:
    return core.Update(SPAN, map_, key, args)


def call(name: str, map_: core.Map, key: core.Expr | None = None, *args: core.Expr, type_: Type = BOOL) -> core.MapCall:
    return core.MapCall(type_, SPAN, name, map_, key, args)


def test_a_scalar_map_that_was_never_written_holds_nothing():
    names = Names()
    unwritten, zero = names.map(I64), names.map(I64)
    done = run([emit(read(unwritten)), put(zero, num(0))], names)
    assert (done.records, done.maps) == ([(0,)], {"@m1": {None: 0}})


def test_scalar_maps_of_all_kinds():
    names = Names()
    types: list[tuple[Type, core.Expr, object]] = [
        (I8, names.hidden(-3, I8), -3),
        (BOOL, num(1, BOOL), True),
        (Str(100), text("some text", 100), b"some text"),
        (Tuple((I8, I64)), pair(num(1, I8), names.hidden(2)), (1, 2)),
        (Array(U32, 2), convert(names.hidden(5, U64), Array(U32, 2)), (5, 0)),
    ]
    maps = [names.map(type_) for type_, _, _ in types]
    body = [put(map_, value) for map_, (_, value, _) in zip(maps, types, strict=True)]
    body += [emit(*map(read, maps))]
    expected = tuple(value for _, _, value in types)
    done = run(body, names)
    assert tuple(tuple(v) if isinstance(v, list) else v for v in done.records[0]) == expected


def test_deleting_a_scalar_map():
    names = Names()
    map_, text_map = names.map(I64), names.map(Str(40))
    body = [
        emit(call("delete", map_)),
        put(map_, num(3)), put(text_map, text("x", 40)),
        emit(call("delete", map_), call("delete", text_map)), emit(call("delete", map_), read(map_), read(text_map)),
    ]  # fmt: skip
    done = run(body, names)
    assert (done.records, done.maps) == ([(False,), (True, True), (False, 0, b"")], {})


@pytest.mark.parametrize(
    "key",
    [
        lambda n, i: n.hidden(i, I8),
        lambda n, i: n.hidden(i, U32),
        lambda n, i: n.hidden(-i),
        lambda n, i: text(f"key {i}"),
        lambda n, i: convert(text(f"key {i}"), Str(1024)),
        lambda n, i: pair(n.hidden(i, I8), text(f"k{i}"), n.hidden(i)),
        lambda n, i: convert(n.hidden(i, U64), Array(U32, 2)),
        lambda n, i: convert(n.hidden(i, U64), Pointer(I8, Space.USER)),
    ],
)
def test_keys_of_all_kinds(key):
    names = Names()
    map_ = names.map(I64, key(Names(), 1).type)
    if size_of(key(Names(), 1).type) > 512:
        needs_long_keys()
    body: list[core.Stmt] = []
    for i in range(1, 4):
        body += [put(map_, num(10 * i), key(names, i)), do(step(map_, 1, key(names, i)))]
    body += [emit(*(read(map_, key(names, i)) for i in range(1, 5)))]
    assert run(body, names).records == [(11, 21, 31, 0)]


def test_values_of_all_kinds():
    names = Names()
    strings, tuples, flags = names.map(Str(200), I64), names.map(Tuple((I8, Str(60))), I64), names.map(BOOL, I64)
    body = [
        put(strings, text("abc", 200), num(1)), put(strings, text("abcdef", 200), num(1)),
        put(tuples, pair(num(5, I8), convert(text("t"), Str(60))), num(1)), put(flags, num(1, BOOL), num(1)),
        emit(read(strings, num(1)), read(strings, num(2)), read(tuples, num(1)), read(tuples, num(2))),
        emit(read(flags, num(1)), read(flags, num(2)), core.Part(Str(60), SPAN, read(tuples, num(1)), 1)),
    ]  # fmt: skip
    assert run(body, names).records == [(b"abcdef", b"", (5, b"t"), (0, b"")), (True, False, b"t")]


def test_the_value_is_evaluated_before_the_key():
    names = Names()
    map_ = names.map(I64, I64)

    def said(value: int) -> core.Expr:
        return core.Do(I64, SPAN, (emit(num(value)),), num(value))

    assert run([put(map_, said(1), said(2))], names).records == [(1,), (2,)]


def test_a_value_from_the_map_that_its_key_changes():
    names = Names()
    map_ = names.map(Str(100), I64)
    changing = core.Do(I64, SPAN, (put(map_, text("new", 100), num(1)),), num(2))
    body = [put(map_, text("old", 100), num(1)), put(map_, read(map_, num(1)), changing), emit(read(map_, num(2)))]
    assert run(body, names).records == [(b"old",)]


def test_steps_of_maps():
    names = Names()
    scalar, keyed, narrow = names.map(I64), names.map(U64, Str(3)), names.map(I8)
    body = [
        emit(step(scalar), step(scalar, prefix=False), step(scalar, -1)),
        emit(step(keyed, key=text("ab")), step(keyed, 5, text("ab"), False), read(keyed, text("ab"))),
        emit(step(narrow, 127), step(narrow, 1)),
    ]
    for offers in (features(), features(fetching=False)):
        assert run(body, names, offers=offers).records == [(1, 1, 1), (1, 1, 6), (127, -128)]


def test_has_key_find_delete_len():
    names = Names()
    map_, found = names.map(I64, I64), names.var(I64)
    strings, held = names.map(Str(80), I64), names.var(Str(80))
    body = [
        put(found, num(7)),
        put(map_, num(10), num(1)), put(map_, num(20), num(2)), put(strings, text("there", 80), num(1)),
        emit(call("has_key", map_, num(1)), call("has_key", map_, num(3)), call("len", map_, type_=I64)),
        emit(call("find", map_, num(3), read(found)), read(found)),
        emit(call("find", map_, num(2), read(found)), read(found)),
        emit(call("find", strings, num(1), read(held)), read(held)),
        emit(call("delete", map_, num(1)), call("delete", map_, num(1)), call("len", map_, type_=I64)),
    ]  # fmt: skip
    expected = [(True, False, 2), (False, 7), (True, 20), (True, b"there"), (True, False, 1)]
    features(for_each=True)
    assert run(body, names).records == expected
    assert run(body, names, offers=features(count_elements=False)).records == expected


@pytest.mark.parametrize("kind", ["", "hash"])
def test_a_full_map_drops_new_keys_with_a_warning(kind: str):
    names = Names()
    plain, steps = names.map(I64, I64, 2, kind), names.map(I64, I64, 1)
    sums = names.map(Aggregate("sum"), I64, 1, "percpuhash" if kind else "")
    body = [put(plain, num(i), num(i)) for i in range(4)]
    body += [put(plain, num(9), num(1)), do(step(steps, key=num(1))), do(step(steps, key=num(2)))]
    body += [update(sums, num(5), key=num(i)) for i in range(2)]
    done = run(body, names)
    assert done.maps == {"@m0": {0: 0, 1: 9}, "@m1": {1: 1}, "@m2": {0: 5}}
    assert done.errors == [("map_full", "map_update_elem", -errno.E2BIG)] * 4


def test_lru_maps_forget():
    names = Names()
    plain, counts = names.map(I64, I64, 16, "lruhash"), names.map(Aggregate("count"), I64, 16, "percpulruhash")
    body: list[core.Stmt] = []
    for i in range(100):
        body += [put(plain, num(i), num(i)), update(counts, key=num(i))]
    done = run(body, names)
    assert done.errors == []
    assert len(done.maps["@m0"]) <= 16


def test_missing_keys_are_reported_with_k():
    names = Names()
    map_ = names.map(I64, I64)
    body = [put(map_, num(1), num(1)), emit(read(map_, num(1)), read(map_, num(2)))]
    done = run(body, names, check_reads=True)
    assert (done.records, done.errors) == ([(1, 0)], [("map_lookup", "map_lookup_elem", 0)])


AGGREGATES = [
    (Aggregate("count"), [(), (), ()], 3),
    (Aggregate("sum"), [(5,), (-7,)], -2),
    (Aggregate("sum", False), [((1 << 64) - 1,), (3,)], 2),
    (Aggregate("min"), [(4,), (-9,), (2,)], -9),
    (Aggregate("max"), [(-4,), (-9,)], -4),
    (Aggregate("min", False), [(4,), (9,)], 4),
    (Aggregate("avg"), [(-5,), (2,)], -1),
]


@pytest.mark.parametrize(("type_", "calls", "expected"), AGGREGATES)
@pytest.mark.parametrize("keyed", [True, False])
def test_castable_aggregations(type_: Aggregate, calls: list[tuple[int, ...]], expected: int, keyed: bool):
    names = Names()
    map_ = names.map(type_, I64 if keyed else None)
    key = num(6) if keyed else None
    argument = type_.as_int
    body: list[core.Stmt] = [emit(read(map_, key))]
    body += [update(map_, *(names.hidden(arg, argument) for arg in args), key=key) for args in calls]
    body += [emit(read(map_, key), compare("eq", read(map_, key), num(expected, type_.as_int)))]
    done = run(body, names)
    assert done.records == [(0,), (expected, True)]
    older = run(body, names, offers=features(lookup_percpu=False))
    assert older.records == done.records or bpf.possible_cpus() > 1  # the CPU may change between runs


def test_aggregations_on_all_cpus_are_summed():
    names = Names()
    count, peek = names.map(Aggregate("count")), names.map(Aggregate("count"), Str(8))
    body = [update(count), update(peek, key=text("k", 8)), emit(read(count), read(peek, text("k", 8)))]
    with loaded(program(body, names), features()) as (image, held):
        for cpu in bpf.online_cpus():
            bpf.prog_test_run(held.programs[0], cpu=cpu)
        from tests.codegen.harness import records

        total = len(bpf.online_cpus())
        assert records(image, held)[-1][2] == (total, total)


@pytest.mark.parametrize("keyed", [True, False])
def test_other_aggregations(keyed: bool):
    names = Names()
    key = num(1) if keyed else None
    kinds = [
        Aggregate("hist", True, (0,)), Aggregate("lhist", True, (0, 100, 10)), Aggregate("stats"),
        Aggregate("hist", True, (3,)),
    ]  # fmt: skip
    maps = [names.map(kind, I64 if keyed else None) for kind in kinds]
    body = [update(map_, names.hidden(value), key=key) for map_ in maps for value in (5, 17, 33, -1, 1 << 62)]
    done = run(body, names)
    assert len(done.maps) >= 4


def test_deleting_an_aggregation():
    names = Names()
    count, hist = names.map(Aggregate("count")), names.map(Aggregate("hist", True, (2,)))
    body = [
        emit(call("delete", count), call("delete", hist)),
        update(count), update(hist, num(5)),
        emit(call("delete", count), call("delete", hist)), emit(call("delete", count), read(count)),
    ]  # fmt: skip
    done = run(body, names)
    assert (done.records, done.maps) == ([(False, False), (True, True), (False, 0)], {})


def test_a_sum_of_zero_was_written():
    names = Names()
    total, never = names.map(Aggregate("sum")), names.map(Aggregate("sum"))
    body = [update(total, num(0)), core.Branch(SPAN, compare("eq", names.hidden(1), num(2)), (update(never, num(1)),))]
    assert run(body, names).maps == {"@m0": {None: 0}, "@m2": {0: 1}}
    assert run([*body, emit(call("delete", total), call("delete", total))], names).records == [(True, False)]


def test_find_reads_an_aggregation():
    names = Names()
    sums, found = names.map(Aggregate("sum"), I64), names.var(I64)
    body = [update(sums, num(8), key=num(1)), emit(call("find", sums, num(1), read(found)), read(found))]
    assert run(body, names).records == [(True, 8)]


def test_many_new_keys_at_once():
    """Elements that are made on demand are there even when thousands are made in one go."""
    features(loop=True)
    names = Names()
    plain, counts, index = names.map(I64, I64, 50000), names.map(Aggregate("count"), I64, 50000), names.var(I64)
    both = put(plain, num(1), read(index)), update(counts, key=read(index))
    done = run([core.RangeLoop(SPAN, index, num(0), num(50000), both)], names)
    assert done.errors == []
    assert (len(done.maps["@m0"]), len(done.maps["@m1"])) == (50000, 50000)


def test_a_key_that_is_a_void_expression_has_no_value():
    names = Names()
    map_ = names.map(I64, I32)
    body = [
        do(core.Do(VOID, SPAN, (put(map_, num(1), num(1, I32)),), None)),
        emit(arith("add", read(map_, num(1, I32)), num(1))),
    ]
    assert run(body, names).records == [(2,)]
