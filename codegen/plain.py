"""Images as plain data and back, for storing without pickle.

What comes out holds nothing but integers, strings, bytes, booleans, None, tuples and lists, so `marshal` can write it
and nothing in it can run code. A list stands for an object: a number that names its class, then its fields.
"""

from __future__ import annotations

from pytrace.codegen.image import Image, Loss, MapImage, ProgramImage, Relocation
from pytrace.frozen import fields
from pytrace.hints import Any, Callable
from pytrace.once import cache
from pytrace.probes.provider import Target
from pytrace.semantics.configuration import Config

__all__ = ["from_plain", "to_plain"]

_DICT = 0
_CLASSES: tuple[type[Any], ...] = (Image, ProgramImage, Relocation, MapImage, Target, Config, Loss)
"""Classes of what is loaded and attached, by number, from 1 on. Their fields are stored in order."""
_LATER = ("script_maps", "actions", "structs", "enums")
"""Fields of an image that tell what its results mean. They wait, and the types of the language with them, until the
programs are attached."""


@cache
def _all_classes() -> tuple[type[Any], ...]:
    """The same, and behind them those of results. The members of `Space` are behind the last one."""
    from pytrace.codegen.image import Action, Place, RecordLayout, ScriptMap
    from pytrace.semantics import types

    return (
        *_CLASSES, ScriptMap, Action, RecordLayout, Place, types.Int, types.Bool, types.Enum, types.Str, types.Buffer,
        types.Pointer, types.Array, types.Tuple, types.Record, types.Struct, types.Void, types.Nothing, types.Stack,
        types.Opaque, types.Aggregate, types.Context, types.Field, types.StructDef,
    )  # fmt: skip


def to_plain(image: Image) -> object:
    """The image as plain data. Raises `TypeError` if something in it is not data."""
    from pytrace.semantics.types import Space

    classes, spaces = _all_classes(), tuple(Space)
    names = {each: tuple(field.name for field in fields(each) if field.name != "waiting") for each in classes}
    numbers = {each: number for number, each in enumerate(classes, 1)}

    def encode(value: object) -> object:
        kind = type(value)
        if kind in numbers:
            return [numbers[kind], *(encode(getattr(value, name)) for name in names[kind])]
        if isinstance(value, tuple):
            return tuple(map(encode, value))
        if isinstance(value, dict):
            return [_DICT, *(encode(pair) for pair in value.items())]
        if isinstance(value, Space):
            return [len(classes) + 1, spaces.index(value)]
        if value is None or isinstance(value, int | str | bytes):
            return value
        raise TypeError(f"{value!r} is not plain data")

    return encode(image)


def _decoder(classes: tuple[Callable[..., Any], ...]) -> Callable[[object], Any]:
    makers = (lambda *pairs: dict(pairs), *classes)

    def decode(value: object) -> Any:
        if isinstance(value, tuple):
            return tuple(map(decode, value))
        if isinstance(value, list):
            return makers[value[0]](*map(decode, value[1:]))
        return value

    return decode


def _decode_later(plain: object) -> Any:
    from pytrace.semantics.types import Space

    return _decoder((*_all_classes(), tuple(Space).__getitem__))(plain)


def from_plain(plain: object) -> Image:
    """The image that `to_plain` made into plain data. Raises `ValueError` for anything else."""
    names = tuple(field.name for field in fields(Image) if field.name != "waiting")
    if not isinstance(plain, list) or len(plain) != len(names) + 1 or plain[0] != 1 + _CLASSES.index(Image):
        raise ValueError("not the plain data of an image")
    decode, waiting = _decoder(_CLASSES), {}
    image = Image.__new__(Image)
    try:
        for name, value in zip(names, plain[1:], strict=True):
            if name in _LATER:
                waiting[name] = lambda value=value: _decode_later(value)
            else:
                object.__setattr__(image, name, decode(value))
    except (TypeError, IndexError, ValueError, RecursionError) as error:
        raise ValueError("not the plain data of an image") from error
    object.__setattr__(image, "waiting", waiting)
    return image
