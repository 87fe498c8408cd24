"""Events of a run as text: results on the output, everything else on stderr."""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, Any, Callable, Mapping
from pytrace.once import cached_property
from pytrace.output.printer import ERROR, WARNING, Printer

if TYPE_CHECKING:
    from pytrace.codegen.image import Place
    from pytrace.output.contents import Contents
    from pytrace.output.text_maps import TextMaps
    from pytrace.semantics.types import Type

__all__ = ["TextPrinter"]


class TextPrinter(Printer):
    @cached_property
    def maps(self) -> TextMaps:
        from pytrace.output.text_maps import TextMaps

        return TextMaps(self.text, self.tai_offset)

    def piece(self, kind: str) -> Callable[[bytes], None]:
        write = self.output.write
        if kind in ("join", "system"):
            return lambda text: write(text + b"\n")
        return write

    def value(self, type_: Type) -> Callable[[Any], None]:
        show, write = self.text.of(type_), self.output.write
        return lambda value: write(show(value) + b"\n")

    def map(self, contents: Contents, top: int = 0, div: int = 1) -> None:
        if contents.lines is not None and div == 1:
            for piece in contents.lines(top):
                self.output.write(piece)
        else:
            self.output.write(self.maps.render(contents, top, div))

    def attached(self, count: int) -> None:
        self.messages.attached(count)

    def lost(self, count: int) -> None:
        self.messages.write(b"Lost %d events\n" % count)

    def losses(self, summary: Mapping[str, Mapping[str, int] | int]) -> None:
        """Text has the warnings."""

    def remark(self, kind: str, place: Place, text: bytes) -> None:
        if kind == "warnf":
            if self.style.warnings:
                self._say(place, b"WARNING", WARNING, text)
        else:
            self._say(place, b"ERROR", ERROR, text)

    def _say(self, place: Place, severity: bytes, colour: bytes, text: bytes) -> None:
        (location, _), *expansions = place.blocks
        # The newline that ends the text stays outside of the colour.
        head = b"%s: %s: %s" % (location.encode("latin-1"), severity, text.removesuffix(b"\n"))
        self.messages.write(self.coloured(colour, head) + b"\n" + self._expansions(expansions, severity, colour))

    def _expansions(self, blocks: list[tuple[str, str]], severity: bytes, colour: bytes) -> bytes:
        return b"".join([
            self.coloured(colour, b"%s: %s: expanded from" % (location.encode("latin-1"), severity)) + b"\n"
            + source.encode("latin-1")
            for location, source in blocks
        ])

    def runtime_error(self, place: Place, message: str, *, helper: str = "", retcode: int = 0, errno: str = "") -> None:
        if not self.style.warnings:
            return
        (location, source), *expansions = place.blocks
        head = b"%s: WARNING: %s" % (location.encode("latin-1"), message.encode())
        if helper:
            head += b"\nAdditional Info - helper: %s, retcode: %d" % (helper.encode(), retcode)
        self.messages.write(
            self.coloured(WARNING, head) + b"\n" + source.encode("latin-1")
            + self._expansions(expansions, b"WARNING", WARNING)
        )

    def finish(self) -> None:
        self.output.write(b"\n\n")
