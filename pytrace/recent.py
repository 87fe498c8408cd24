"""`recent`: what a function gave for the last few arguments, as `functools.lru_cache`, without the import of that."""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING

__all__ = ["recent"]

if TYPE_CHECKING:
    from functools import lru_cache as recent
else:

    def recent(maxsize):
        def remembering(function):
            known = {}

            def remembered(*args):
                if args in known:
                    result = known[args] = known.pop(args)  # it goes to the end of the line
                    return result
                result = known[args] = function(*args)
                if len(known) > maxsize:
                    del known[next(iter(known))]
                return result

            remembered.__name__, remembered.__doc__ = function.__name__, function.__doc__
            remembered.__wrapped__ = function
            remembered.cache_clear = known.clear
            return remembered

        return remembering
