"""The context managers of a compilation behave as those of the standard library."""

from __future__ import annotations

import contextlib

import pytest

from pytrace import within
from pytrace.hints import Any, Callable, Iterator

BOTH = pytest.mark.parametrize("make", [contextlib.contextmanager, within.contextmanager])


def manager(make: Any, log: list[str], *, swallow: bool = False) -> Callable[[], Any]:
    def steps() -> Iterator[int]:
        log.append("in")
        try:
            yield 7
        except KeyError:
            if not swallow:
                raise
        finally:
            log.append("out")

    manager: Callable[[], Any] = make(steps)
    return manager


@BOTH
def test_what_is_around_runs_once(make: Any):
    log: list[str] = []
    with manager(make, log)() as value:
        log.append(str(value))
    assert log == ["in", "7", "out"]


@BOTH
def test_errors_pass_with_their_place(make: Any):
    log: list[str] = []
    error = KeyError("x")
    with pytest.raises(KeyError) as caught, manager(make, log)():
        raise error
    assert caught.value is error
    assert [entry.name for entry in caught.traceback] == ["test_errors_pass_with_their_place"]
    assert log == ["in", "out"]


@BOTH
def test_errors_can_be_taken(make: Any):
    log: list[str] = []
    with manager(make, log, swallow=True)():
        raise KeyError
    assert log == ["in", "out"]


@BOTH
def test_others_can_come_in_their_place(make: Any):
    def steps() -> Iterator[None]:
        try:
            yield
        except KeyError:
            raise ValueError("instead") from None

    with pytest.raises(ValueError, match="instead"), make(steps)():
        raise KeyError


@BOTH
def test_a_second_yield_is_a_mistake(make: Any):
    def steps() -> Iterator[None]:
        yield
        yield

    with pytest.raises(RuntimeError), make(steps)():
        pass
