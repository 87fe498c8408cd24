"""Enumerations that cost little to define. `enum` takes about 2 ms to import and 0.3 ms for each enumeration.

Type checkers see `enum.Enum` and `enum.IntEnum`. At run time there is what this project uses of them: members with
`name` and `value`, one object each; `cls(value)`, `cls["NAME"]`, iteration in order, `in` and `len`.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from enum import Enum as Enum
    from enum import IntEnum as IntEnum
else:

    class _Members(type):
        def __new__(cls, name, bases, namespace):
            made = super().__new__(cls, name, bases, namespace)
            made._by_name = {}
            made._by_value = {}
            for key, value in namespace.items():
                if key[0] != "_" and key.isupper():
                    member = int.__new__(made, value) if issubclass(made, int) else object.__new__(made)
                    member.name, member.value = key, value
                    made._by_name[key] = made._by_value.setdefault(value, member)
                    setattr(made, key, made._by_name[key])
            return made

        def __call__(cls, value):
            if isinstance(value, cls):
                return value
            try:
                return cls._by_value[value]
            except KeyError:
                raise ValueError(f"{value!r} is not a valid {cls.__qualname__}") from None

        def __getitem__(cls, name):
            return cls._by_name[name]

        def __iter__(cls):
            return iter(cls._by_value.values())

        def __contains__(cls, member):
            return isinstance(member, cls)

        def __len__(cls):
            return len(cls._by_value)

    class Enum(metaclass=_Members):
        def __repr__(self):
            return f"<{type(self).__name__}.{self.name}: {self.value!r}>"

        def __reduce__(self):
            return type(self), (self.value,)

        def __copy__(self):
            return self

        def __deepcopy__(self, memo):
            return self

    class IntEnum(int, Enum):
        pass


__all__ = ["Enum", "IntEnum"]
