"""The tokens of the C preamble, with its object-like macros expanded."""

from __future__ import annotations

import re

from pytrace.hints import Iterable, Iterator, Mapping
from pytrace.syntax import ctree
from pytrace.syntax.automaton import Token
from pytrace.syntax.fault import Fault
from pytrace.syntax.lookahead import COMMENT
from pytrace.syntax.tables import Tables

__all__ = ["CLexer"]

# What GCC calls the same, for use whatever the standard.
_SPELLINGS = {
    "__attribute": "__attribute__", "__const": "const", "__const__": "const", "__volatile": "volatile",
    "__volatile__": "volatile", "__restrict": "restrict", "__restrict__": "restrict", "__signed": "signed",
    "__signed__": "signed", "_Atomic": "volatile",
}  # fmt: skip
_MOST_TOKENS = 100_000
"""What macros may expand to: more is a mistake, or malice (each of a chain of macros doubling the one before)."""



class CLexer:
    """Reads tokens by the terminals of the C grammar's tables."""

    def __init__(self, tables: Tables) -> None:
        blank = rf"(?:[ \t\r\n\f\v]++|{COMMENT})*"
        self._match = re.compile(rf"{blank}(?:{tables.pattern}|(.)|\Z)", re.DOTALL | re.ASCII).match
        self._groups: tuple[tuple[int, ...], ...] = ((), *((number,) for number in tables.groups), ())
        self._words = {word: (number,) for word, number in tables.keywords.items()}
        self._words |= {word: self._words[meaning] for word, meaning in _SPELLINGS.items()}
        self._ident = (tables.terminals["IDENT"],)
        self._number = (tables.terminals["NUMBER"],)
        self._end = (tables.end,)

    def tokens(self, text: str, start: int, end: int, defines: Mapping[str, ctree.Define]) -> Iterator[Token]:
        """The tokens of a range of a text. What a macro expands to has the place of its use. Raises `Fault`."""
        yield from self._expanded(text, start, end, defines)
        yield self._end, "", end, end

    def condition(self, text: str, start: int, end: int, defines: Mapping[str, ctree.Define]) -> Iterator[Token]:
        """The tokens of an `#if`: `defined X` and names that are no macros become numbers. Raises `Fault`."""
        waiting = list(self._plain(text, start, end))
        waiting.reverse()
        replaced: list[Token] = []
        while waiting:
            token = waiting.pop()
            if token[1] == "defined":
                names = [waiting.pop() for _ in range(min(3 if waiting and waiting[-1][1] == "(" else 1, len(waiting)))]
                name = names[1 if len(names) > 1 else 0] if names else token
                if not names or name[0] != self._ident or len(names) == 2 or (len(names) == 3 and names[2][1] != ")"):
                    raise Fault("macro name missing", token[2], token[3])
                replaced.append((self._number, "1" if name[1] in defines else "0", token[2], names[-1][3]))
            else:
                replaced.append(token)
        for candidates, word, at, to in self._expand(replaced, defines):
            if candidates == self._ident or word in self._words:
                yield self._number, "0", at, to
            else:
                yield candidates, word, at, to
        yield self._end, "", end, end

    def _expanded(self, text: str, start: int, end: int, defines: Mapping[str, ctree.Define]) -> Iterator[Token]:
        plain = self._plain(text, start, end)
        return self._expand(plain, defines) if defines else plain

    def _plain(self, text: str, start: int, end: int) -> Iterator[Token]:
        at = start
        while (found := self._match(text, at, end)) and (group := found.lastindex):
            first, at = found.span(group)
            word = found[group]
            candidates = self._groups[group]
            if candidates == self._ident:
                candidates = self._words.get(word, candidates)
            yield candidates, word, first, at

    def _expand(self, tokens: Iterable[Token], defines: Mapping[str, ctree.Define]) -> Iterator[Token]:
        """Replace object-like macros by their tokens. A macro is not expanded inside of itself."""
        count = 0
        for token in tokens:
            waiting: list[tuple[Token, frozenset[str]]] = [(token, frozenset())]
            while waiting:
                (candidates, word, start, end), hidden = waiting.pop()
                define = defines.get(word)
                if define is None or define.params is not None or word in hidden:
                    yield candidates, word, start, end
                    continue
                body = [(kind, part, start, end) for kind, part, _, _ in self._plain(define.body, 0, len(define.body))]
                count += len(body)
                if count > _MOST_TOKENS:
                    raise Fault(f"macro '{word}' expands to too much", start, end)
                waiting += ((part, hidden | {word}) for part in reversed(body))
