"""Fuzzy search: what it finds, and in which order, on lists of names made for it."""

from __future__ import annotations

import marshal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.repl.completion import Choice, choose, in_order
from pytrace.repl.matcher import Names, Packed, folded_query, pack, rank

NAMES = st.lists(st.text("abAB_:.é1", min_size=1, max_size=8), max_size=40)
QUERIES = st.text("abAB_:.é1* ", max_size=5)


def matches(query: str, name: str) -> bool:
    starts = [at for at in range(len(name)) if at == 0 or name[at - 1] in "_:.-/ "]
    return query in name or any(name[at] == query[0] and in_order(query, name[at:]) for at in starts)


@given(NAMES, QUERIES)
def test_all_that_match_are_found_and_nothing_else(names: list[str], query: str) -> None:
    """Of few names every one is found that has the query, or its characters from the beginning of a word on."""
    found = Names.of(names).search(query, 1000)
    wanted = folded_query(query)
    assert sorted(found) == sorted({name for name in names if not wanted or matches(wanted, name.lower())})


@given(NAMES, QUERIES)
def test_the_best_come_first(names: list[str], query: str) -> None:
    found = Names.of(names).search(query, 1000)
    wanted = folded_query(query)
    ranks = [rank(wanted, name.lower()) for name in found] if wanted else [len(name) for name in found]
    assert ranks == sorted(ranks)


@given(NAMES, st.text("ab_1", min_size=1, max_size=5))
def test_typing_finds_what_asking_at_once_finds(names: list[str], query: str) -> None:
    """What a search remembers for the next key changes nothing."""
    typed, asked = Names.of(names), Names.of(names)
    for end in range(1, len(query) + 1):
        typed.search(query[:end], 1000)
    assert typed.search(query, 1000) == asked.search(query, 1000)
    typed.search("a", 1000)  # and deleting
    assert typed.search(query[:1], 1000) == asked.search(query[:1], 1000)


@given(NAMES, QUERIES)
def test_unprepared_names_give_the_same(names: list[str], query: str) -> None:
    assert Names.of(names, prepared=False).search(query, 1000) == Names.of(names).search(query, 1000)


@given(NAMES)
def test_packed_names_are_plain_data(names: list[str]) -> None:
    packed = pack(names)
    again = Names(Packed(*marshal.loads(marshal.dumps(tuple(packed)))))
    assert list(again) == sorted(set(names), key=lambda name: (len(name), name))
    assert len(again) == packed.size
    assert all(name in again for name in names)
    assert "absent" not in again


@pytest.mark.parametrize(
    ("query", "better", "worse"),
    [
        ("read", "read", "read_all"), ("read", "read_all", "vfs_read"), ("read", "vfs_read", "thread"),
        ("read", "vfs_read", "vfs_readv"), ("read", "thread", "r_e_a_d"), ("vr", "vfs_read", "vfsxread"),
        ("opnat", "sys_openat", "sys_oapanaat"), ("opnat", "sys_openat", "o_p_n_a_t"),
        ("sched:sw", "sched:switch", "sched:stack_walk"),
    ],
)  # fmt: skip
def test_order(query: str, better: str, worse: str) -> None:
    assert rank(query, better) < rank(query, worse)
    assert Names.of((worse, better)).search(query) == [better, worse]


def test_many_names_give_the_shortest() -> None:
    """A search that stops early stops with the best."""
    names = [f"x{number}_a_b_c" for number in range(5000)]
    found = Names.of(names).search("abc", 20)
    assert len(found) == 20
    assert max(map(len, found)) == len("x0_a_b_c") + 1
    assert Names.of(names).search("x4999", 20) == ["x4999_a_b_c"]


def test_long_names_and_queries_cost_no_more() -> None:
    """Patterns that step back would take forever for these."""
    names = Names.of(("z" + "ax" * 5000 + "b_" + "ax" * 5000, "a" * 4000))
    assert names.search("a" * 50 + "b") == []
    assert names.search("x" * 100000) == []
    assert names.search("a" * 4000)[0] == "a" * 4000


def test_a_mask_leaves_names_out() -> None:
    names = Names.of(("aa", "ab", "ba"))
    assert list(names) == ["aa", "ab", "ba"]
    assert names.search("a", among=bytes((0, 1, 1))) == ["ab", "ba"]
    assert names.search("", among=bytes((1, 0, 1))) == ["aa", "ba"]


def test_few_choices() -> None:
    others = [Choice(name) for name in ("substr", "s_xtxr", "xsxtxr")]
    choices = [Choice("strlen", text="strlen("), Choice("str", text="str("), *others]
    found = choose(choices, "str", 7)
    assert [(each.text, each.start) for each in found] == [("str(", 7), ("strlen(", 7), ("substr", 7), ("s_xtxr", 7)]
    assert [each.text for each in choose(choices, "", 0)] == ["strlen(", "str(", "substr", "s_xtxr", "xsxtxr"]
