"""Source text, as bytes in the shape of text."""

from __future__ import annotations

__all__ = ["Source"]


class Source:
    """A named text: a script file, `stdin`, or a file of the standard library.

    `text` is Latin-1; use `Source.from_bytes` for the bytes of a file. Of a `quiet` source (the library) only errors
    are reported: its warnings are not for those who use it.
    """

    __slots__ = ("_line_starts", "name", "quiet", "text")

    def __init__(self, name: str, text: str, quiet: bool = False) -> None:
        self.name = name
        self.text = text
        self.quiet = quiet
        self._line_starts: list[int] = []

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {self.text!r})"

    @classmethod
    def from_bytes(cls, name: str, data: bytes) -> Source:
        return cls(name, data.decode("latin-1"))

    @property
    def line_starts(self) -> list[int]:
        """The offset at which each line starts."""
        if not (starts := self._line_starts):
            starts.append(0)
            find = self.text.find
            at = find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = find("\n", at + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both counted from 1, the column in bytes."""
        from bisect import bisect_right

        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (from 1) without its newline."""
        start = self.line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end].rstrip("\r")
