"""Writes the files of the reference."""

from __future__ import annotations

from pytrace.reference import files

for path, text in files().items():
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
