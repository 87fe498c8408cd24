"""A source that libclang has parsed: its declarations, complaints and files.

Texts hold one character for each byte. Offsets are in bytes.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence

from pytrace.clang.library import FIELD_VISITOR, INCLUSION_VISITOR, VISITOR, Cursor, Library, Location, Type, Unsaved
from pytrace.frozen import frozen

__all__ = ["Complaint", "Parsed", "Place"]

_ERROR = 3
_SKIP_BODIES, _KEEP_GOING = 0x40, 0x200
_CONTINUE = 1
_INTEGER, _STRING = 1, 4
MOST_COMPLAINTS = 20


@frozen
class Place:
    """A place in a file. `file` is "" where the compiler knows none."""

    file: str
    offset: int


@frozen
class Complaint:
    """An error of the compiler. `notes` say more, about other places."""

    message: str
    place: Place
    fatal: bool
    notes: tuple[tuple[str, Place], ...] = ()


class Parsed:
    """The declarations of a C source. `main` is a name of the source that no file has.

    Everything that was handed out is gone with `close`.
    """

    def __init__(
        self, library: Library, main: str, contents: Mapping[str, str], arguments: Sequence[str]
    ) -> None:
        """Parse `main`; `contents` has the text of it and of other files that need not exist.

        Raises `OSError` when the library fails without saying more.
        """
        self.library = library
        self._unit: int | None = None
        self._index = library.createIndex(0, 0)
        encoded = [os.fsencode(each) for each in arguments]
        files = [(os.fsencode(name), text.encode("latin-1", "replace")) for name, text in contents.items()]
        unsaved = (Unsaved * len(files))(*(Unsaved(name, text, len(text)) for name, text in files))
        unit = ctypes.c_void_p()
        status = library.parseTranslationUnit2(
            self._index, os.fsencode(main), (ctypes.c_char_p * len(encoded))(*encoded), len(encoded), unsaved,
            len(files), _KEEP_GOING | _SKIP_BODIES, ctypes.byref(unit),
        )  # fmt: skip
        if status or not unit:
            self.close()
            raise OSError(f"the C compiler failed ({status})")
        self._unit = unit.value

    def close(self) -> None:
        if self._unit is not None:
            self.library.disposeTranslationUnit(self._unit)
            self._unit = None
        if self._index is not None:
            self.library.disposeIndex(self._index)
            self._index = None

    # --- what it says ---------------------------------------------------------------------------------------------

    def complaints(self) -> list[Complaint]:
        """The errors, in order."""
        found: list[Complaint] = []
        for number in range(self.library.getNumDiagnostics(self._unit)):
            item = self.library.getDiagnostic(self._unit, number)
            severity = self.library.getDiagnosticSeverity(item)
            if severity >= _ERROR and len(found) < MOST_COMPLAINTS:
                found.append(Complaint(*self._said(item), severity > _ERROR, self._notes(item)))
            self.library.disposeDiagnostic(item)
        return found

    def _said(self, item: int) -> tuple[str, Place]:
        message = self.library.text(self.library.getDiagnosticSpelling(item))
        return message, self.place(self.library.getDiagnosticLocation(item))

    def _notes(self, item: int) -> tuple[tuple[str, Place], ...]:
        notes = self.library.getChildDiagnostics(item)
        if not notes:
            return ()
        each = (self.library.getDiagnosticInSet(notes, n) for n in range(self.library.getNumDiagnosticsInSet(notes)))
        return tuple(map(self._said, each))

    def place(self, location: Location) -> Place:
        """The place in a file: for what a macro expands to, where it is used."""
        file, line, column, offset = ctypes.c_void_p(), ctypes.c_uint(), ctypes.c_uint(), ctypes.c_uint()
        self.library.getFileLocation(
            location, ctypes.byref(file), ctypes.byref(line), ctypes.byref(column), ctypes.byref(offset)
        )
        name = self.library.text(self.library.getFileName(file)) if file else ""
        return Place(name, offset.value)

    def files(self) -> dict[str, Place | None]:
        """The files that were read, with the place in the main source that led there."""
        found: dict[str, Place | None] = {}

        def visit(file: int, stack: ctypes.Array[Location], depth: int, _: object) -> None:
            name = self.library.text(self.library.getFileName(file))
            found.setdefault(name, self.place(stack[depth - 1]) if depth else None)

        self.library.getInclusions(self._unit, INCLUSION_VISITOR(visit), None)
        return found

    # --- declarations ---------------------------------------------------------------------------------------------

    def declarations(self) -> list[Cursor]:
        """What is declared outside of everything, in order."""
        return self.children(self.library.getTranslationUnitCursor(self._unit))

    def children(self, cursor: Cursor) -> list[Cursor]:
        found: list[Cursor] = []

        def visit(child: Cursor, parent: Cursor, _: object) -> int:
            found.append(_copy(child))
            return _CONTINUE

        self.library.visitChildren(cursor, VISITOR(visit), None)
        return found

    def fields(self, type_: Type) -> list[Cursor]:
        """The members of a record, those without a name too."""
        found: list[Cursor] = []

        def visit(child: Cursor, _: object) -> int:
            found.append(_copy(child))
            return _CONTINUE

        self.library.Type_visitFields(type_, FIELD_VISITOR(visit), None)
        return found

    def name(self, cursor: Cursor) -> str:
        return self.library.text(self.library.getCursorSpelling(cursor))

    def where(self, cursor: Cursor) -> Place:
        return self.place(self.library.getCursorLocation(cursor))

    def value(self, cursor: Cursor) -> int | str | None:
        """The value of a variable that has one when compiling: an integer or text."""
        result = self.library.Cursor_Evaluate(cursor)
        if not result:
            return None
        try:
            kind = self.library.EvalResult_getKind(result)
            if kind == _INTEGER:
                unsigned = self.library.EvalResult_isUnsignedInt(result)
                read = self.library.EvalResult_getAsUnsigned if unsigned else self.library.EvalResult_getAsLongLong
                return int(read(result))
            if kind == _STRING:
                return bytes(self.library.EvalResult_getAsStr(result)).decode("latin-1")
            return None
        finally:
            self.library.EvalResult_dispose(result)


def _copy(cursor: Cursor) -> Cursor:
    """One that outlives the call that it is the argument of."""
    return Cursor.from_buffer_copy(cursor)
