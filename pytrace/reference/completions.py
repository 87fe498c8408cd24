"""The shells' completions, made by shtab, which wants a parser of argparse: it is built from the table of options for
this purpose only."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import TYPE_CHECKING

from pytrace.options import OPTIONS, Option

if TYPE_CHECKING:
    from argparse import Action

__all__ = ["complete"]

_FILES = ("FILE",)
_FOLDERS = ("DIR", "DIR[:DIR]")


def _add(parser: ArgumentParser, option: Option) -> None:
    spellings = ([f"-{option.short}"] if option.short else []) + ([f"--{option.name}"] if option.name else [])
    if not option.takes_value:
        parser.add_argument(*spellings, help=option.help, action="store_true")
        return
    choices = option.choices or None
    action: Action = parser.add_argument(*spellings, help=option.help, metavar=option.metavar, choices=choices)
    import shtab

    if option.metavar in _FILES:
        action.complete = shtab.FILE  # type: ignore[attr-defined]  # which is how shtab is told
    elif option.metavar in _FOLDERS:
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]


def complete(shell: str) -> str:
    """The completion script for a shell. Needs shtab."""
    import shtab

    parser = ArgumentParser("pytrace", add_help=False)
    for option in OPTIONS:
        _add(parser, option)
    script = parser.add_argument("script", nargs="*", help="a script, and its arguments")
    script.complete = shtab.FILE  # type: ignore[attr-defined]
    text: str = shtab.complete(parser, shell)
    return text.rstrip("\n") + "\n"
