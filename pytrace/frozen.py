"""`@frozen` and `@record`: classes of fields that cost little to define, to make and to import.

`@dataclass(frozen=True, slots=True)` compiles six functions for each class, 0.6 ms, whether the class is used or not,
and its module loads `inspect` and all below it: a package of a hundred record types would spend more on that than on a
compilation. Here nothing is compiled but the `__init__` of a class of which many objects are made.

Frozen objects compare and hash by their fields; those of a `@record` can be changed and are each only equal to
themselves. Both have slots, and are dataclasses to those who ask (`dataclasses.fields`, `is_dataclass`, `match`).
Keyword-only and init-only fields are not supported.
"""

from __future__ import annotations

from _operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar, dataclass_transform

    _T = TypeVar("_T")
else:

    def dataclass_transform(**_):
        return lambda decorator: decorator


__all__ = ["FieldInfo", "field", "fields", "frozen", "record", "replace"]

_MISSING: Any = object()
_MANY = 100
"""From how many objects on it pays to compile an `__init__`."""


class FieldInfo:
    """A field: its `type` is the text of the annotation; without a default, `default` is `MISSING`."""

    __slots__ = ("compare", "default", "default_factory", "name", "repr", "type")
    MISSING = _MISSING

    def __init__(self, default: Any, default_factory: Any, compare: bool, repr: bool) -> None:
        self.name = self.type = ""
        self.default = default
        self.default_factory = default_factory
        self.compare = compare
        self.repr = repr


def field(
    *, default: Any = _MISSING, default_factory: Any = _MISSING, compare: bool = True, repr: bool = True
) -> Any:
    """Says more about a field than its annotation: what it is if not given, whether it is compared and shown."""
    return FieldInfo(default, default_factory, compare, repr)


def fields(of: Any) -> tuple[FieldInfo, ...]:
    """The fields of a frozen class or object, in order."""
    return tuple(of.__frozen_fields__.values())


def replace(of: _T, /, **changes: Any) -> _T:
    """A frozen object with some fields changed."""
    record: Any = of
    for name in record.__frozen_fields__:
        if name not in changes:
            changes[name] = getattr(of, name)
    made: _T = record.__class__(**changes)
    return made


class _DataclassFields:
    """What makes `dataclasses` treat the classes as its own, worked out when it asks."""

    def __get__(self, instance: object, owner: Any) -> dict[str, Any]:
        import dataclasses

        namespace: dict[str, Any] = {"__annotations__": {}}
        for each in fields(owner):
            namespace["__annotations__"][each.name] = each.type
            options: dict[str, Any] = {"compare": each.compare, "repr": each.repr}
            if each.default is not _MISSING:
                options["default"] = each.default
            elif each.default_factory is not _MISSING:
                options["default_factory"] = each.default_factory
            namespace[each.name] = dataclasses.field(**options)
        like: Any = dataclasses.dataclass(init=False, repr=False, eq=False)(type(owner.__name__, (), namespace))
        found: dict[str, Any] = like.__dataclass_fields__
        return found


_dataclass_fields = _DataclassFields()


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[_T]) -> type[_T]:
    """Make a class one of immutable objects. Raises `TypeError` for a field that `dataclasses.field` made."""
    return _made(cls, _FROZEN)


@dataclass_transform(eq_default=False, field_specifiers=(field,))
def record(cls: type[_T]) -> type[_T]:
    """Make a class one of objects whose fields can be set. Raises as `frozen`."""
    return _made(cls, _RECORD)


def _made(cls: type[_T], methods: dict[str, Callable[..., Any]]) -> type[_T]:
    known: dict[str, FieldInfo] = {}
    for base in reversed(cls.__mro__[1:]):
        known.update(base.__dict__.get("__frozen_fields__", {}))
    inherited = frozenset(known)
    namespace: dict[str, Any] = dict(cls.__dict__)
    for name in ("__dict__", "__weakref__"):
        namespace.pop(name, None)
    for name, annotation in namespace.get("__annotations__", {}).items():
        if annotation.startswith(("ClassVar", "typing.ClassVar")):
            continue
        value = namespace.pop(name, _MISSING)
        if type(value).__module__ == "dataclasses":
            raise TypeError(f"{cls.__qualname__}.{name}: use the `field` of pytrace.frozen")
        info = value if isinstance(value, FieldInfo) else FieldInfo(value, _MISSING, True, True)
        info.name, info.type = name, annotation
        known[name] = info
    namespace |= {
        "__slots__": tuple(name for name in known if name not in inherited),
        "__match_args__": tuple(known),
        "__frozen_fields__": known,
        "__dataclass_fields__": _dataclass_fields,
    }
    for name, method in methods.items():
        if namespace.get(name) is None:
            namespace[name] = method
    metaclass: Any = type(cls)
    made = metaclass(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    if "__init__" not in cls.__dict__:
        made.__init__ = _first_init(made)
    result: type[_T] = made
    return result


def _first_init(cls: Any) -> Callable[..., None]:
    """The `__init__` of the first few objects, which after them puts the compiled one into its place."""
    infos = fields(cls)
    names = tuple(cls.__frozen_fields__)
    setters: list[Callable[[object, object], None]] = []
    left = _MANY
    checked = hasattr(cls, "__post_init__")

    def __init__(self: object, *args: object, **kwargs: object) -> None:
        nonlocal left
        left -= 1
        if not left or checked or len(args) > len(names):
            init = _compile_init(cls)
            cls.__init__ = init
            init(self, *args, **kwargs)
            return
        if not setters:
            setters.extend(getattr(cls, name).__set__ for name in names)
        given = len(args)
        for setter, value in zip(setters, args, strict=False):
            setter(self, value)
        for info, setter in zip(infos[given:], setters[given:], strict=True):
            if info.name in kwargs:
                value = kwargs.pop(info.name)
            elif info.default is not _MISSING:
                value = info.default
            elif info.default_factory is not _MISSING:
                value = info.default_factory()
            else:
                raise TypeError(f"{cls.__qualname__}() is missing the argument {info.name!r}")
            setter(self, value)
        if kwargs:
            raise TypeError(f"{cls.__qualname__}() got unexpected or repeated arguments: {', '.join(kwargs)}")

    return __init__


def _compile_init(cls: Any) -> Callable[..., None]:
    parameters, lines = [], []
    scope: dict[str, Any] = {"_absent": _MISSING}
    for each in fields(cls):
        name = each.name
        scope[f"_set_{name}"] = getattr(cls, name).__set__
        value = name
        if each.default is not _MISSING:
            scope[f"_default_{name}"] = each.default
            parameters.append(f"{name}=_default_{name}")
        elif each.default_factory is not _MISSING:
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


def _refused(name: str) -> AttributeError:
    from dataclasses import FrozenInstanceError

    return FrozenInstanceError(f"cannot change field {name!r}")


def _setattr(self: object, name: str, value: object) -> None:
    raise _refused(name)


def _delattr(self: object, name: str) -> None:
    raise _refused(name)


def _reduce(self: Any) -> tuple[type, tuple[object, ...]]:
    return type(self), tuple(getattr(self, name) for name in self.__frozen_fields__)


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


_RECORD: dict[str, Callable[..., Any]] = {"__repr__": _repr}
_FROZEN: dict[str, Callable[..., Any]] = {
    **_RECORD,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__reduce__": _reduce,
    "__eq__": _eq,
    "__hash__": _hash,
}
