"""How `typeinfo` and diagnostics name kinds of types (LANGUAGE 13)."""

from __future__ import annotations

from pytrace.semantics.types import (
    Aggregate,
    Array,
    Bool,
    Buffer,
    Context,
    Enum,
    Int,
    Opaque,
    Pointer,
    Record,
    Stack,
    Str,
    Struct,
    Tuple,
    Type,
    Void,
)

__all__ = ["base_type"]

_NAMES: dict[type[Type], str] = {
    Int: "int",
    Bool: "bool",
    Enum: "int",
    Str: "string",
    Buffer: "buffer",
    Pointer: "pointer",
    Array: "array",
    Tuple: "tuple",
    Record: "record",
    Struct: "c_type",
    Context: "c_type",
    Void: "void",
}


def base_type(type_: Type) -> str:
    """The kind of a type: `int`, `string`, `record`, …; opaque types and aggregations by name, `none` if unknown."""
    match type_:
        case Opaque(name=name):
            return name
        case Aggregate(name=name):
            return f"{name}_t"
        case Stack(kind=kind):
            return kind
    return _NAMES.get(type(type_), "none")
