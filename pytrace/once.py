"""`cache`, `cached_property`, `deque` and `import_module` for the modules of a run from the cache.

The standard library has them too, in modules that take longer to load than the largest of these.
"""

from __future__ import annotations

import sys

from pytrace.hints import TYPE_CHECKING, Any

__all__ = ["cache", "cached_property", "deque", "imported"]

if TYPE_CHECKING:
    from collections import deque as deque
    from functools import cache as cache
    from functools import cached_property as cached_property
else:
    from _collections import deque

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
