"""`NamedTuple` for modules that a compilation imports: `typing`, and what makes its classes, take as long to import and
to run as the compilation of a small script.

To type checkers it is that of `typing`. The classes have fields with and without defaults, methods, `_fields` and
`_replace`; nothing is compiled for them. Positional arguments are not counted when there are no defaults: who gives the
wrong number has been told so by a type checker.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from _collections import _tuplegetter

    class _Meta(type):
        def __new__(mcs, name, bases, namespace):
            fields = tuple(namespace.get("__annotations__", ()))
            defaults = tuple(namespace.pop(field) for field in fields if field in namespace)
            namespace |= {"__slots__": (), "__match_args__": fields, "_fields": fields, "_defaults": defaults}
            for number, field in enumerate(fields):
                namespace[field] = _tuplegetter(number, "")
            return type.__new__(mcs, name, bases, namespace)

    class NamedTuple(tuple, metaclass=_Meta):
        def __new__(cls, *args, **kwargs):
            fields = cls._fields
            missing = len(fields) - len(args)
            if not missing:
                return tuple.__new__(cls, args)
            defaults = cls._defaults
            required = len(fields) - len(defaults)
            values = list(args)
            for number in range(len(args), len(fields)):
                if fields[number] in kwargs:
                    values.append(kwargs.pop(fields[number]))
                elif number >= required:
                    values.append(defaults[number - required])
                else:
                    raise TypeError(f"{cls.__name__}() is missing the argument {fields[number]!r}")
            if kwargs or missing < 0:
                raise TypeError(f"{cls.__name__}() got unexpected or repeated arguments")
            return tuple.__new__(cls, values)

        def _replace(self, **changes):
            changed = type(self)(*[changes.pop(field, value) for field, value in zip(self._fields, self, strict=True)])
            if changes:
                raise TypeError(f"{type(self).__name__} has no fields {', '.join(changes)}")
            return changed

        def __repr__(self):
            shown = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({shown})"

        def __getnewargs__(self):
            return tuple(self)


__all__ = ["NamedTuple"]
