"""`@frozen`: a frozen dataclass with slots that costs little to define and to make.

`@dataclass(frozen=True, slots=True)` compiles six functions for each class, 0.6 ms, whether the class is used or not: a
package of a hundred record types would spend more on that than on a compilation. Here `__init__` alone is compiled,
when the first object is made; everything else is shared. The classes are dataclasses in all other respects: `fields`,
`replace`, `match`, `field(default=…, default_factory=…, compare=…, repr=…)`, inheritance and `__post_init__` work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

__all__ = ["frozen"]

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(field, Field))
def frozen(cls: type[_T]) -> type[_T]:
    """Make a class a frozen dataclass with slots. Keyword-only and init-only fields are not supported."""
    if cls.__doc__ is None:
        cls.__doc__ = f"{cls.__name__}."  # else the dataclass works out a signature for it
    made = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    own = cls.__dict__
    namespace: dict[str, Any] = {
        "__init__": _first_init(made),
        "__setattr__": _setattr,
        "__delattr__": _delattr,
        "__reduce__": _reduce,
        "__repr__": _repr,
        "__eq__": _eq,
        "__hash__": _hash,
    }
    for name, value in namespace.items():
        if name not in own or (name == "__hash__" and own[name] is None):
            setattr(made, name, value)
    return made


def _first_init(cls: type) -> Callable[..., None]:
    def __init__(self: object, *args: object, **kwargs: object) -> None:
        init = _compile_init(cls)
        cls.__init__ = init  # type: ignore[misc]  # from now on, the compiled one
        init(self, *args, **kwargs)

    return __init__


def _compile_init(cls: type) -> Callable[..., None]:
    parameters, lines = [], []
    scope: dict[str, Any] = {"_absent": object()}
    for each in fields(cls):
        name = each.name
        scope[f"_set_{name}"] = getattr(cls, name).__set__
        value = name
        if each.default is not MISSING:
            scope[f"_default_{name}"] = each.default
            parameters.append(f"{name}=_default_{name}")
        elif each.default_factory is not MISSING:
            scope[f"_factory_{name}"] = each.default_factory
            parameters.append(f"{name}=_absent")
            value = f"_factory_{name}() if {name} is _absent else {name}"
        else:
            parameters.append(name)
        lines.append(f"    _set_{name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    source = f"def __init__(self, {', '.join(parameters)}):\n" + ("\n".join(lines) or "    pass")
    exec(source, scope)
    init: Callable[..., None] = scope["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _setattr(self: object, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _reduce(self: Any) -> tuple[type, tuple[object, ...]]:
    return type(self), tuple(getattr(self, each.name) for each in fields(self))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{type(self).__qualname__}({shown})"


_keys: dict[type, Callable[[object], object]] = {}


def _key(cls: Any) -> Callable[[object], object]:
    """What compares the objects of a class: their fields, but for those that are not compared."""
    names = [each.name for each in fields(cls) if each.compare]
    key = _keys[cls] = attrgetter(*names) if names else type
    return key


def _eq(self: object, other: object) -> bool:
    cls = type(self)
    if cls is not type(other):
        return NotImplemented  # type: ignore[no-any-return]  # as every __eq__ does
    key = _keys.get(cls) or _key(cls)
    return self is other or bool(key(self) == key(other))


def _hash(self: object) -> int:
    cls = type(self)
    key = _keys.get(cls) or _key(cls)
    return hash((cls, key(self)))
