"""Several blocks as one script."""

from __future__ import annotations

from collections.abc import Sequence

from pytrace.diagnostics import Source, Span
from pytrace.syntax import tree
from pytrace.syntax.format import format_script
from pytrace.syntax.parser import parse

__all__ = ["join"]


def join(texts: Sequence[str]) -> str:
    """The blocks one after another, as they were written. What has to stand at the top of a script (C definitions,
    settings, imports) is gathered there, once, where there is any; all is then in the standard layout."""
    scripts = [parse(Source(f"block {number}", text)) for number, text in enumerate(texts, 1)]
    if not any(script.preamble or script.config or script.imports or script.shebang for script in scripts):
        return "\n".join(text.strip("\n") + "\n" for text in texts)
    preamble = dict.fromkeys(part for script in scripts for part in script.preamble)
    settings = {setting.name: setting for script in scripts if script.config for setting in script.config.settings}
    imports = dict.fromkeys(part for script in scripts for part in script.imports)
    nowhere = Span(Source("", ""), 0, 0)
    config = tree.Config(nowhere, tuple(settings.values())) if settings else None
    items = tuple(item for script in scripts for item in script.items)
    return format_script(tree.Script(nowhere, "", tuple(preamble), config, tuple(imports), items))
