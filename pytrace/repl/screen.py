"""The session on a terminal: a prompt below which things may be shown live, and above which blocks print.

While a line is being edited the editor owns the screen, and what blocks print is put above it as a whole; while an
entry is at work, or time passes, it is written as it comes; while a pager runs it waits.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import FrameType

from prompt_toolkit import PromptSession
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.styles import Style

from pytrace import __version__
from pytrace.output.streams import _write_all
from pytrace.repl import editor, toolbar
from pytrace.repl.commands import COMMANDS
from pytrace.repl.compiling import Compiler
from pytrace.repl.context import BlockInfo, Context, MapInfo
from pytrace.repl.engine import Engine, Unknown
from pytrace.repl.history import history
from pytrace.repl.index import Index
from pytrace.repl.shell import Leave, Shell
from pytrace.repl.toolbar import State
from pytrace.repl.trickle import harmless
from pytrace.repl.views import View

__all__ = ["Screen"]

_GATHER = 0.1
"""Seconds between two pieces of output above the prompt: each makes the screen be drawn again."""
_TURN = 0.001
"""Seconds that a thread computes before another one may: the pump must not make typing slow."""
_HELD = 200
"""Lines that are kept for the screen while something else has it. The log has them all."""
_STYLE = Style.from_dict({
    "bottom-toolbar": "noreverse", "bottom-toolbar.text": "noreverse", "toolbar": "reverse", "toolbar.lost": "bold",
    "view": "",
    "view.title": "underline", "prompt": "bold", "continuation": "ansibrightblack",
})  # fmt: skip


class _Ended(Exception):
    """SIGTERM or SIGHUP, while a line was being edited."""


class Screen:
    def __init__(self, index: Index) -> None:
        self.index = index
        sys.setswitchinterval(_TURN)
        self._interrupted = False
        self._ended = False
        self._lock = threading.Lock()
        self._pieces: list[bytes] = []
        self._scheduled = False
        self._mode = "direct"
        """Who has the screen: "direct" (nobody: write), "prompt" (the editor), "held" (another program)."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._view: View | None = None
        self._default = ""
        self.engine: Engine
        self.shell: Shell
        self.session: PromptSession[str]

    def interrupted(self) -> bool:
        """Whether what is being done is to be given up."""
        return self._interrupted

    # the session

    def run(self, compiler: Compiler, *, pid: int | None, warnings: bool) -> int:
        """Prompts until the user leaves; gives the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, self._arrived)
        self.engine = Engine(compiler, self.show, pid=pid, warnings=warnings)
        self.shell = Shell(self.engine, self, self.write, person=True)
        completions = editor.Completions(self.index, compiler.options, self._context)
        self.session = editor.make(history(), self._toolbar, _STYLE, completions, self.interrupt)
        self.write(_banner(self.index))
        self._greeted = self.index.loaded.is_set()
        completions.load_soon()
        try:
            while not self._ended:
                if not self._once():
                    break
        finally:
            self._mode = "direct"
            self._interrupted = False
            self._flush()
            self.index.close()
            self.engine.close()
        return 0

    def _context(self) -> Context:
        """What completion is told of the session."""
        engine = self.engine
        maps = tuple(MapInfo(name, each.map.key, each.map.value) for name, each in list(engine.maps.all.items()))
        blocks = tuple(
            BlockInfo(number, live.text, live.state) for number, live in list(engine.blocks.items())
        )
        preamble = "".join(f"{text}\n" for _, text in engine.compiler.definitions)
        return Context(maps, blocks, COMMANDS, engine.compiler.options.unsafe, engine.pid, preamble)

    def _once(self) -> bool:
        """One entry; False when the user leaves."""
        try:
            text = self._ask()
        except KeyboardInterrupt:
            return True
        except (EOFError, OSError, _Ended):  # the terminal may have gone
            return False
        self._interrupted = False
        try:
            self.shell.enter(text.encode("utf-8", "surrogateescape").decode("latin-1"))
        except Leave:
            return False
        return True

    def _ask(self) -> str:
        default, self._default = self._default, ""
        try:
            return self.session.prompt(
                lambda: [("class:prompt", self.shell.prompt)], default=default, pre_run=self._begin,
                handle_sigint=False,
            )
        finally:
            with self._lock:
                self._mode, self._loop, self._scheduled = "direct", None, False
            self._flush()

    def _begin(self) -> None:
        """The editor has begun."""
        with self._lock:
            self._loop, self._mode = asyncio.get_running_loop(), "prompt"
        self.session.app.create_background_task(self._refresh())
        if self._ended:
            self._end()

    def _end(self) -> None:
        if self.session.app.is_running and not self.session.app.is_done:
            self.session.app.exit(exception=_Ended())

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGUSR1:
            self.engine.signal()
            return
        self._interrupted = True
        self._ended = self._ended or number != signal.SIGINT
        loop = self._loop
        if self._ended and loop is not None:
            with suppress(RuntimeError):  # it has just been closed
                loop.call_soon_threadsafe(self._end)

    def interrupt(self) -> bool:
        """Ctrl-C on an empty line: ends what is shown live, or leaves off editing; tells whether there was such."""
        if self._view is None and not self.shell.editing:
            return False
        self._view, self.shell.editing = None, 0
        return True

    # what is written

    def write(self, data: bytes) -> None:
        """Writes at once: for what comes of an entry, while no line is edited."""
        try:
            _write_all(1, data)
        except OSError:  # the terminal has gone
            self._ended = self._interrupted = True

    def show(self, lines: bytes) -> None:
        """Shows lines of blocks, from any thread, when there is room for them."""
        with self._lock:
            self._pieces.append(harmless(lines))
            if self._mode == "prompt":
                if not self._scheduled and self._loop is not None:
                    with suppress(RuntimeError):  # the editor has just ended: it is written after that
                        self._loop.call_soon_threadsafe(self._schedule)
                        self._scheduled = True
                return
            if self._mode == "held":
                kept = b"".join(self._pieces).splitlines(keepends=True)[-_HELD:]
                self._pieces = kept
                return
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            data = b"".join(self._pieces)
            self._pieces.clear()
        if data:
            self.write(data)

    def _schedule(self) -> None:
        loop = self._loop
        if loop is not None:
            loop.call_later(_GATHER, self._put_above)

    def _put_above(self, patience: int = 10) -> None:
        """Puts what has gathered above the line being edited.

        prompt-toolkit's `run_in_terminal` gives the terminal back to line mode meanwhile, in which it echoes keys right
        into the output.
        """
        app, loop = self.session.app, self._loop
        if loop is None or app.is_done:
            return
        if app.renderer.waiting_for_cpr and patience:  # it does not know yet where on the screen it is
            loop.call_later(_GATHER, self._put_above, patience - 1)
            return
        with self._lock:
            self._scheduled = False
            data = b"".join(self._pieces)
            self._pieces.clear()
        try:
            app.renderer.erase()
            app.output.write_raw(data.decode("utf-8", "replace").replace("\n", "\r\n"))
            app.output.flush()
            app.renderer.request_absolute_cursor_position()
        except OSError:  # the terminal has gone
            self._ended = True
            self._end()
        app.invalidate()

    # what stands below the prompt

    async def _refresh(self) -> None:
        """Lets the view look at its map, and the toolbar change, when it is time."""
        app = self.session.app
        shown: State | None = None
        looked = 0.0
        while True:
            view = self._view
            await asyncio.sleep(min(view.seconds, 1.0) if view is not None else 1.0)
            changed = False
            view = self._view
            if view is not None and time.monotonic() - looked >= 0.9 * view.seconds:
                looked = time.monotonic()
                try:
                    changed = view.sample()
                except Unknown:
                    self._view, changed = None, True
            if not self._greeted and self.index.loaded.is_set():
                self._greeted = True
                self.show(f"{self.index.summary}\n".encode())
            now = self._state()
            if changed or now != shown:
                shown = now
                app.invalidate()

    def _toolbar(self) -> StyleAndTextTuples:
        size = self.session.app.output.get_size()
        parts: StyleAndTextTuples = []
        view = self._view
        if view is not None:
            room = max(size.rows - editor.MENU - 5, 3)
            lines = view.lines[-room:]
            parts.append(("class:view.title", f"{view.title}\n"))
            if len(lines) < len(view.lines):
                parts.append(("class:view", f"… {len(view.lines) - len(lines)} more lines above\n"))
            parts.append(("class:view", "".join(f"{line[: size.columns - 1]}\n" for line in lines)))
        parts += [(f"class:{style}", text) for style, text in toolbar.parts(self._state(), size.columns)]
        return parts

    def _state(self) -> State:
        blocks = list(self.engine.blocks.values())
        running = [live for live in blocks if live.state == "running"]
        return State(
            len(blocks), len(running), events=sum(live.usage.runs for live in blocks),
            rate=sum(live.usage.rate for live in running), lost=sum(live.lost for live in blocks),
            share=sum(live.usage.share for live in running), editing=self.shell.editing,
            mode="vi" if self.session.editing_mode == EditingMode.VI else "",
            indexing=not self.index.loaded.is_set(),
        )

    # the front

    def page(self, number: int | None) -> None:
        log = self.engine.log
        if number is None:
            source = log.reopened()
        else:
            source = os.memfd_create("log")
            for piece in log.lines(number):
                _write_all(source, piece)
            os.lseek(source, 0, os.SEEK_SET)
        command = shlex.split(os.environ.get("PAGER") or "less")
        environment = {"LESS": "-S +G", **os.environ} if number is None else {"LESS": "-S", **os.environ}
        with self._lock:
            self._mode = "held"
        try:
            subprocess.run(command, stdin=source, env=environment, check=False)
        except OSError as error:
            self.write(f"ERROR: {command[0] if command else 'the pager'}: {error.strerror}\n".encode())
        finally:
            os.close(source)
            with self._lock:
                self._mode = "direct"
            self._interrupted = False
            self._flush()

    def edit(self, number: int, text: str) -> None:
        self._default = text.encode("latin-1").decode("utf-8", "surrogateescape")

    def view(self, view: View | None) -> None:
        self._view = view

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._interrupted and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))

    def keys(self, mode: str) -> None:
        self.session.editing_mode = EditingMode.VI if mode == "vi" else EditingMode.EMACS


def _banner(index: Index) -> bytes:
    from pytrace.kernel.btf import kernel_btf_path

    system = os.uname()
    btf = "BTF ok" if kernel_btf_path() else "no BTF: kernel types are unknown"
    names = f" · {index.summary}" if index.loaded.is_set() else ""
    text = f"pytrace {__version__} · Linux {system.release} {system.machine} · {btf}{names}"
    return text.encode(sys.stdout.encoding or "utf-8", "replace") + b"\n"
