"""The line editor, put together: keys, colours, history, completion, and the line below it all."""

from __future__ import annotations

import os
from collections.abc import Callable

from prompt_toolkit import PromptSession
from prompt_toolkit.application.current import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import DynamicLexer, Lexer
from prompt_toolkit.styles import Style

from pytrace.repl.engine import Engine
from pytrace.repl.shell import is_unfinished

__all__ = ["make", "status"]

_INDENT = "  "


def make(
    history: History, toolbar: Callable[[], StyleAndTextTuples], style: Style, interrupt: Callable[[], bool]
) -> PromptSession[str]:
    """The session of prompt-toolkit. `interrupt` is asked what Ctrl-C means on an empty line."""
    session: PromptSession[str] = PromptSession(
        history=history,
        multiline=True,
        prompt_continuation=lambda width, number, wrapped: [("class:continuation", "." * (width - 1) + " ")],
        lexer=DynamicLexer(_lexer),
        auto_suggest=AutoSuggestFromHistory(),
        enable_open_in_editor=True,
        editing_mode=EditingMode.VI if _prefers_vi() else EditingMode.EMACS,
        key_bindings=_bindings(interrupt),
        bottom_toolbar=toolbar,
        style=style,
        tempfile_suffix=".bt",
        mouse_support=False,
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


def _prefers_vi() -> bool:
    return os.environ.get("PYTRACE_KEYS", "") == "vi"


def _bindings(interrupt: Callable[[], bool]) -> KeyBindings:
    bindings = KeyBindings()

    @Condition
    def at_the_end() -> bool:
        return get_app().current_buffer.document.is_cursor_at_the_end or is_complete()

    def is_complete() -> bool:
        return not is_unfinished(get_app().current_buffer.text.encode("utf-8", "surrogateescape").decode("latin-1"))

    @bindings.add("enter", filter=at_the_end)
    def enter(event: KeyPressEvent) -> None:
        """Runs what is balanced; an empty line runs it in any case. Else a line more, indented."""
        buffer = event.current_buffer
        text = buffer.text.encode("utf-8", "surrogateescape").decode("latin-1")
        if not is_unfinished(text) or ("\n" in text and not buffer.document.current_line.strip()):
            buffer.validate_and_handle()
        else:
            _new_line(event)

    @bindings.add("enter", filter=~at_the_end)
    def enter_within(event: KeyPressEvent) -> None:
        _new_line(event)

    @bindings.add("c-c")
    def stop(event: KeyPressEvent) -> None:
        """Clears the line; on an empty one, ends what is shown live."""
        written = bool(event.current_buffer.text)
        event.current_buffer.reset()
        if not written and interrupt():
            event.app.invalidate()

    @bindings.add("}")
    def closing(event: KeyPressEvent) -> None:
        """A closing brace at the start of a line stands one step further left."""
        buffer = event.current_buffer
        before = buffer.document.current_line_before_cursor
        if before and not before.strip():
            buffer.delete_before_cursor(min(len(_INDENT), len(before)))
        buffer.insert_text("}")

    return bindings


def _new_line(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    before = buffer.document.current_line_before_cursor
    indent = before[: len(before) - len(before.lstrip())]
    if before.rstrip().endswith(("{", "(")):
        indent += _INDENT
    buffer.insert_text("\n" + indent)


def status(engine: Engine) -> str:
    """What the line below the prompt says: blocks, events, losses, share of a CPU."""
    blocks = list(engine.blocks.values())
    running = [live for live in blocks if live.state == "running"]
    events = sum(live.usage.runs for live in blocks)
    lost = sum(live.lost for live in blocks)
    share = sum(live.usage.share for live in running)
    parts = [
        f"{len(running)} of {len(blocks)} block{'' if len(blocks) == 1 else 's'} running", f"{events:,} events",
        f"{lost:,} lost", f"{100 * share:.2f} % of a CPU",
    ]
    return " · ".join(parts)
