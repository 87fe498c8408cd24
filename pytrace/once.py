"""Parts of `functools`, `collections` and `importlib` for the modules of a run from the cache, and modules for later.

The standard library has them too, in modules that take longer to load than the largest of these.
"""

from __future__ import annotations

import sys

from pytrace.hints import TYPE_CHECKING, Any

__all__ = ["Later", "cache", "cached_property", "deque", "imported", "partial"]

if TYPE_CHECKING:
    from collections import deque as deque
    from functools import cache as cache
    from functools import cached_property as cached_property
    from functools import partial as partial
else:
    from _collections import deque
    from _functools import partial

    def cache(function):
        """Remembers what the function gave, by its positional arguments."""
        known: dict[tuple[Any, ...], Any] = {}

        def remembering(*args):
            try:
                return known[args]
            except KeyError:
                result = known[args] = function(*args)
                return result

        remembering.__name__, remembering.__doc__ = function.__name__, function.__doc__
        remembering.__wrapped__, remembering.cache_clear = function, known.clear
        return remembering

    class cached_property:  # as functools spells it
        """Worked out when it is first asked for, then an attribute of the object."""

        def __init__(self, function):
            self._function = function
            self.__doc__ = function.__doc__

        def __set_name__(self, owner, name):
            self._name = name

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self._name] = self._function(instance)
            return value


def imported(name: str) -> Any:
    """A module by its full name."""
    __import__(name)
    return sys.modules[name]


class Later:
    """A module that is imported when something of it is first used: for those that only compiling takes."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(imported(self._name), attribute)
        setattr(self, attribute, value)
        return value
