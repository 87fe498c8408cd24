"""What a session knows beyond its blocks: macros, C definitions and imports that were entered alone.

They go in front of every later block. A definition gives way to one of the same name that comes later, in an entry of
its own or in the block itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pytrace.diagnostics import CompileError, Source
from pytrace.frozen import replace
from pytrace.syntax import tree
from pytrace.syntax.parser import parse

__all__ = ["Definitions", "defined", "merged"]

Definitions = tuple[tuple[str, str], ...]
"""Entries, each with the name that diagnostics call it."""

_C_NAME = re.compile(r"\s*(?:typedef\s+)?(struct|union|enum)\s+(\w+)")
_MACRO_NAME = re.compile(r"\s*#\s*define\s+(\w+)")


def defined(text: str) -> list[str]:
    """The names that an entry defines if that is all it does; none if there is a probe, or the text is malformed."""
    try:
        script = parse(Source("", text))
    except CompileError:
        return []
    if script.config is not None or not all(isinstance(item, tree.Macro) for item in script.items):
        return []
    return [_name(node) for node in (*script.preamble, *script.imports, *script.items)]


def _name(node: tree.Node) -> str:
    match node:
        case tree.CDef(text=text):
            found = _C_NAME.match(text)
            return f"{found[1]} {found[2]}" if found else text
        case tree.CLine(text=text):
            found = _MACRO_NAME.match(text)
            return found[1] if found else text.strip()
        case tree.Import(path=path):
            return f'import "{path}"'
        case tree.Macro(name=name, params=params):
            return f"{name}({', '.join(f'{param.sigil}{param.name}' for param in params)})"
    return ""


def _is_chosen(node: tree.Node, later: Iterable[tree.Node]) -> bool:
    name = _name(node)
    return not name or name not in {_name(each) for each in later}


def merged(definitions: Definitions, script: tree.Script) -> tree.Script:
    """A script with the definitions in front. Raises `CompileError` if these do not parse."""
    for name, text in reversed(definitions):
        before = parse(Source(name, text))
        script = replace(
            script,
            preamble=(*(node for node in before.preamble if _is_chosen(node, script.preamble)), *script.preamble),
            imports=(*(node for node in before.imports if _is_chosen(node, script.imports)), *script.imports),
            items=(*(node for node in before.items if _is_chosen(node, script.items)), *script.items),
        )
    return script
