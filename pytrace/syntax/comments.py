"""Comments on their way through the formatter: each is handed out once, near to where it stood."""

from __future__ import annotations

from bisect import bisect_left

from pytrace.diagnostics import Span
from pytrace.lazy import pattern

__all__ = ["Comments"]

_REST_OF_LINE = pattern(r"[ \t\r]*(?:\n|\Z)")


class Comments:
    """The comments of a script, in order. `position` is the offset up to which the source has been printed."""

    def __init__(self, text: str, comments: tuple[tuple[Span, str], ...]) -> None:
        self._text = text
        self._starts = [span.start for span, _ in comments]
        self._comments = comments
        self._next = 0
        self.position = 0

    def within(self, start: int, end: int) -> bool:
        """Whether a comment stands in the range that has not been handed out."""
        first = max(self._next, bisect_left(self._starts, start))
        return first < len(self._starts) and self._starts[first] < end

    def before(self, offset: int) -> list[str]:
        """The lines to print above what stands at `offset`: comments, and the blank lines of the source."""
        lines: list[str] = []
        while self._next < len(self._comments) and self._starts[self._next] < offset:
            span, text = self._comments[self._next]
            self._next += 1
            lines += [*self._blank(span.start), *_lines(text)]
            self.position = max(self.position, span.end)
        return [*lines, *self._blank(offset)]

    def behind(self, end: int, limit: int) -> list[str]:
        """The comments inside and at the end of a construct that has been printed up to `end`; the next thing starts
        at `limit`."""
        self.position = max(self.position, end)
        lines: list[str] = []
        while self._next < len(self._comments):
            span, text = self._comments[self._next]
            if span.start >= max(end, limit):
                break
            if span.start >= end and ("\n" in self._text[self.position : span.start] or not self._ends_line(span.end)):
                break
            self._next += 1
            lines += _lines(text)
            self.position = max(self.position, span.end)
        return lines

    def _ends_line(self, offset: int) -> bool:
        return _REST_OF_LINE.match(self._text, offset) is not None

    def _blank(self, offset: int) -> list[str]:
        """One empty string for each blank line between what was printed last and `offset`."""
        return [""] * (self._text.count("\n", self.position, max(offset, self.position)) - 1)


def _lines(text: str) -> list[str]:
    """A comment as lines that start with `//`; what frames a block comment goes."""
    if text.startswith("//"):
        return [text.rstrip()]
    body = text[2:-2] if text.endswith("*/") and len(text) >= 4 else text[2:]
    lines = [line.strip() for line in body.split("\n")]
    if len(lines) > 1:
        lines = [line[1:].lstrip() if line.startswith("*") else line for line in lines]
        while lines and not lines[0]:
            del lines[0]
        while lines and not lines[-1]:
            del lines[-1]
    return [f"// {line}".rstrip() for line in lines] or ["//"]
