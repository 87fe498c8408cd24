"""The cheap enumerations, lazy patterns and records behave as what they stand in for."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from pytrace.frozen import field, record
from pytrace.kernel.abi import MapType
from pytrace.lazy import pattern
from pytrace.semantics.types import Space


def test_members_are_single_objects_with_name_and_value() -> None:
    assert Space("kernel") is Space.KERNEL
    assert (Space.KERNEL.name, Space.KERNEL.value) == ("KERNEL", "kernel")
    assert [each.value for each in Space] == ["none", "kernel", "user"]
    assert Space.USER in Space and len(Space) == 3
    with pytest.raises(ValueError, match="'elsewhere' is not a valid Space"):
        Space("elsewhere")


def test_copies_of_members_are_the_members() -> None:
    assert copy.deepcopy([Space.USER])[0] is Space.USER
    assert pickle.loads(pickle.dumps(Space.USER)) is Space.USER


def test_numbers_are_integers_too() -> None:
    assert MapType.HASH == 1 and MapType.HASH + 1 == 2
    assert MapType["ARRAY"] is MapType(2) is MapType.of("array")
    assert MapType.of("percpu_hash").per_cpu and not MapType.HASH.per_cpu
    with pytest.raises(ValueError, match="not a MapType"):
        MapType.of("heap")


def test_a_lazy_pattern_matches_as_a_compiled_one() -> None:
    lazy = pattern(r"a(b+)", re.IGNORECASE)
    found = lazy.match("ABBc")
    assert found is not None and found[1] == "BB"
    assert lazy.pattern == r"a(b+)"


def test_records_can_be_changed_and_equal_only_themselves() -> None:
    @record
    class Counter:
        count: int = 0
        seen: list[int] = field(default_factory=list)

    one, other = Counter(), Counter()
    one.count += 1
    one.seen.append(1)
    assert (one.count, other.count, other.seen) == (1, 0, [])
    assert other != Counter()
    with pytest.raises(AttributeError):
        one.total = 1  # type: ignore[attr-defined]  # there is no such field
