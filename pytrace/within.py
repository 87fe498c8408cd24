"""`contextmanager` for modules of a compilation: `contextlib`, with what it imports, takes longer than parsing a small
script. What is made here is used once, in a `with` statement.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager as AbstractContextManager
    from contextlib import contextmanager as contextmanager
else:
    AbstractContextManager = object

    class _Within:
        __slots__ = ("_steps",)

        def __init__(self, steps):
            self._steps = steps

        def __enter__(self):
            return next(self._steps)

        def __exit__(self, kind, error, trace):
            if error is None:
                for _ in self._steps:
                    raise RuntimeError("more than one yield")
                return False
            try:
                self._steps.throw(error)
            except BaseException as raised:
                if raised is error:
                    error.__traceback__ = trace  # without the frames of this
                    return False
                if isinstance(raised, StopIteration):
                    return True
                raise
            raise RuntimeError("more than one yield")

    def contextmanager(function):
        """Has a generator that yields once stand around what is done there."""

        def make(*args, **kwargs):
            return _Within(function(*args, **kwargs))

        make.__name__, make.__doc__, make.__wrapped__ = function.__name__, function.__doc__, function
        return make


__all__ = ["AbstractContextManager", "contextmanager"]
