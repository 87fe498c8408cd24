"""The reference: Markdown pages, the manual page and the shells' completions, made from the declarations.

| file | |
|---|---|
| `pages.py`, `manual.py`, `completions.py` | what is made |
| `examples.py`, `language.py`, `settings.py`, `providers.py` | what is said of things beside their declarations |

`python -m pytrace.reference` writes the files; a test fails when they are not what it would write.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["ROOT", "files"]

ROOT = Path(__file__).resolve().parents[2]


def files() -> dict[Path, str]:
    """The text of every file, by its place."""
    from pytrace.reference.completions import complete
    from pytrace.reference.manual import manual
    from pytrace.reference.pages import pages
    from pytrace.share import FILES

    share = ROOT / "pytrace" / "share"
    made = {ROOT / "docs" / "reference" / name: text for name, text in pages().items()}
    made[share / "pytrace.1"] = manual()
    made.update({share / name: complete(shell) for shell, name in FILES.items()})
    return made
