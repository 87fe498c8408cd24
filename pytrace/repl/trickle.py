"""How much of what a block prints is shown: a few lines a second. All of it is in the log."""

from __future__ import annotations

__all__ = ["Trickle", "harmless"]

RATE, BURST = 5.0, 20.0
"""Lines a second, and how many may come at once after a pause."""
_CALM = 0.5
"""Seconds without a line after which what was not shown is summed up."""

_HARMLESS = bytes.maketrans(bytes([*range(9), *range(11, 32), 127]), b"." * 31)


def harmless(text: bytes) -> bytes:
    """Text without what a terminal obeys: a file name may hold any sequence of bytes, a traced program may want it so.
    """
    return text.translate(_HARMLESS).decode("utf-8", "replace").translate(_C1).encode()


_C1 = dict.fromkeys(range(128, 160), ".")


class Trickle:
    """Of one block. Times are seconds of any clock. `limited` False lets all lines through."""

    def __init__(self, number: int, *, limited: bool = True) -> None:
        self.number = number
        self.limited = limited
        self.quiet = False
        self.hidden = 0
        """Lines that were not shown since one was."""
        self._allowed = BURST
        self._then = 0.0

    def take(self, lines: bytes, now: float) -> bytes:
        """What is shown of some whole lines."""
        if not lines or self.quiet:
            return b""
        if not self.limited:
            return lines
        self._allowed = min(BURST, self._allowed + RATE * (now - self._then)) if self._then else self._allowed
        self._then = now
        allowed = int(self._allowed)
        at = 0
        for _ in range(allowed):
            end = lines.find(b"\n", at)
            if end < 0:
                break
            at = end + 1
            self._allowed -= 1
        shown = self.remark() + lines[:at] if at else b""
        self.hidden += lines.count(b"\n", at)
        return shown

    def calm(self, now: float) -> bytes:
        """What is said when no line has come for a moment."""
        return self.remark() if self.hidden and now - self._then >= _CALM else b""

    def remark(self) -> bytes:
        """Says how many lines were not shown, if any."""
        hidden, self.hidden = self.hidden, 0
        if not hidden:
            return b""
        return "[{0}] … {1:,} more line{2} in the log (:log {0})\n".format(
            self.number, hidden, "" if hidden == 1 else "s"
        ).encode()
