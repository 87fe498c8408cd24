"""Completion and keys as prompt-toolkit wants them: the only module of these that knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.completion import Completer as ToolkitCompleter
from prompt_toolkit.completion import Completion as ToolkitCompletion
from prompt_toolkit.document import Document

from pytrace.repl.complete import Completer
from pytrace.repl.context import Context
from pytrace.repl.keys import dedent, indentation, is_unfinished

__all__ = ["PromptCompleter", "accepts", "close_bracket", "new_line"]


class PromptCompleter(ToolkitCompleter):
    """Completions of a prompt; `context` tells what the session has now. While somebody types it answers only where
    something was begun; Tab asks everywhere."""

    def __init__(self, completer: Completer, context: Callable[[], Context]) -> None:
        self._completer = completer
        self._context = context

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[ToolkitCompletion]:
        """Of the text before the cursor."""
        asked = complete_event.completion_requested
        cursor = document.cursor_position
        for each in self._completer.complete(document.text, cursor, self._context(), asked=asked):
            yield ToolkitCompletion(each.text, each.start - cursor, display=each.display, display_meta=each.meta)


def accepts(buffer: Buffer) -> bool:
    """Whether Enter runs the text: it is complete, or stands above an empty last line, where somebody insists."""
    document = buffer.document
    if not is_unfinished(buffer.text):
        return True
    return "\n" in buffer.text and document.is_cursor_at_the_end and not document.current_line.strip()


def new_line(buffer: Buffer) -> None:
    """Insert a line, indented."""
    buffer.insert_text("\n" + indentation(buffer.document.text_before_cursor))


def close_bracket(buffer: Buffer, bracket: str) -> None:
    """Type a closing bracket: at the beginning of its line below what it closes."""
    count = dedent(buffer.document.text_before_cursor, bracket)
    if count:
        buffer.delete_before_cursor(count)
    buffer.insert_text(bracket)
