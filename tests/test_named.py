"""Our `NamedTuple` behaves as that of `typing`, as far as the package uses it."""

from __future__ import annotations

import copy
import pickle
import typing

import pytest

from pytrace.named import NamedTuple


class Place(NamedTuple):
    name: str
    line: int = 1
    column: int = 2

    def moved(self, by: int) -> Place:
        return self._replace(line=self.line + by)


class Reference(typing.NamedTuple):
    name: str
    line: int = 1
    column: int = 2


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [(("a",), {}), (("a", 5), {}), (("a", 5, 6), {}), (("a",), {"column": 9}), ((), {"name": "b", "line": 3})],
)
def test_making(args: tuple[typing.Any, ...], kwargs: dict[str, typing.Any]):
    ours, theirs = Place(*args, **kwargs), Reference(*args, **kwargs)
    assert ours == theirs and tuple(ours) == tuple(theirs)
    assert (ours.name, ours.line, ours.column) == (theirs.name, theirs.line, theirs.column)
    assert repr(ours) == repr(theirs).replace("Reference", "Place")
    assert hash(ours) == hash(theirs)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), (("a", 1, 2, 3), {}), (("a",), {"name": "b"}), (("a",), {"nothing": 1})],
)
def test_what_cannot_be_made(args: tuple[typing.Any, ...], kwargs: dict[str, typing.Any]):
    with pytest.raises(TypeError):
        Reference(*args, **kwargs)
    with pytest.raises(TypeError):
        Place(*args, **kwargs)


def test_changing():
    assert Place("a").moved(3) == ("a", 4, 2)
    assert type(Place("a").moved(3)) is Place
    with pytest.raises(TypeError, match="nothing"):
        Place("a")._replace(nothing=1)
    with pytest.raises(AttributeError):
        Place("a").line = 4  # type: ignore[misc]  # that it cannot be set is the point


def test_matching_and_copies():
    match Place("a", 7):
        case Place(name, line=line):
            assert (name, line) == ("a", 7)
    assert Place._fields == ("name", "line", "column")
    assert copy.deepcopy(Place("a", 7)) == pickle.loads(pickle.dumps(Place("a", 7))) == Place("a", 7)
