"""`pytrace` without a program: a session to explore a running system in.

General layout, from the kernel to the person:

| file | |
|---|---|
| `worker.py`, `channel.py`, `requests.py`, `compiling.py` | compiling in another process |
| `definitions.py`, `joining.py` | scripts put together |
| `maps.py`, `block.py`, `engine.py` | the session: maps, blocks, and how they come and go |
| `pump.py`, `log.py`, `trickle.py` | what blocks print: into the log, and a little of it to the screen |
| `views.py`, `tables.py` | maps and blocks as text |
| `shell.py`, `commands.py` | one entry, and what comes of it |
| `plain.py`, `screen.py` | without a terminal, and on one |
| `editor.py`, `history.py`, `keys.py`, `toolbar.py`, `adapters.py` | the line editor |
| `scan.py`, `lexer.py` | what the text being typed is |
| `complete.py` and what it uses: `completion.py`, `infer.py`, `index.py`, `matcher.py` | what could come next |
| `help.py` | what is asked for with `?` |

It is imported when somebody asks for it: a run of a script needs nothing of it.
"""

from __future__ import annotations

import os
import sys

from pytrace.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from pytrace.options import CommandLine
    from pytrace.repl.plain import Plain
    from pytrace.repl.screen import Screen

__all__ = ["begin"]


def begin(line: CommandLine, first: bytes = b"") -> int:
    """A session, until its user leaves; gives the exit status. `first` was read of standard input already.

    Raises `Stop` when something is missing on this machine.
    """
    from pytrace.console import use_colour
    from pytrace.diagnostics import Source
    from pytrace.repl.compiling import Compiler
    from pytrace.run import compile_options, require_host, traced_pid
    from pytrace.script import Request

    require_host()
    pid = traced_pid(line)
    features = frozenset(name for value in line.all("no-feature") for name in value.split(",") if name)
    nothing = Request(Source("", ""), (), (), None)
    options = compile_options(line, nothing, mode="", no_features=features, pid=pid, child=None)
    warnings = not line.has("no-warnings")
    on_terminal = os.isatty(0) and os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb"
    sys.stdout.flush()
    # Before anything else is loaded, and before there are threads: it loads the compiler while the prompt is drawn.
    compiler = Compiler(options, on_terminal and use_colour())
    if on_terminal:
        from pytrace.cache import Cache
        from pytrace.repl.index import Index

        index = Index()
        index.start(line.last("traceable-functions"), None if line.has("no-cache") else Cache())
        from pytrace.repl.screen import Screen

        front: Plain | Screen = Screen(index)
    else:
        from pytrace.repl.plain import Plain

        front = Plain(first)
    compiler.interrupted = front.interrupted
    return front.run(compiler, pid=pid, warnings=warnings)
