"""What was entered, from session to session: a file of one user, readable by nobody else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from prompt_toolkit.history import FileHistory, InMemoryHistory

__all__ = ["history", "path"]


def path() -> str:
    """Where the file is, by the XDG base directory specification."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "pytrace", "history")


class _Private(FileHistory):
    """Opens the file anew each time, never through a link, and only if it is ours alone."""

    def load_history_strings(self) -> Iterable[str]:
        return super().load_history_strings() if _is_private(str(self.filename)) else ()

    def store_string(self, string: str) -> None:
        if _is_private(str(self.filename)):
            try:
                super().store_string(string)
            except OSError:
                return  # a full disk is no reason to lose the session


def _is_private(name: str) -> bool:
    """Whether the file and its folder belong to this user and nobody else can write them; makes them if they are
    missing."""
    folder = os.path.dirname(name)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        within = os.stat(folder, follow_symlinks=False)
        if not stat.S_ISDIR(within.st_mode) or within.st_uid != os.geteuid() or within.st_mode & 0o022:
            return False
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            return False
        if found.st_mode & 0o077:
            os.fchmod(fd, 0o600)
        return True
    finally:
        os.close(fd)


def history() -> FileHistory | InMemoryHistory:
    """The user's history; one that ends with the session where none can be kept."""
    name = path()
    return _Private(name) if _is_private(name) else InMemoryHistory()
