"""Where the command starts: as little as possible before the modules of a run can come from the cache."""

from __future__ import annotations

import gc
import sys

from pytrace import bundle
from pytrace.cache import Cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["command"]


def command() -> NoReturn:
    """The command, with the arguments of the process."""
    gc.disable()  # nearly all that is made until the script runs is kept: searching it for garbage is a waste
    if len(sys.argv) > 1:
        bundle.use(Cache(), "start")
    from pytrace.cli import command

    command()
