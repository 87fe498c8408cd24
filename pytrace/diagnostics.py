"""Source text, places in it, and the messages about them.

A script is a byte sequence. It is held as text decoded as Latin-1, so that an offset into the text is an offset in
bytes, which is how diagnostics count columns, and so that any byte survives the way from the file to the screen.

Every node of the syntax tree and of the checked program carries a `Span`. A message is a `Diagnostic`; stages gather
them in a `Diagnostics` and `render` is the one function that draws the source line and its `~~~~`.
"""

from __future__ import annotations

from pytrace.frozen import field, frozen, record
from pytrace.hints import Iterable, Iterator, NoReturn
from pytrace.members import Enum
from pytrace.source import Source

__all__ = ["CompileError", "Diagnostic", "Diagnostics", "Severity", "Source", "Span", "excerpts", "render"]


@frozen
class Span:
    """A place: the half-open range `start:end` of offsets in `source`.

    `via` is the place where this text was brought in: the call of the macro it stands in, or the import.
    """

    source: Source
    start: int
    end: int
    via: Span | None = None

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.source, self.start, other.end, self.via)

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    @property
    def root(self) -> Span:
        """The outermost place of a chain of expansions: where the user wrote something."""
        span = self
        while span.via is not None:
            span = span.via
        return span

    def location(self) -> str:
        """`NAME:LINE:COL1-COL2`, or `NAME:LINE1-LINE2` for a range over several lines."""
        line, column = self.source.position(self.start)
        last, end = self.source.position(self.end)
        if last != line:
            return f"{self.source.name}:{line}-{last}"
        return f"{self.source.name}:{line}:{column}-{end}"


class Severity(Enum):
    ERROR = "ERROR"
    WARNING = "WARNING"


@frozen
class Diagnostic:
    """One message. `span` is None for messages about the run as a whole.

    `notes` are further places of the same kind ("This is the initial declaration."); `hints` are lines of advice.
    `bare`: the message stands alone, without the word for its severity.
    """

    severity: Severity
    message: str
    span: Span | None = None
    notes: tuple[tuple[Span, str], ...] = ()
    hints: tuple[str, ...] = ()
    bare: bool = False


@record
class Diagnostics:
    """What one compilation has to say, in order of detection. The same message at the same place is kept once."""

    items: list[Diagnostic] = field(default_factory=list)
    _seen: set[tuple[object, ...]] = field(default_factory=set)

    def add(self, diagnostic: Diagnostic) -> None:
        span = diagnostic.span
        key = (diagnostic.severity, diagnostic.message, span and (id(span.source), span.start, span.end,
        span.root.start))
        if span is not None and span.source.quiet and diagnostic.severity is Severity.WARNING:
            return
        if key not in self._seen:
            self._seen.add(key)
            self.items.append(diagnostic)

    def error(
        self, span: Span | None, message: str, *, notes: Iterable[tuple[Span, str]] = (), hints: Iterable[str] = ()
    ) -> None:
        self.add(Diagnostic(Severity.ERROR, message, span, tuple(notes), tuple(hints)))

    def warning(
        self, span: Span | None, message: str, *, notes: Iterable[tuple[Span, str]] = (), hints: Iterable[str] = ()
    ) -> None:
        self.add(Diagnostic(Severity.WARNING, message, span, tuple(notes), tuple(hints)))

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self.items if d.severity is Severity.ERROR]

    @property
    def warnings(self) -> list[Diagnostic]:
        return [d for d in self.items if d.severity is Severity.WARNING]

    def check(self, status: int = 1) -> None:
        """Raise `CompileError` if an error was gathered; called at the end of each stage."""
        if self.errors:
            raise CompileError(self, status)

    def fail(self, span: Span | None, message: str, *, hints: Iterable[str] = (), status: int = 1) -> NoReturn:
        """Add an error and end the compilation now."""
        self.error(span, message, hints=hints)
        raise CompileError(self, status)


class CompileError(Exception):
    """The script was rejected; `diagnostics` says why, `status` is the exit status of the command (1, or 2)."""

    def __init__(self, diagnostics: Diagnostics, status: int = 1) -> None:
        super().__init__("; ".join(d.message for d in diagnostics.errors))
        self.diagnostics = diagnostics
        self.status = status


_COLOURS = {Severity.ERROR: "\x1b[31m", Severity.WARNING: "\x1b[33m"}


def _expansions(span: Span) -> Iterator[Span]:
    at = span.via
    while at is not None:
        yield at
        at = at.via


_KEPT = 1000
"""Characters of a source line that an image keeps for each of its messages: a script of hundreds of probes may be a
single line."""


def _excerpt(span: Span, most: int = 0) -> str:
    """The lines of a place, marked; of a line longer than `most`, if that is not 0, what is around the place."""
    source = span.source
    first, column = source.position(span.start)
    last, end = source.position(span.end)
    if last != first:
        return "\n".join(source.line(n) for n in range(first, last + 1)) + "\n"
    line = source.line(first)
    if most and len(line) > most:
        start = max(0, column - most // 2)
        line, column, end = line[start : start + most], column - start, end - start
    before, marked = line[: column - 1], line[column - 1 : end - 1]
    width = len(before) + 3 * before.count("\t")
    marks = len(marked) + 3 * marked.count("\t")
    shown = line.replace("\t", "    ")
    return f"{shown}\n{' ' * width}{'~' * marks}\n"


def excerpts(span: Span) -> tuple[tuple[str, str], ...]:
    """The location and the marked source lines of a place, and of each place it was expanded from. Of long lines they
    are a part."""
    return tuple((each.location(), _excerpt(each, _KEPT)) for each in (span, *_expansions(span)))


def _block(span: Span, severity: Severity, message: str, colour: bool) -> str:
    head = f"{span.location()}: {severity.value}: {message}"
    if colour:
        head = f"{_COLOURS[severity]}{head}\x1b[0m"
    return f"{head}\n{_excerpt(span)}"


def render(diagnostic: Diagnostic, *, colour: bool = False) -> str:
    """The text of one diagnostic, with its source line, notes, hints and expansions; ends in a newline.

    Where it quotes the source the result holds one character per byte: encode it as Latin-1 to write it.
    """
    severity = diagnostic.severity
    if diagnostic.span is None and not diagnostic.message:
        text = ""  # only hints: an answer, not a complaint
    elif diagnostic.span is None:
        head = diagnostic.message if diagnostic.bare else f"{severity.value}: {diagnostic.message}"
        text = f"{_COLOURS[severity]}{head}\x1b[0m\n" if colour else f"{head}\n"
    else:
        text = _block(diagnostic.span, severity, diagnostic.message, colour)
    text += "".join(_block(span, severity, message, colour) for span, message in diagnostic.notes)
    text += "".join(f"HINT: {hint}\n" for hint in diagnostic.hints)
    if diagnostic.span is not None:
        text += "".join(_block(span, severity, "expanded from", colour) for span in _expansions(diagnostic.span))
    return text
