"""A function's last results are remembered, and no more of them than were asked for."""

from __future__ import annotations

from pytrace.recent import recent


def test_the_last_results_are_kept():
    called: list[int] = []

    @recent(maxsize=2)
    def double(n: int, times: int = 2) -> int:
        called.append(n)
        return n * times

    assert [double(1), double(2), double(1), double(3), double(1), double(2)] == [2, 4, 2, 6, 2, 4]
    assert called == [1, 2, 3, 2]
    assert double(2, 5) == 10
    double.cache_clear()
    assert double(2) == 4
    assert called == [1, 2, 3, 2, 2, 2]
