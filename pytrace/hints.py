"""What annotations take from `typing` and `collections.abc`, without importing them: that takes longer than all else
that a run from the cache imports from the standard library.

Type checkers see the modules themselves. At run time annotations are text that nobody evaluates, so any object will do;
the abstract classes, which some classes derive from, are where `os` has them from.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable as Callable
    from collections.abc import Container as Container
    from collections.abc import Iterable as Iterable
    from collections.abc import Iterator as Iterator
    from collections.abc import Mapping as Mapping
    from collections.abc import MutableMapping as MutableMapping
    from collections.abc import Sequence as Sequence
    from typing import Any as Any
    from typing import ClassVar as ClassVar
    from typing import NoReturn as NoReturn
    from typing import Protocol as Protocol
    from typing import Self as Self
    from typing import cast as cast
else:
    from _collections_abc import Callable, Container, Iterable, Iterator, Mapping, MutableMapping, Sequence

    Any = ClassVar = NoReturn = Protocol = Self = object

    def cast(_, value):
        return value


__all__ = [
    "TYPE_CHECKING", "Any", "Callable", "ClassVar", "Container", "Iterable", "Iterator", "Mapping", "MutableMapping",
    "NoReturn", "Protocol", "Self", "Sequence", "cast",
]
