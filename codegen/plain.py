"""Images as plain data and back, for storing without pickle.

What comes out holds nothing but integers, strings, bytes, booleans, None, tuples and lists, so `marshal` can write it
and nothing in it can run code. A list stands for an object: a number that names its class, then its fields.
"""

from __future__ import annotations

from pytrace.codegen.image import (
    Action,
    Image,
    Loss,
    MapImage,
    Place,
    ProgramImage,
    RecordLayout,
    Relocation,
    ScriptMap,
)
from pytrace.frozen import fields
from pytrace.hints import Any, Callable
from pytrace.probes.provider import Target
from pytrace.semantics.configuration import Config
from pytrace.semantics.types import (
    Aggregate,
    Array,
    Bool,
    Buffer,
    Context,
    Enum,
    Field,
    Int,
    Nothing,
    Opaque,
    Pointer,
    Record,
    Space,
    Stack,
    Str,
    Struct,
    StructDef,
    Tuple,
    Void,
)

__all__ = ["from_plain", "to_plain"]

_DICT, _SPACE = 0, 1
_CLASSES: tuple[type[Any], ...] = (
    Image, ProgramImage, Relocation, MapImage, ScriptMap, Action, RecordLayout, Place, Target, Config, Int, Bool, Enum,
    Str, Buffer, Pointer, Array, Tuple, Record, Struct, Void, Nothing, Stack, Opaque, Aggregate, Context, Field,
    StructDef, Loss,
)  # fmt: skip
"""Classes by number, from 2 on. Their fields are stored in order."""
_NUMBERS = {each: number for number, each in enumerate(_CLASSES, 2)}
_SPACES = tuple(Space)


def to_plain(image: Image) -> object:
    """The image as plain data. Raises `TypeError` if something in it is not data."""
    names = {each: tuple(field.name for field in fields(each)) for each in _CLASSES}

    def encode(value: object) -> object:
        kind = type(value)
        if kind in _NUMBERS:
            return [_NUMBERS[kind], *(encode(getattr(value, name)) for name in names[kind])]
        if isinstance(value, tuple):
            return tuple(map(encode, value))
        if isinstance(value, dict):
            return [_DICT, *(encode(pair) for pair in value.items())]
        if isinstance(value, Space):
            return [_SPACE, _SPACES.index(value)]
        if value is None or isinstance(value, int | str | bytes):
            return value
        raise TypeError(f"{value!r} is not plain data")

    return encode(image)


def from_plain(plain: object) -> Image:
    """The image that `to_plain` made into plain data. Raises `ValueError` for anything else."""
    makers: list[Callable[..., Any]] = [lambda *pairs: dict(pairs), _SPACES.__getitem__, *_CLASSES]

    def decode(value: object) -> Any:
        if isinstance(value, tuple):
            return tuple(map(decode, value))
        if isinstance(value, list):
            return makers[value[0]](*map(decode, value[1:]))
        return value

    try:
        image = decode(plain)
    except (TypeError, IndexError, ValueError, RecursionError) as error:
        raise ValueError("not the plain data of an image") from error
    if not isinstance(image, Image):
        raise ValueError("not the plain data of an image")
    return image
