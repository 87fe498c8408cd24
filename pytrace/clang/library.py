"""libclang through its C interface (clang-c/Index.h), which has kept compatible since LLVM 3.

The library is the one of the PyPI package `libclang`, else the system's. Our own declarations rather than the package's
`clang.cindex`: they serve both libraries, and cost a tenth of the import.
"""

from __future__ import annotations

import ctypes
import glob
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

__all__ = ["Cursor", "Kind", "Library", "Location", "TypeKind", "Unsaved", "candidates", "library", "places"]


class Text(ctypes.Structure):
    """CXString."""

    _fields_ = (("data", ctypes.c_void_p), ("flags", ctypes.c_uint))


class Cursor(ctypes.Structure):
    """CXCursor: a declaration, by value."""

    _fields_ = (("kind", ctypes.c_int), ("xdata", ctypes.c_int), ("data", ctypes.c_void_p * 3))


class Type(ctypes.Structure):
    """CXType."""

    _fields_ = (("kind", ctypes.c_int), ("data", ctypes.c_void_p * 2))


class Location(ctypes.Structure):
    """CXSourceLocation."""

    _fields_ = (("pointers", ctypes.c_void_p * 2), ("data", ctypes.c_uint))


class Unsaved(ctypes.Structure):
    """CXUnsavedFile: a file that exists in memory only."""

    _fields_ = (("name", ctypes.c_char_p), ("contents", ctypes.c_char_p), ("length", ctypes.c_ulong))


VISITOR = ctypes.CFUNCTYPE(ctypes.c_int, Cursor, Cursor, ctypes.c_void_p)
FIELD_VISITOR = ctypes.CFUNCTYPE(ctypes.c_int, Cursor, ctypes.c_void_p)
INCLUSION_VISITOR = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.POINTER(Location), ctypes.c_uint, ctypes.c_void_p
)


class Kind:
    """CXCursorKind, as far as needed."""

    STRUCT, UNION, ENUM, FIELD, CONSTANT, FUNCTION, VARIABLE, PARAMETER, TYPEDEF = 2, 3, 5, 6, 7, 8, 9, 10, 20


class TypeKind:
    """CXTypeKind, as far as needed."""

    VOID, BOOL, CHAR_U, CHAR_S = 2, 3, 4, 13
    SIGNED = frozenset((13, 14, 16, 17, 18, 19))
    UNSIGNED = frozenset((4, 5, 6, 7, 8, 9, 10, 11))
    WIDE = frozenset((12, 20))
    WCHAR = 15
    POINTER, RECORD, ENUM, TYPEDEF, CONSTANT_ARRAY, INCOMPLETE_ARRAY, ELABORATED = 101, 105, 106, 107, 112, 114, 119


_P, _I, _U, _L = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint, ctypes.c_longlong
_NUMBER = ctypes.POINTER(_U)
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "createIndex": (_P, (_I, _I)),
    "disposeIndex": (None, (_P,)),
    "parseTranslationUnit2": (
        _I, (_P, ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p), _I, ctypes.POINTER(Unsaved), _U, _U,
             ctypes.POINTER(_P)),
    ),
    "disposeTranslationUnit": (None, (_P,)),
    "getTranslationUnitCursor": (Cursor, (_P,)),
    "getNumDiagnostics": (_U, (_P,)),
    "getDiagnostic": (_P, (_P, _U)),
    "disposeDiagnostic": (None, (_P,)),
    "getDiagnosticSeverity": (_I, (_P,)),
    "getDiagnosticSpelling": (Text, (_P,)),
    "getDiagnosticLocation": (Location, (_P,)),
    "getChildDiagnostics": (_P, (_P,)),
    "getNumDiagnosticsInSet": (_U, (_P,)),
    "getDiagnosticInSet": (_P, (_P, _U)),
    "getFileLocation": (None, (Location, ctypes.POINTER(_P), _NUMBER, _NUMBER, _NUMBER)),
    "getFileName": (Text, (_P,)),
    "getInclusions": (None, (_P, INCLUSION_VISITOR, _P)),
    "getCString": (ctypes.c_char_p, (Text,)),
    "disposeString": (None, (Text,)),
    "visitChildren": (_U, (Cursor, VISITOR, _P)),
    "getCursorSpelling": (Text, (Cursor,)),
    "getCursorLocation": (Location, (Cursor,)),
    "getCursorType": (Type, (Cursor,)),
    "isCursorDefinition": (_U, (Cursor,)),
    "getTypedefDeclUnderlyingType": (Type, (Cursor,)),
    "getEnumDeclIntegerType": (Type, (Cursor,)),
    "getEnumConstantDeclValue": (_L, (Cursor,)),
    "getTypeDeclaration": (Cursor, (Type,)),
    "getPointeeType": (Type, (Type,)),
    "getArrayElementType": (Type, (Type,)),
    "getArraySize": (_L, (Type,)),
    "getCanonicalType": (Type, (Type,)),
    "Type_getNamedType": (Type, (Type,)),
    "Type_getSizeOf": (_L, (Type,)),
    "Type_getAlignOf": (_L, (Type,)),
    "Type_visitFields": (_U, (Type, FIELD_VISITOR, _P)),
    "Cursor_isAnonymous": (_U, (Cursor,)),
    "Cursor_isBitField": (_U, (Cursor,)),
    "getFieldDeclBitWidth": (_I, (Cursor,)),
    "Cursor_getOffsetOfField": (_L, (Cursor,)),
    "Cursor_Evaluate": (_P, (Cursor,)),
    "EvalResult_getKind": (_I, (_P,)),
    "EvalResult_isUnsignedInt": (_U, (_P,)),
    "EvalResult_getAsLongLong": (_L, (_P,)),
    "EvalResult_getAsUnsigned": (ctypes.c_ulonglong, (_P,)),
    "EvalResult_getAsStr": (ctypes.c_char_p, (_P,)),
    "EvalResult_dispose": (None, (_P,)),
    "getResultType": (Type, (Type,)),
    "getNumArgTypes": (_I, (Type,)),
    "getArgType": (Type, (Type, _U)),
}  # fmt: skip


class Library:
    """The functions of libclang, without their prefix. Raises `OSError` if the file is not a libclang new enough."""

    def __init__(self, path: str) -> None:
        handle = ctypes.CDLL(path)
        try:
            for name, (result, arguments) in _SIGNATURES.items():
                function = handle[f"clang_{name}"]
                function.restype, function.argtypes = result, arguments
                setattr(self, name, function)
        except AttributeError as error:
            raise OSError(f"{path}: {error}") from error
        self.path = path

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)  # for type checkers: all functions are attributes of the instance

    def text(self, string: Text) -> str:
        """The characters of a CXString, one for each byte, which is given back."""
        data = self.getCString(string) or b""
        self.disposeString(string)
        return bytes(data).decode("latin-1")


def _packaged() -> Iterator[str]:
    """Where the PyPI package has it. The package need not be imported for that."""
    for folder in sys.path:
        yield os.path.join(folder or ".", "clang", "native", "libclang.so")


def candidates() -> list[str]:
    """Files and names to try, the preferred first. Folders that are relative to the current one are not trusted."""
    found = [path for path in _packaged() if os.path.isabs(path)]
    system = glob.glob("/usr/lib/llvm-*/lib/libclang.so.1") + glob.glob("/usr/lib*/libclang.so.*")
    system.sort(key=_version, reverse=True)
    return [*found, *system, "libclang.so.1", "libclang.so"]


def _version(path: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", path.removeprefix("/usr/lib64"))))


def places() -> list[str]:
    """Files and folders that change when a libclang is installed, where there is none."""
    return [*(path for path in _packaged() if os.path.isabs(path)), "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"]


@cache
def library() -> Library | None:
    """The libclang of this machine, or None."""
    for path in candidates():
        if os.path.isabs(path) and not os.path.exists(path):
            continue
        try:
            return Library(path)
        except OSError:
            continue
    return None
