"""What annotations take from `typing`, without importing it: that takes longer than all else that a run from the cache
imports from the standard library.

Type checkers see `typing` itself. At run time annotations are text that nobody evaluates, so any object will do.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any as Any
    from typing import ClassVar as ClassVar
    from typing import NoReturn as NoReturn
    from typing import Protocol as Protocol
    from typing import Self as Self
    from typing import cast as cast
else:
    Any = ClassVar = NoReturn = Protocol = Self = object

    def cast(_, value):
        return value


__all__ = ["TYPE_CHECKING", "Any", "ClassVar", "NoReturn", "Protocol", "Self", "cast"]
