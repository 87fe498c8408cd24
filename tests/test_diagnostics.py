"""How places of the source are quoted."""

from __future__ import annotations

import pytest

from pytrace.diagnostics import Source, Span, excerpts


@pytest.mark.parametrize("at", [0, 10, 600, 50_000, 99_997])
def test_of_a_long_line_an_image_keeps_what_is_around_the_place(at: int):
    text = "a" * at + "XYZ" + "b" * (100_000 - at - 3)
    ((location, block),) = excerpts(Span(Source("stdin", text), at, at + 3))
    line, marks, _ = block.split("\n")
    assert location.startswith(f"stdin:1:{at + 1}") and 500 <= len(line) <= 1000
    assert line[marks.index("~") :][: marks.count("~")] == "XYZ"


def test_a_line_of_common_length_is_kept_as_it_is():
    text = "x" * 1000
    ((_, block),) = excerpts(Span(Source("stdin", text), 990, 995))
    assert block == f"{text}\n{' ' * 990}~~~~~\n"
