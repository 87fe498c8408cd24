"""A `@frozen` class behaves as a frozen dataclass with slots."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, is_dataclass

import pytest

from pytrace.frozen import field, fields, frozen, replace


@frozen
class Point:
    x: int
    y: int = 5
    tags: list[str] = field(default_factory=list)
    note: str = field(default="", compare=False, repr=False)


@frozen
class Deep(Point):
    z: int = 0


@frozen
class Checked:
    value: int

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ValueError("negative")


@frozen
class Empty:
    pass


def test_fields_and_defaults():
    point = Point(1)
    assert (point.x, point.y, point.tags, point.note) == (1, 5, [], "")
    assert Point(1).tags is not point.tags
    assert Point(y=2, x=1) == Point(1, 2)
    assert Deep(1, 2, ["a"], "n", 3).z == 3
    assert is_dataclass(Point) and [each.name for each in fields(Deep)] == ["x", "y", "tags", "note", "z"]


def test_comparison():
    assert Point(1, note="a") == Point(1, note="b")
    assert Point(1) != Point(2)
    assert Point(1) != Deep(1)
    assert Point(1).__eq__(5) is NotImplemented
    assert Empty() == Empty() and hash(Empty()) == hash(Empty())


def test_hash():
    assert hash(Checked(1)) == hash(Checked(1))
    assert len({Checked(1), Checked(1), Checked(2)}) == 2


def test_repr():
    assert repr(Point(1, 2, ["a"], "n")) == "Point(x=1, y=2, tags=['a'])"


def test_it_is_frozen():
    point = Point(1)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]  # the test
    with pytest.raises(FrozenInstanceError):
        del point.x
    with pytest.raises((AttributeError, TypeError)):
        object.__setattr__(point, "other", 1)
    assert not hasattr(point, "__dict__")


def test_arguments_are_checked():
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]  # the test
    with pytest.raises(TypeError):
        Point(1, 2, [], "", 4)  # type: ignore[call-arg]  # the test


def test_post_init():
    with pytest.raises(ValueError, match="negative"):
        Checked(-1)
    assert Checked(1).value == 1


def test_replace_match_and_copy():
    assert replace(Point(1, 2), y=3) == Point(1, 3)
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
    assert copy.copy(Point(1, 2)) == copy.deepcopy(Point(1, 2)) == Point(1, 2)
    assert pickle.loads(pickle.dumps(Point(1, 2))) == Point(1, 2)
