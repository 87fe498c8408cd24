"""What can go wrong while a script runs, and how it is said (OUTPUT 7.2, LIBRARY 11).

`RUNTIME_ERRORS` are the warnings that programs send from the kernel: the code generator and the builtins name them, the
text is here. `RunError` ends a run.
"""

from __future__ import annotations

import errno
import os

__all__ = ["ENOTSUPP", "RUNTIME_ERRORS", "RunError", "error_text", "runtime_message"]

ENOTSUPP = 524
"""A number of the kernel's own that helpers give back; the C library has no text for it."""

RUNTIME_ERRORS: dict[str, str | None] = {
    "helper": None,
    "map_full": (
        "Map full; can't update element. Try increasing max_map_keys config or manually setting the max entries "
        "in a map declaration e.g. `let @a = hash(5000)`"
    ),
    "map_lookup": "Can't lookup map element because it does not exist.",
    "divide_by_zero": (
        "Divide or modulo by 0 detected. This can lead to unexpected results. 1 is being used as the result."
    ),
    "array_bounds": "Array access out of bounds. This can lead to unexpected results.",
    "kstack": "Error reading kstack.",
    "ustack": "Error reading ustack.",
    "dw_ustack": "No DWARF unwind data available for this process. Use -p or --dwarf-pid to specify target PIDs.",
    "no_process": "No process with the pid {}.",
    "signal": "signal call failed with error {}",
    "signal_number": "signal() accepts an integer between 1 and 64 (inclusive), not {}",
    "signal_thread_number": "signal_thread() accepts an integer between 1 and 64 (inclusive), not {}",
}
"""Texts by name, with `{}` for the number that came along; None stands for the text of the error number that the
helper gave."""


class RunError(Exception):
    """A run cannot go on. Each message is a line on stderr (with `ERROR: ` in front); `log` is text that follows them
    as it is, `status` the exit status."""

    def __init__(self, *messages: str, status: int = 255, log: str = "") -> None:
        super().__init__("\n".join(messages))
        self.messages = messages
        self.status = status
        self.log = log


class TooComplex(RunError):
    """The kernel gave up checking a program."""


def error_text(number: int) -> str:
    """The text of an error number, positive or negative."""
    return "Operation not supported" if abs(number) == ENOTSUPP else os.strerror(abs(number))


def runtime_message(name: str, retcode: int) -> str:
    """What a warning says: the text that its name has, else that of its error number."""
    text = RUNTIME_ERRORS[name]
    if text is None or (name == "map_full" and retcode != -errno.E2BIG):
        return error_text(retcode)
    return text.replace("{}", str(retcode))
