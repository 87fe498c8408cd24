"""What the compiler complains about, as diagnostics at places of the script and its headers."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from pytrace.clang.parsed import Complaint, Place
from pytrace.diagnostics import Diagnostics, Source, Span
from pytrace.syntax import tree

__all__ = ["Text", "report"]

_NOT_FOUND = re.compile(r"'(.*)' file not found")
_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_TOKEN = re.compile(r"\w+|[<\"][^>\"\n]*[>\"]|.?")
_KERNEL_FOLDERS = ("linux/", "asm/", "net/", "uapi/", "scsi/", "trace/", "generated/")


class Text:
    """The parts of a preamble, one below the other in the source called `main`."""

    def __init__(self, parts: Sequence[tree.CLine | tree.CDef], main: str) -> None:
        self.parts, self.main = parts, main
        self._starts: list[int] = []
        pieces: list[str] = []
        length = 0
        for part in parts:
            self._starts.append(length)
            pieces.append(part.text + "\n")
            length += len(pieces[-1])
        self.text = "".join(pieces)

    def concerns(self, place: Place) -> bool:
        """Whether the place is in the preamble or in a header of it, and not in what stands behind."""
        return place.file != self.main or place.offset < len(self.text)

    def word(self, place: Place) -> str:
        """The identifier at a place of the preamble or of a header; "" if there is none."""
        if place.file == self.main:
            text, at = self.text, place.offset
        else:
            source, at = _read(place.file), place.offset
            text = source.text if source is not None else ""
        found = _WORD.match(text, at)
        return found[0] if found is not None else ""

    def span(self, offset: int) -> Span:
        """What stands at an offset, in the script."""
        number = max(bisect_right(self._starts, offset) - 1, 0)
        part = self.parts[number]
        at = min(offset - self._starts[number], len(part.text))
        source = part.span.source
        if not source.text.startswith(part.text, part.span.start):
            return part.span  # nobody wrote this line: it stands for an option or an import
        found = _TOKEN.match(part.text, at)
        start = part.span.start
        return Span(source, start + at, start + (found.end() if found else at), part.span.via)


class _Places:
    def __init__(self, text: Text, files: Mapping[str, Place | None]) -> None:
        self._text, self._files = text, files
        self._sources: dict[str, Source | None] = {}

    def span(self, place: Place) -> Span | None:
        """The place in the script or in a file, then with the line that included it. None for no place at all."""
        if place.file == self._text.main:
            return self._text.span(place.offset)
        source = self._source(place.file)
        if source is None or place.offset > len(source.text):
            return None
        included = self._files.get(place.file)
        via = self._text.span(included.offset) if included is not None and included.file == self._text.main else None
        found = _TOKEN.match(source.text, place.offset)
        return Span(source, place.offset, found.end() if found else place.offset, via)

    def _source(self, name: str) -> Source | None:
        if name not in self._sources:
            self._sources[name] = _read(name)
        return self._sources[name]


def _read(name: str) -> Source | None:
    try:
        with open(name.encode("latin-1"), "rb") as file:
            return Source.from_bytes(name, file.read())
    except (OSError, ValueError):
        return None


def report(
    complaints: Iterable[Complaint], text: Text, files: Mapping[str, Place | None], diagnostics: Diagnostics
) -> None:
    """Add an error for each complaint. `files` are the headers and where in the preamble they come from."""
    places = _Places(text, files)
    for complaint in complaints:
        # Where a file is included is known already.
        said = [note for note in complaint.notes if not note[0].startswith("in file included from")]
        notes = ((places.span(place), message) for message, place in said)
        diagnostics.error(
            places.span(complaint.place),
            complaint.message,
            notes=[(span, message) for span, message in notes if span is not None],
            hints=_hints(complaint.message),
        )


def _hints(message: str) -> list[str]:
    found = _NOT_FOUND.fullmatch(message)
    if found is None:
        return []
    hints = ["-I DIR names a folder to look in"]
    if found[1].startswith(_KERNEL_FOLDERS):
        hints.append("types of a kernel with BTF are known without headers: leave the line out, or put it in an "
                     "#ifndef BPFTRACE_HAVE_BTF")
    return hints
