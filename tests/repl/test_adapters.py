"""Completion and keys in prompt-toolkit's terms, with its own input and buffers, without a terminal."""

from __future__ import annotations

import pytest
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from pytrace.repl.adapters import PromptCompleter, accepts, close_bracket, new_line
from pytrace.repl.complete import Completer
from tests.repl.test_complete import CONTEXT, index


def completed(text: str, *, tab: bool = True) -> list[tuple[str, str, str]]:
    """The text with each completion applied as prompt-toolkit does, what the menu shows, and what stands beside it."""
    document = Document(text)
    completer = PromptCompleter(Completer(index()), lambda: CONTEXT)
    found = []
    for each in completer.get_completions(document, CompleteEvent(completion_requested=tab)):
        buffer = Buffer(document=document)
        buffer.apply_completion(each)
        found.append((buffer.text, each.display_text, each.display_meta_text))
    return found


def test_completions() -> None:
    assert completed("k:vfs_wr") == [("k:vfs_write", "vfs_write", "")]
    assert completed("rt:sched_sw") == [("rt:sched_switch", "sched_switch", "preempt, prev, next")]
    assert completed(":watch @u") == [(":watch @us", "@us", "[string[16]] hist_t")]
    assert completed("begin { ") and not completed("begin { ", tab=False)


@pytest.mark.parametrize(("text", "runs"), [
    ("begin { }", True), ("begin {", False), ("begin {\n  ", True), ("begin {\n  x", False), (":ls", True),
])  # fmt: skip
def test_enter(text: str, runs: bool) -> None:
    buffer = Buffer(document=Document(text))
    assert accepts(buffer) == runs


def test_lines_and_brackets() -> None:
    buffer = Buffer(document=Document("begin {"))
    new_line(buffer)
    buffer.insert_text("if (1) {")
    new_line(buffer)
    assert buffer.text == "begin {\n  if (1) {\n    "
    close_bracket(buffer, "}")
    new_line(buffer)
    close_bracket(buffer, "}")
    assert buffer.text == "begin {\n  if (1) {\n  }\n}"
    close_bracket(buffer, ")")
    assert buffer.text.endswith("})")
