"""Strings of all sizes: stored, cut, filled, compared."""

from __future__ import annotations

import pytest

from pytrace.semantics import program as core
from pytrace.semantics.types import BOOL, I64, Str
from tests.codegen.harness import SPAN, Names, convert, emit, equal, needs_long_keys, num, put, read, run, text

pytestmark = pytest.mark.live


@pytest.mark.parametrize("size", [1, 2, 3, 8, 15, 16, 17, 32, 33, 64, 65, 100, 1024, 5000])
def test_strings_of_all_sizes_are_stored_and_read(size: int):
    names = Names()
    data = bytes(65 + i % 26 for i in range(size - 1))
    one, two, kept = names.var(Str(size)), names.var(Str(size)), names.map(Str(size))
    body = [
        put(one, core.Text(Str(size), SPAN, data)),
        put(two, read(one)),
        put(kept, read(two)),
        emit(read(kept), equal(read(one), read(two)), equal(read(kept), core.Text(Str(size), SPAN, data))),
    ]
    assert run(body, names).records == [(data, True, True)]


@pytest.mark.parametrize(("source", "target"), [(4, 64), (64, 4), (100, 1024), (1024, 100), (3, 33), (9, 9)])
def test_strings_are_cut_and_filled(source: int, target: int):
    names = Names()
    data = bytes(97 + i % 26 for i in range(source - 1))
    var, wide, counts = names.var(Str(source)), names.var(Str(target)), names.map(I64, Str(target))
    body = [
        put(var, core.Text(Str(source), SPAN, data)),
        put(wide, core.Text(Str(target), SPAN, b"#" * (target - 1))),  # something to be overwritten
        put(wide, convert(read(var), Str(target))),
        emit(read(wide), equal(read(wide), convert(read(var), Str(target)))),
    ]
    assert run(body, names).records == [(data[:target], True)]
    if target > 512:
        needs_long_keys()
    as_key = [put(counts, num(1), read(wide)), emit(read(counts, convert(text(data, source), Str(target))))]
    assert run([*body[:3], *as_key], names).records == [(1,)]


@pytest.mark.parametrize("size", [8, 40, 200])
@pytest.mark.parametrize(
    ("left", "right"), [("abc", "abc"), ("abc", "abd"), ("abc", "ab"), ("", "a"), ("", ""), ("a\0b", "a\0c")]
)
def test_strings_compare_up_to_the_nul(size: int, left: str, right: str):
    names = Names()
    one, two = names.var(Str(size)), names.var(Str(size + 5))
    body = [
        put(one, text(left, size)),
        put(two, text(right, size + 5)),
        emit(
            equal(read(one), read(two)),
            equal(read(one), read(two), True),
            equal(read(one), text(right)),
            equal(text(right), read(one)),
        ),
    ]
    same = left.split("\0")[0] == right.split("\0")[0]
    assert run(body, names).records == [(same, not same, same, same)]


def test_strings_of_different_sizes_compare_as_far_as_both_reach():
    names = Names()
    one, two = names.var(Str(3)), names.var(Str(200))
    body = [
        put(one, core.Text(Str(3), SPAN, b"abc")),
        put(two, text("abcdef", 200)),
        emit(equal(read(one), read(two)), equal(text("abcd"), read(two))),
    ]
    assert run(body, names).records == [(True, False)]


def test_long_strings_that_differ_at_the_end():
    names = Names()
    a, b = b"x" * 1000 + b"1", b"x" * 1000 + b"2"
    one, two = names.var(Str(1024)), names.var(Str(1024))
    body = [
        put(one, text(a, 1024)), put(two, text(b, 1024)),
        emit(equal(read(one), read(two)), equal(read(one), text(a, 1024)), equal(read(two), text(a, 1024))),
        put(two, read(one)),
        emit(equal(read(one), read(two))),
    ]  # fmt: skip
    assert run(body, names).records == [(False, True, False), (True,)]


def test_a_string_is_true_when_it_has_text():
    names = Names()
    one = names.var(Str(5))
    body = [
        put(one, text("", 5)), emit(convert(read(one), BOOL)),
        put(one, text("x", 5)), emit(convert(read(one), BOOL)),
    ]  # fmt: skip
    assert run(body, names).records == [(False,), (True,)]
