"""The session behind the prompt: blocks that come and go, and the maps they share."""

from __future__ import annotations

import os

from pytrace.codegen.image import Image
from pytrace.frozen import replace
from pytrace.output.contents import Contents
from pytrace.output.text_printer import TextPrinter
from pytrace.output.values import decoder
from pytrace.repl.block import LiveBlock
from pytrace.repl.compiling import Interrupted, Made, Rejected
from pytrace.repl.lifecycle import Lifecycle
from pytrace.runtime.errors import RunError
from pytrace.semantics.types import Aggregate

__all__ = ["Engine", "Interrupted", "Rejected", "Unknown"]


class Unknown(Exception):
    """There is no such block or map."""


def _is_typed(image: Image) -> bool:
    return any(program.prog_type == "tracing" for program in image.programs)


class Engine(Lifecycle):
    """The session as it is changed. Nothing here knows of a terminal. Whoever calls is the one thread that changes the
    session; the pump reads rings, and ends blocks that say `exit()`."""

    # blocks

    def block(self, number: int) -> LiveBlock:
        """Raises `Unknown`."""
        if number not in self.blocks:
            raise Unknown(f"there is no block [{number}]")
        return self.blocks[number]

    def add(self, text: str, name: str = "", positional: tuple[str, ...] = ()) -> tuple[LiveBlock, list[str]]:
        """Compiles a block and starts it; gives it, and remarks about the maps. Raises `Rejected`, `Interrupted`,
        `RunError`, with nothing changed."""
        with self.changing:
            number = self.next
            live = LiveBlock(number, name or f"pt[{number}]", text, positional, limited=self.limited)
            made, readers = self._compile(live)
            live.warnings, remarks = made.warnings, self._remarks(made)
            self._bring_up(live, made.image)
            self.blocks[number] = live
            self.next += 1
            for reader, image in readers:
                self._exchange(reader, image)
            return live, remarks

    def define(self, text: str) -> None:
        """Keeps definitions for all blocks to come. Raises `Rejected`, with nothing changed."""
        before = self.compiler.definitions
        self.compiler.definitions = (*before, (f"pt[{self.next}]", text))
        try:
            self.compiler.block("", "begin { }", self.maps.around(), {})
        except BaseException:
            self.compiler.definitions = before
            raise

    def replace(self, number: int, text: str) -> tuple[LiveBlock, list[str]]:
        """Puts another text in the place of a block, which keeps its number, and its maps where their types still fit.
        The old block goes on when the new one is not accepted; raises as `add`."""
        with self.changing:
            old = self.block(number)
            new = LiveBlock(number, f"pt[{number}]", text, (), limited=self.limited)
            new.trickle.quiet, new.lines = old.trickle.quiet, old.lines
            made, readers = self._compile(new, replacing=True)
            new.warnings, remarks = made.warnings, self._remarks(made)
            running = old.state == "running"
            self._take_down(old)
            self.maps.leave(number)
            try:
                self._bring_up(new, made.image)
            except BaseException:
                assert old.image is not None
                self._unload(old)
                self._bring_up(old, old.image, start=running)
                raise
            self._unload(old)
            self.blocks[number] = new
            for reader, image in readers:
                self._exchange(reader, image)
            return new, remarks

    def start(self, number: int) -> LiveBlock:
        """Lets a block run again. Raises `Unknown`, `RunError`."""
        with self.changing:
            live = self.block(number)
            if live.block is not None and live.state != "running" and _is_typed(live.block.image):
                # What hangs on a trampoline, or a typed tracepoint, can be attached once only before Linux 5.13.
                self._unload(live)
                self.maps.leave(number)
            if live.block is None and live.image is not None:
                self._bring_up(live, live.image)
            elif live.state != "running":
                self._start(live)
            return live

    def stop(self, number: int) -> LiveBlock:
        """Takes a block from its events; its end probes run, its maps stay. Raises `Unknown`."""
        with self.changing:
            live = self.block(number)
            self._take_down(live)
            return live

    def remove(self, number: int) -> LiveBlock:
        """Stops a block and forgets it. Its maps stay. Raises `Unknown`."""
        with self.changing:
            live = self.block(number)
            self._take_down(live)
            self._unload(live)
            self.maps.leave(number)
            del self.blocks[number]
            return live

    def once(self, text: str) -> bytes:
        """Evaluates an expression, or does what a statement says, once; gives what that prints. Raises `Rejected`,
        `Interrupted`, `RunError`."""
        with self.changing:
            live = LiveBlock(0, "expression", text, (), limited=False)
            made = self.compiler.once(live.name, text, self.maps.around(), self.maps.origins())
            self._check_structs(made.image)
            before = set(self.maps.all)
            block = self._load(live, made.image)
            try:
                block.run("begin")
                with self.showing():
                    while block.drain():
                        pass
            finally:
                with self.showing():
                    block.close()
                self.maps.leave(0)
                self.maps.drop_unused(before | {each.name for each in made.image.script_maps if each.written})
            return live.feed.take(0, all=True)

    # compiling

    def _compile(self, live: LiveBlock, *, replacing: bool = False) -> tuple[Made, list[tuple[LiveBlock, Image]]]:
        """The image of a block; and new ones of those blocks that had to guess what it stores."""
        replaced = live.number if replacing else 0
        guessed, loose = self.maps.guessed(replaced), self.maps.loose(replaced)
        origins = self.maps.origins()

        def attempt(without: set[str]) -> Made:
            around = self.maps.around(without)
            return self.compiler.block(live.name, live.text, around, origins, live.positional)

        try:
            made = attempt(guessed)
        except Rejected:
            if not loose:
                raise
            made = attempt(guessed | loose)
        self._check_structs(made.image)
        changed = set(self.maps.changed(made.image))
        readers = []
        for other in self.blocks.values():
            if other.number != replaced and changed.intersection(other.maps):
                around = self.maps.around(guessed - changed, made.image)
                try:
                    again = self.compiler.block(other.name, other.text, around, origins, other.positional)
                except Rejected as error:
                    raise Rejected(f"ERROR: Block [{other.number}] would not fit any more.\n{error.text}") from None
                readers.append((other, again.image))
        return made, readers

    def _check_structs(self, image: Image) -> None:
        if name := self.maps.clash(image):
            raise Rejected(f"ERROR: A map of this session holds another struct {name} than this block defines.\n")

    def _remarks(self, made: Made) -> list[str]:
        return [
            f"{name} starts anew: its type has changed"
            for name in self.maps.changed(made.image)
            if self.maps.all[name].settled
        ]

    # maps

    def contents(self, name: str) -> Contents:
        """What a map holds. Raises `Unknown`."""
        if name not in self.maps.all:
            raise Unknown(f"there is no map {name}")
        return self.maps.store.contents(name, default=True)

    def text_of(self, name: str, top: int = 0) -> bytes:
        """A map as text. Raises `Unknown`."""
        with self.showing():
            return self.map_printer().maps.render(self.contents(name), top)

    def element(self, name: str, key: str) -> bytes:
        """What a map holds at a key, which is an expression, as text. Raises `Unknown` and as `once`."""
        value = self.contents(name).value
        if not isinstance(value, Aggregate) or value.castable or value.name == "stats":
            return self.once(f"{name}[{key}]")
        wanted = self.once(key if "," not in key else f"({key})").removesuffix(b"\n")
        with self.showing():
            contents, printer = self.contents(name), self.map_printer()
            if contents.key is None:
                raise Unknown(f"{name} has no keys")
            show, read = printer.text.key(contents.key), decoder(contents.key, self.maps.structs)
            items = [(k, v) for k, v in contents.items if show(read(k, 0)) in (wanted, wanted[1:-1])]
            return printer.maps.render(replace(contents, items=items))

    def map_printer(self) -> TextPrinter:
        """A printer for any map of the session."""
        image = Image((), (), (), (), self.maps.around().config, self.maps.strings, self.maps.structs, self.maps.enums)
        return self._printer(LiveBlock(0, "", "", (), limited=False), image)

    def clear(self, name: str) -> None:
        """Removes what a map holds. Raises `Unknown`."""
        self.contents(name)
        with self.showing():
            self.maps.store.clear(name)

    def forget(self, name: str) -> None:
        """Takes a map out of the session. Raises `Unknown`, also if a block uses it."""
        self.contents(name)
        users = sorted(self.maps.all[name].users)
        if users:
            raise Unknown(f"{name} is used by block {', '.join(f'[{user}]' for user in users)}")
        with self.showing():
            self.maps.remove(name)

    # the end

    def signal(self) -> None:
        """SIGUSR1 has arrived: for the `self` probes of running blocks."""
        for live in list(self.blocks.values()):
            if live.state == "running" and live.block is not None:
                live.block.run("self")

    def close(self) -> None:
        """Takes everything out of the kernel again; end probes run, and what they print is shown."""
        with self.changing:
            for number in list(self.blocks):
                try:
                    self.remove(number)
                except RunError as error:
                    self.show(f"[{number}] {error}\n".encode())
            self.pump.close()
            self.maps.close()
            if self.stats_fd >= 0:
                os.close(self.stats_fd)
            self.log.close()
            self.compiler.close()
