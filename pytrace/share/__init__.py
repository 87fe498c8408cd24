"""What is installed beside the program: the manual page and the shells' completions.

The files are made from the table of options by `python -m pytrace.reference`.
"""

from __future__ import annotations

import os

__all__ = ["FILES", "completions"]

FILES = {"bash": "pytrace.bash", "zsh": "_pytrace", "fish": "pytrace.fish"}
"""The names that the shells look for."""


def completions(shell: str) -> str:
    """The completions for a shell: "bash", "zsh" or "fish"."""
    with open(os.path.join(os.path.dirname(__file__), FILES[shell]), encoding="utf-8") as file:
        return file.read()
