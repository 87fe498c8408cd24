"""What a run came to."""

from __future__ import annotations

from pytrace.frozen import record

__all__ = ["Outcome"]


@record
class Outcome:
    """What the records said about the run as a whole: whether to stop and with which status, and how many errors were
    reported (`errorf`, run-time errors)."""

    exited: bool = False
    status: int = 0
    errors: int = 0

    def reset(self) -> None:
        self.exited, self.status, self.errors = False, 0, 0
