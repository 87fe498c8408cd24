"""Regular expressions that are compiled when they are first used: most scripts need few of those that there are."""

from __future__ import annotations

import re

from pytrace.hints import TYPE_CHECKING, Any

__all__ = ["pattern"]

if TYPE_CHECKING:

    def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
        """`re.compile`, later."""
        ...

else:

    class pattern:
        def __init__(self, text: str, flags: int = 0) -> None:
            self._source = text, flags

        def __getattr__(self, name: str) -> Any:
            value = getattr(re.compile(*self._source), name)
            setattr(self, name, value)
            return value
