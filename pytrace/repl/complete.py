"""Completion at the prompt: it knows the place where the cursor is, and offers what can stand there.

`Completer.complete` is a function of the text, the cursor and the session. Which place it is, the scanner says; what
can stand there, say the modules `complete_probes` (attach points) and `complete_body` (everything in braces), and the
commands of the session.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytrace.repl import scan as kinds
from pytrace.repl.complete_body import complete_body, complete_setting, complete_type
from pytrace.repl.complete_probes import complete_attach_point, complete_file
from pytrace.repl.completion import Choice, Completion, choose
from pytrace.repl.context import Argument, BlockInfo, Command, Context
from pytrace.repl.index import Index
from pytrace.repl.machine import FAILURES, PromptHost
from pytrace.repl.scan import Scan, scan
from pytrace.semantics.unit import Options

__all__ = ["Completer", "Completion"]

_ITEMS = {
    "config": ("config = { ", "settings"), "macro": ("macro ", "macro name($x) { … }"),
    "struct": ("struct ", "a C structure"), "#define": ("#define ", "a C constant"),
    "#include": ("#include ", "a C header"),
}  # fmt: skip
_INTERVALS = ("1s", "2s", "5s", "10s", "1m", "500ms")
_MOST_WORDS = 30


class Completer:
    """For one prompt. `index` may still be loading: what has not arrived is not offered."""

    def __init__(self, index: Index, options: Options | None = None) -> None:
        self.index = index
        self.host = PromptHost(options or Options(), index)

    def complete(
        self, text: str, cursor: int | None = None, context: Context | None = None, *, asked: bool = True
    ) -> list[Completion]:
        """What can stand at the cursor (by default the end), the best first; each says from where on it replaces.

        `asked` False: nobody asked for it by a key, so nothing is offered where anything could stand.
        """
        before = text if cursor is None else text[:cursor]
        found = scan(before, prompt=True)
        if found.in_comment or (not asked and _is_open(found)):
            return []
        try:
            return self._at(found, context or Context(), text)
        except FAILURES:
            return []

    def _at(self, found: Scan, context: Context, whole: str) -> list[Completion]:
        item = found.item
        if item == "command":
            return self._command(found, context)
        if item == "question":
            return self._topic(found, context)
        if item in ("top", "probe"):
            return self._attach_point(found)
        if item in ("config", "let"):
            return complete_setting(found)
        if item == "c":
            return self._c(found)
        if item == "import" and found.in_string:
            typed = found.of(found.pieces[-1])[1:]
            return complete_file(typed, len(found.text) - len(typed))
        if item in ("predicate", "expression", "fn") or found.brackets:
            return complete_body(found, context, self.host, whole)
        return []

    def _attach_point(self, found: Scan) -> list[Completion]:
        last = found.pieces[-1] if found.pieces else None
        end = len(found.text)
        word = found.of(last) if last is not None and last.kind == kinds.ATTACH else ""
        if (last is not None and last.kind == kinds.C_LINE) or (not word and not found.ready):
            return []
        probes = complete_attach_point(word, end - len(word), self.host)
        if (found.item == "probe" and len(found.attach_points) > 1) or ":" in word:
            return probes
        if found.last() is not None and found.of(found.last() or found.pieces[-1]) == ",":
            return probes
        items = (Choice(name, meta, text, name) for name, (text, meta) in _ITEMS.items())
        return probes + choose(items, word, end - len(word)) if word else probes

    def _c(self, found: Scan) -> list[Completion]:
        """In a C definition: types."""
        last = found.pieces[-1]
        if last.kind == kinds.C_LINE:
            choices = (Choice(name, meta, text, name) for name, (text, meta) in _ITEMS.items() if name[0] == "#")
            return choose(choices, found.of(last), last.start)
        typed = found.of(last) if last.kind == kinds.NAME else ""
        before = found.last(len(found.pieces) - 1 if typed else None)
        previous = found.of(before) if before is not None else ""
        start = len(found.text) - len(typed)
        if previous in kinds.C_KINDS and found.open:
            return complete_type(self.host, typed, start, previous)
        return complete_type(self.host, typed, start) if previous in ("{", ";") else []

    # --- commands and questions -----------------------------------------------------------------------------------

    def _command(self, found: Scan, context: Context) -> list[Completion]:
        command = next(each for each in found.pieces if each.kind == kinds.COMMAND)
        name = found.of(command)[1:].strip()
        rest = found.text[command.end :]
        if not rest:
            choices = (Choice(each.name, each.help, display=each.spelling) for each in context.commands)
            return choose(choices, name, command.end - len(name))
        known = context.command(name) or _only(each for each in context.commands if each.name.startswith(name))
        words = rest.split()
        typed = "" if rest[-1:].isspace() else words.pop()
        if known is None or len(words) > _MOST_WORDS:
            return []
        start = len(found.text) - len(typed)
        completions = choose(map(Choice, known.choices), typed, start) if not words else []
        options = [word for word in words if word.startswith("-")]
        number = len(words) - len(options)
        if number >= len(known.arguments):
            if not (known.repeats and known.arguments):
                return completions
            number = len(known.arguments) - 1
        return completions + self._argument(known.arguments[number], typed, start, context, words)

    def _argument(
        self, kind: str, typed: str, start: int, context: Context, given: list[str]
    ) -> list[Completion]:
        if kind == Argument.BLOCK:
            blocks = (each for each in context.blocks if str(each.number) not in given)
            return choose((Choice(str(each.number), _shown(each)) for each in blocks), typed, start)
        if kind == Argument.MAP:
            return choose((Choice(each.name, str(each)) for each in context.maps), typed, start)
        if kind == Argument.FILE:
            return complete_file(typed, start)
        if kind == Argument.PROBE:
            return complete_attach_point(typed, start, self.host)
        if kind == Argument.INTERVAL:
            return choose(map(Choice, _INTERVALS), typed, start)
        if kind == Argument.COMMAND:
            return choose((Choice(each.name, each.help) for each in context.commands), typed, start)
        if kind == Argument.TOPIC:
            return self._topics(typed, start, context)
        return []

    def _topic(self, found: Scan, context: Context) -> list[Completion]:
        question = next(each for each in found.pieces if each.kind == kinds.QUESTION)
        typed = found.text[question.end :].lstrip()
        return self._topics(typed, len(found.text) - len(typed), context)

    @staticmethod
    def _topics(typed: str, start: int, context: Context) -> list[Completion]:
        from pytrace.repl.help import topics

        return choose((Choice(name, meta) for name, meta in topics(context.commands)), typed, start)


def _is_open(found: Scan) -> bool:
    """Whether nothing has been typed yet of what is to be completed."""
    last = found.pieces[-1] if found.pieces else None
    if last is None or last.kind in (kinds.BLANKS, kinds.OPEN, kinds.CLOSE, kinds.COMMA, kinds.SEMICOLON):
        return found.item not in ("command", "question")
    return last.kind in (kinds.OPERATOR, kinds.PREDICATE) and found.of(last) not in (".", "->")


def _only(commands: Iterator[Command]) -> Command | None:
    """The one command that a shortened name means; None if it means none or several."""
    found = list(commands)
    return found[0] if len(found) == 1 else None


def _shown(block: BlockInfo) -> str:
    """A block in half a line."""
    text = " ".join(block.text.split())
    return f"{block.state}: {text if len(text) <= 60 else text[:59] + '…'}"
