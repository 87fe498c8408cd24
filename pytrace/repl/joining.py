"""Several blocks as one script."""

from __future__ import annotations

from collections.abc import Sequence

from pytrace.diagnostics import Source, Span
from pytrace.repl.definitions import Definitions, merged
from pytrace.syntax import tree
from pytrace.syntax.format import format_script
from pytrace.syntax.parser import parse

__all__ = ["join"]


def join(texts: Sequence[str], definitions: Definitions = ()) -> str:
    """The blocks one after another, as they were written. What has to stand at the top of a script (C definitions,
    settings, imports), and the definitions of the session, are gathered there, once, where there are any; all is then
    in the standard layout."""
    nowhere = Span(Source("", ""), 0, 0)
    scripts = [parse(Source(f"block {number}", text)) for number, text in enumerate(texts, 1)]
    if definitions:
        scripts.insert(0, merged(definitions, tree.Script(nowhere, "", (), None, (), ())))
    elif not any(script.preamble or script.config or script.imports or script.shebang for script in scripts):
        return "\n".join(text.strip("\n") + "\n" for text in texts)
    preamble = dict.fromkeys(part for script in scripts for part in script.preamble)
    settings = {setting.name: setting for script in scripts if script.config for setting in script.config.settings}
    imports = dict.fromkeys(part for script in scripts for part in script.imports)
    config = tree.Config(nowhere, tuple(settings.values())) if settings else None
    items = tuple(item for script in scripts for item in script.items)
    return format_script(tree.Script(nowhere, "", tuple(preamble), config, tuple(imports), items))
