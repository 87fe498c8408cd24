"""Regular expressions that are compiled when they are first used: most scripts need few of those that there are.

Those that many scripts need are compiled ahead, for the matcher of one version of Python (`python -m
pytrace.syntax.ahead` writes `grammar/patterns.tables` with the Python that runs it). To compile them takes as long as
to parse a small script, and the module `re`, which does it, twice that to import. Other versions of Python do so.
"""

from __future__ import annotations

import os
import sys

from pytrace.hints import TYPE_CHECKING, Any
from pytrace.once import cache

if TYPE_CHECKING:
    import re

__all__ = ["ASCII", "DOTALL", "MULTILINE", "VERBOSE", "compiled", "pattern", "pattern_of_bytes"]

MULTILINE, DOTALL, VERBOSE, ASCII = 8, 16, 64, 256
"""As in `re`."""


def compiled(text: str | bytes, flags: int = 0) -> re.Pattern[Any]:
    """`re.compile`."""
    ahead = _ahead().get(f"{flags} {text!r}")
    if ahead is not None:
        return from_line(text, ahead)
    import re

    return re.compile(text, flags)


def from_line(text: str | bytes, line: str) -> re.Pattern[Any]:
    """A pattern from its line in the file, without the key: flags, code, and the names of the groups."""
    import _sre  # type: ignore[import-not-found]

    numbers, _, names = line.partition("\t")
    flags, groups, *code = map(int, numbers.split())
    by_name: dict[str, int] = {}
    by_number: list[str | None] = [None] * (groups + 1)
    for number, name in enumerate(names.split(","), 1):
        if name:
            by_name[name], by_number[number] = number, name
    found: re.Pattern[Any] = _sre.compile(text, flags, code, groups, by_name, tuple(by_number))
    return found


def version() -> str:
    """What the code of patterns depends on."""
    import _sre

    return f"{_sre.MAGIC} {_sre.CODESIZE} {sys.byteorder}"


@cache
def _ahead() -> dict[str, str]:
    """The patterns that were compiled ahead, if they were for this Python: by flags and text, as lines."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "grammar", "patterns.tables")
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        if lines[0] != version():
            return {}
    except (OSError, IndexError, ImportError, AttributeError):
        return {}
    return {key: rest for key, _, rest in (line.partition("\t") for line in lines[1:])}


if TYPE_CHECKING:

    def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
        """`compiled`, later."""
        ...

    def pattern_of_bytes(text: bytes, flags: int = 0) -> re.Pattern[bytes]:
        """The same for bytes."""
        ...

else:

    class pattern:
        def __init__(self, text, flags=0):
            self.source = text, flags

        def __getattr__(self, name):
            if name == "made":
                value = compiled(*self.source)
            else:
                value = getattr(self.made, name)
            setattr(self, name, value)
            return value

    pattern_of_bytes = pattern
