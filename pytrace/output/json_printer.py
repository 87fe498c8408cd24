"""Events of a run as JSON: one object a line, for what is printed and for what happens."""

from __future__ import annotations

from functools import cached_property

from pytrace.hints import TYPE_CHECKING, Any, Callable, Mapping
from pytrace.output.json import JsonValues, event, number, quote
from pytrace.output.json_maps import JsonMaps
from pytrace.output.printer import Printer

if TYPE_CHECKING:
    from pytrace.codegen.image import Place
    from pytrace.output.contents import Contents
    from pytrace.semantics.types import Type

__all__ = ["JsonPrinter"]


class JsonPrinter(Printer):
    @cached_property
    def json(self) -> JsonValues:
        return JsonValues(self.text)

    @cached_property
    def maps(self) -> JsonMaps:
        return JsonMaps(self.json, self.tai_offset)

    def piece(self, kind: str) -> Callable[[bytes], None]:
        name, write = {"system": b"syscall"}.get(kind, kind.encode()), self.output.write
        return lambda text: write(event(name, quote(text)))

    def value(self, type_: Type) -> Callable[[Any], None]:
        show, write = self.json.of(type_), self.output.write
        return lambda value: write(event(b"value", show(value)))

    def map(self, contents: Contents, top: int = 0, div: int = 1) -> None:
        self.output.write(self.maps.render(contents, top, div))

    def attached(self, count: int) -> None:
        self._counted(b"attached_probes", b"probes", count)

    def lost(self, count: int) -> None:
        self._counted(b"lost_events", b"events", count)

    def losses(self, summary: Mapping[str, Mapping[str, int] | int]) -> None:
        """One line: `{"type": "losses", "data": {KIND: COUNT or {PLACE: COUNT}}}`."""

        def shown(value: Mapping[str, int] | int) -> bytes:
            if isinstance(value, int):
                return number(value)
            counts = [quote(name.encode("latin-1")) + b": " + number(count) for name, count in value.items()]
            return b"{%s}" % b", ".join(counts)

        pairs = [quote(kind.encode()) + b": " + shown(value) for kind, value in summary.items()]
        self.output.write(event(b"losses", b"{%s}" % b", ".join(pairs)))

    def _counted(self, kind: bytes, what: bytes, count: int) -> None:
        self.output.write(b'{"type": "%s", "count": %d, "data": {"%s": %d}}\n' % (kind, count, what, count))

    def remark(self, kind: str, place: Place, text: bytes) -> None:
        self.output.write(b'{"type": "%s", "msg": %s, %s}\n' % (kind.encode(), quote(text), self._place(place)))

    def runtime_error(self, place: Place, message: str, *, helper: str = "", retcode: int = 0, errno: str = "") -> None:
        if helper:
            line = b'{"type": "helper_error", "msg": %s, "helper": %s, "retcode": %d, %s}\n' % (
                quote(errno.encode()), quote(helper.encode()), retcode, self._place(place),
            )
        else:
            line = b'{"type": "runtime_error", "msg": %s, %s}\n' % (quote(message.encode()), self._place(place))
        self.output.write(line)

    def _place(self, place: Place) -> bytes:
        return b'"filename": %s, "line": %s, "col": %s' % (
            quote(place.name.encode("latin-1")), number(place.line), number(place.column),
        )

    def finish(self) -> None:
        """A stream of JSON has no end mark."""
