"""Compiles ahead the regular expressions that many scripts need: `python -m pytrace.syntax.ahead` writes
`grammar/patterns.tables` (see `pytrace.lazy`). A test compares the file with the modules. Run this after a change of a
grammar or of the patterns of a module in `MODULES`, with the version of Python that the project is developed with.
"""

from __future__ import annotations

import re._compiler  # type: ignore[import-not-found]  # no part of the library's interface: `lazy.version` tells if it fits
import re._parser  # type: ignore[import-not-found]

from pytrace import lazy
from pytrace.hints import Any, Iterator
from pytrace.once import imported
from pytrace.syntax.lexer import Lexer
from pytrace.syntax.tables import grammar_path, load

__all__ = ["MODULES", "lines", "main"]

MODULES = (
    "pytrace.syntax.lexer", "pytrace.syntax.lookahead", "pytrace.syntax.raw", "pytrace.syntax.literals",
    "pytrace.syntax.builder", "pytrace.builtins.formats", "pytrace.builtins.symbols", "pytrace.semantics.matching",
    "pytrace.semantics.names", "pytrace.semantics.numbers", "pytrace.semantics.unstable",
    "pytrace.semantics.typing.bodies",
)  # fmt: skip


def _sources() -> Iterator[tuple[str | bytes, int]]:
    """The patterns: those that modules keep as `lazy.pattern`, and the lexer's, which is made of the grammar."""
    kind: Any = lazy.pattern
    found = [each for name in MODULES for each in vars(imported(name)).values() if isinstance(each, kind)]
    for each in (*found, Lexer(load("pytrace")).pattern):
        yield each.source


def lines() -> list[str]:
    """The lines of the file."""
    made = [lazy.version()]
    for text, flags in dict.fromkeys(_sources()):
        parsed = re._parser.parse(text, flags)
        state = parsed.state
        code = re._compiler._code(parsed, flags)
        groups = state.groups - 1
        names = {number: name for name, number in state.groupdict.items()}
        numbers = " ".join(str(int(number)) for number in (flags | state.flags, groups, *code))
        named = ",".join(names.get(number, "") for number in range(1, groups + 1)) if names else ""
        made.append(f"{flags} {text!r}\t{numbers}\t{named}")
    return made


def main() -> None:
    """Writes the file."""
    with open(grammar_path("patterns.tables"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines()) + "\n")


if __name__ == "__main__":
    main()
