"""Names of files, as scripts and as the operating system have them."""

from __future__ import annotations

import os

__all__ = ["native", "shown"]


def native(text: str) -> str:
    """A path of the script as the operating system's functions take it."""
    return os.fsdecode(text.encode("latin-1"))


def shown(path: str) -> str:
    """A path of the operating system as text of the script."""
    return os.fsencode(path).decode("latin-1")
