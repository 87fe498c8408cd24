"""What is wrong with a text at a place, before it becomes a diagnostic."""

from __future__ import annotations

__all__ = ["Fault"]


class Fault(Exception):
    """What to say about the range `start:end` of a text."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end
