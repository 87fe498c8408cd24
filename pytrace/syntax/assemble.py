"""A script from its top-level parts: which of them may come where (LANGUAGE 1)."""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.hints import Sequence
from pytrace.syntax import tree
from pytrace.syntax.fault import Fault

__all__ = ["Part", "assemble"]

Part = str | tree.CLine | tree.CDef | tree.Config | tree.Import | tree.Item
"""A part of a script; the text of its `#!` line is a plain string."""

_C, _SETTINGS, _BODY = range(3)


def assemble(
    span: Span, parts: Sequence[Part], comments: tuple[tuple[Span, str], ...], faults: list[Fault]
) -> tree.Script:
    """The script with these parts. What stands in the wrong place is added to `faults`."""
    shebang = ""
    preamble: list[tree.CLine | tree.CDef] = []
    config: tree.Config | None = None
    imports: list[tree.Import] = []
    items: list[tree.Item] = []
    section = _C
    for part in parts:
        match part:
            case str():
                shebang = part
            case tree.CLine() | tree.CDef():
                if section > _C:
                    faults.append(_fault("C definitions must appear before probes and functions", part))
                preamble.append(part)
            case tree.Config():
                if section > _SETTINGS:
                    faults.append(_fault("config must appear before probes and functions", part, "config"))
                elif config is not None:
                    faults.append(_fault("duplicate config block", part, "config"))
                config, section = part, max(section, _SETTINGS)
            case tree.Import():
                if section > _SETTINGS:
                    faults.append(_fault("root imports must appear before probes and functions", part, "import"))
                imports.append(part)
                section = max(section, _SETTINGS)
            case _:
                items.append(part)
                section = _BODY
    return tree.Script(span, shebang, tuple(preamble), config, tuple(imports), tuple(items), comments)


def _fault(message: str, part: tree.Node, word: str = "") -> Fault:
    """A fault of a whole part, or of the word that it starts with."""
    return Fault(message, part.span.start, part.span.start + len(word) if word else part.span.end)
