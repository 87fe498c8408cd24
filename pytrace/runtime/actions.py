"""What user space does with the records that programs send (`builtins/output.py` has the list of kinds).

Each action of an image becomes one function that takes its records. It is made when the first record arrives: decoding,
formatting and writing are then bound together, and a record costs one look-up and one call.
"""

from __future__ import annotations

from pytrace.codegen.image import Action, Image
from pytrace.frozen import field, record
from pytrace.hints import TYPE_CHECKING, Any, Callable, Iterable, Mapping, Sequence, cast
from pytrace.output.printer import Printer
from pytrace.output.values import members_decoder
from pytrace.runtime.errors import error_text, runtime_message
from pytrace.runtime.maps import STATS, MapStore
from pytrace.semantics.types import Type, size_of

if TYPE_CHECKING:
    from pytrace.output.printf import Render
    from pytrace.runtime.outcome import Outcome

__all__ = ["Consumer"]

Handler = Callable[[bytes], None]


class _Exit(Exception):
    """The script said `exit()`."""


@record
class Scene:
    """What handlers work with. `boot_offset` is what to add to the boot clock to get the time since 1970, in
    nanoseconds."""

    image: Image
    printer: Printer
    maps: MapStore
    outcome: Outcome
    boot_offset: int = 0
    files: dict[str, Any] = field(default_factory=dict)


class _Handlers(dict[bytes, Handler]):
    """Handlers by the first four bytes of a record; made when first asked for."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene

    def __missing__(self, head: bytes) -> Handler:
        action = self.scene.image.actions[int.from_bytes(head, "little")]
        handler = self[head] = MAKERS[action.kind](action, self.scene)
        return handler


class Consumer:
    """Handles records. This is all that the loop knows of them."""

    def __init__(self, image: Image, printer: Printer, maps: MapStore, outcome: Outcome, boot_offset: int) -> None:
        self._scene = Scene(image, printer, maps, outcome, boot_offset)
        self._handlers = _Handlers(self._scene)

    def consume(self, records: Iterable[bytes]) -> bool:
        """Handles records in order, up to one that says `exit()`; what is behind it is dropped. Tells whether the run
        goes on."""
        handlers = self._handlers
        try:
            for record in records:
                handlers[record[:4]](record)
        except _Exit:
            return False
        return True

    def close(self) -> None:
        """Closes the files that records were written to."""
        for file in self._scene.files.values():
            file.close()


def _render(action: Action, scene: Scene) -> Render:
    """The text of a formatted record."""
    pieces, refs = cast(tuple[Sequence[object], Sequence[tuple[int, str]]], action.static)
    if refs:
        return _render_with_maps(action, scene, pieces, dict(refs))
    from pytrace.output.printf import compile_format

    return compile_format(pieces, action.layout.fields, scene.printer.text)


def _render_with_maps(action: Action, scene: Scene, pieces: Sequence[object], refs: Mapping[int, str]) -> Render:
    """The same where some arguments are keys of maps of stats: each is looked up, and shown by a format of its own, put
    in as literal text."""
    from pytrace.output.printf import compile_format, show_text

    fields = action.layout.fields
    parts: list[Render] = []
    for piece in pieces:
        argument = -1 if isinstance(piece, bytes) else cast(tuple[Any, ...], piece)[-1]
        if argument in refs:
            value = _stats_text(scene, refs[argument], *fields[argument])
            parts.append(show_text(piece, value))
        else:
            parts.append(compile_format((piece,), fields, scene.printer.text))
    return lambda record: b"".join([part(record) for part in parts])


def _stats_text(scene: Scene, name: str, offset: int, type_: Type) -> Render:
    end = offset + size_of(type_)
    show = scene.printer.text.of(STATS)
    return lambda record: show(scene.maps.stats(name, bytes(record[offset:end])))


def _printf(action: Action, scene: Scene) -> Handler:
    render, write = _render(action, scene), scene.printer.piece("printf")
    return lambda record: write(render(record))


def _remark(action: Action, scene: Scene) -> Handler:
    render, printer, outcome = _render(action, scene), scene.printer, scene.outcome
    counts = action.kind == "errorf"

    def handle(record: bytes) -> None:
        outcome.errors += counts
        printer.remark(action.kind, action.place, render(record))

    return handle


def _print(action: Action, scene: Scene) -> Handler:
    ((_, type_),) = action.layout.fields
    read = members_decoder(action.layout.fields, scene.image.structs)
    write = scene.printer.value(type_)
    return lambda record: write(read(record, 0)[0])


def _print_map(action: Action, scene: Scene) -> Handler:
    name, top, div = cast(tuple[str, int, int], action.static)
    return lambda record: scene.printer.map(scene.maps.contents(name, default=True), top, div or 1)


def _print_element(action: Action, scene: Scene) -> Handler:
    (name,) = cast(tuple[str], action.static)
    ((offset, type_),) = action.layout.fields
    end, write = offset + size_of(type_), scene.printer.value(STATS)
    return lambda record: write(scene.maps.stats(name, record[offset:end]))


def _clear(action: Action, scene: Scene) -> Handler:
    (name,) = cast(tuple[str], action.static)
    return lambda record: scene.maps.clear(name)


def _zero(action: Action, scene: Scene) -> Handler:
    (name,) = cast(tuple[str], action.static)
    return lambda record: scene.maps.zero(name)


def _exit(action: Action, scene: Scene) -> Handler:
    read, outcome = members_decoder(action.layout.fields, scene.image.structs), scene.outcome

    def handle(record: bytes) -> None:
        outcome.exited = True
        outcome.status = read(record, 0)[0] & 255
        raise _Exit

    return handle


def _time(action: Action, scene: Scene) -> Handler:
    import time

    from pytrace.output.strftime import strftime

    (format_,) = cast(tuple[bytes], action.static)
    write = scene.printer.piece("time")

    def handle(record: bytes) -> None:
        text = strftime(format_, int(time.time()), 64)
        if text:
            write(text)
        else:
            scene.printer.error("strftime returned zero (Invalid argument)")

    return handle


def _cat(action: Action, scene: Scene) -> Handler:
    render, write, limit = _render(action, scene), scene.printer.piece("cat"), scene.image.config.max_cat_bytes

    def handle(record: bytes) -> None:
        name = render(record).partition(b"\0")[0]
        try:
            with open(name, "rb", buffering=0) as file:
                data = b""
                while len(data) < limit and (more := file.read(limit - len(data))):
                    data += more
        except OSError as error:
            shown = name.decode("utf-8", "surrogateescape")
            scene.printer.error(f"failed to open file '{shown}' ({error.strerror})")
            return
        write(data)

    return handle


def _system(action: Action, scene: Scene) -> Handler:
    render, write = _render(action, scene), scene.printer.piece("system")

    def handle(record: bytes) -> None:
        import subprocess

        command = render(record).partition(b"\0")[0]
        # What was printed before comes first, also where the command writes to the terminal by itself.
        scene.printer.output.settle()
        try:
            done = subprocess.run(
                [b"/bin/sh", b"-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
        except OSError as error:
            scene.printer.error(f"failed to run a command ({error.strerror})")
            return
        if done.returncode < 0:
            scene.printer.error("child process did not exit normally (Invalid argument)")
        elif done.returncode:
            scene.printer.error(f"command exited with code {done.returncode} (Invalid argument)")
        else:
            write(done.stdout)

    return handle


def _join(action: Action, scene: Scene) -> Handler:
    (separator,) = cast(tuple[bytes], action.static)
    read, write = members_decoder(action.layout.fields, scene.image.structs), scene.printer.piece("join")

    def handle(record: bytes) -> None:
        ((count, texts),) = read(record, 0)
        write(separator.join(texts[:count]))

    return handle


def _skboutput(action: Action, scene: Scene) -> Handler:
    from pytrace.output.pcap import PacketFile

    (path,) = cast(tuple[bytes], action.static)
    name = path.decode("utf-8", "surrogateescape")
    read = members_decoder(action.layout.fields, scene.image.structs)

    def handle(record: bytes) -> None:
        nanoseconds, length, start, end = read(record, 0)
        data = record[action.layout.size + start : action.layout.size + end]
        try:
            file = scene.files.get(name)
            if file is None:
                file = scene.files[name] = PacketFile(name)
            file.write(nanoseconds + scene.boot_offset, max(length - start, 0), data)
        except OSError as error:
            scene.printer.error(f"failed to write packets to '{name}' ({error.strerror})")

    return handle


def _runtime_error(action: Action, scene: Scene) -> Handler:
    name, helper = cast(tuple[str, str], action.static)
    read, printer, outcome = members_decoder(action.layout.fields, scene.image.structs), scene.printer, scene.outcome

    def handle(record: bytes) -> None:
        retcode = next(iter(read(record, 0)), 0)
        outcome.errors += 1
        printer.runtime_error(
            action.place, runtime_message(name, retcode), helper=helper, retcode=retcode, errno=error_text(retcode)
        )

    return handle


MAKERS: dict[str, Callable[[Action, Scene], Handler]] = {
    "printf": _printf, "errorf": _remark, "warnf": _remark, "print": _print, "print_map": _print_map,
    "print_element": _print_element, "clear": _clear, "zero": _zero, "exit": _exit, "time": _time, "cat": _cat,
    "system": _system, "join": _join, "skboutput": _skboutput, "runtime_error": _runtime_error,
}  # fmt: skip
"""By the kind of an action: what makes its handler."""
