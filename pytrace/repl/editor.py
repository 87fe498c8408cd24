"""The line editor, put together: keys, colours, history, completion.

What is not needed to show the prompt is loaded afterwards, in a thread: the registry of builtins and what completion
knows of types take as long as everything before them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable

from prompt_toolkit import PromptSession
from prompt_toolkit.application.current import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import DynamicLexer, Lexer
from prompt_toolkit.styles import Style

from pytrace.hints import TYPE_CHECKING
from pytrace.repl.context import Context

if TYPE_CHECKING:
    from pytrace.repl.index import Index
    from pytrace.semantics.unit import Options

__all__ = ["MENU", "Completions", "Toolbar", "make"]

Toolbar = Callable[[], StyleAndTextTuples]
MENU = 5
"""Lines for completions that are kept free below the line being typed."""
_AFTER = 0.3
"""Seconds from the first prompt to loading what completion needs."""


class Completions(Completer):
    """Completion that is loaded when it is first asked for, or a moment after the prompt has appeared."""

    def __init__(self, index: Index, options: Options, context: Callable[[], Context]) -> None:
        self._index = index
        self._options = options
        self._context = context
        self._lock = threading.Lock()
        self._loaded: Completer | None = None

    def load(self) -> Completer:
        with self._lock:
            if self._loaded is None:
                from pytrace.repl.adapters import PromptCompleter
                from pytrace.repl.complete import Completer as OfTheLanguage

                self._loaded = PromptCompleter(OfTheLanguage(self._index, self._options), self._context)
            return self._loaded

    def load_soon(self) -> None:
        def load() -> None:
            time.sleep(_AFTER)
            self.load()

        threading.Thread(target=load, name="completion", daemon=True).start()

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        return self.load().get_completions(document, complete_event)


def make(
    history: History, toolbar: Toolbar, style: Style, completer: Completer, interrupt: Callable[[], bool]
) -> PromptSession[str]:
    """The session of prompt-toolkit. `interrupt` is asked what Ctrl-C means on an empty line: True if it meant
    something."""
    session: PromptSession[str] = PromptSession(
        history=history,
        multiline=True,
        prompt_continuation=lambda width, number, wrapped: [("class:continuation", "." * (width - 1) + " ")],
        lexer=DynamicLexer(_lexer),
        completer=completer,
        complete_in_thread=True,
        complete_while_typing=True,
        reserve_space_for_menu=MENU,
        auto_suggest=AutoSuggestFromHistory(),
        enable_open_in_editor=True,
        editing_mode=EditingMode.VI if os.environ.get("PYTRACE_KEYS") == "vi" else EditingMode.EMACS,
        key_bindings=_bindings(interrupt),
        bottom_toolbar=toolbar,
        style=style,
        tempfile_suffix=".bt",
    )
    return session


_LEXERS: list[Lexer] = []


def _lexer() -> Lexer | None:
    """Loaded with the first character that is typed: the prompt does not wait for it."""
    if not get_app().current_buffer.text:
        return None
    if not _LEXERS:
        from prompt_toolkit.lexers import PygmentsLexer

        from pytrace.repl.lexer import PytraceLexer

        _LEXERS.append(PygmentsLexer(PytraceLexer))
    return _LEXERS[0]


def _bindings(interrupt: Callable[[], bool]) -> KeyBindings:
    bindings = KeyBindings()

    @Condition
    def is_accepted() -> bool:
        from pytrace.repl.adapters import accepts

        return accepts(get_app().current_buffer)

    @bindings.add("enter", filter=is_accepted)
    def accept(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @bindings.add("enter", filter=~is_accepted)
    @bindings.add("escape", "enter")
    def new_line(event: KeyPressEvent) -> None:
        from pytrace.repl.adapters import new_line

        new_line(event.current_buffer)

    @bindings.add("}")
    @bindings.add(")")
    @bindings.add("]")
    def close(event: KeyPressEvent) -> None:
        from pytrace.repl.adapters import close_bracket

        close_bracket(event.current_buffer, event.data)

    @bindings.add("c-c")
    def stop(event: KeyPressEvent) -> None:
        """Clears the line; on an empty one, ends what is shown live."""
        written = bool(event.current_buffer.text)
        event.current_buffer.reset()
        if not written and interrupt():
            event.app.invalidate()

    return bindings
