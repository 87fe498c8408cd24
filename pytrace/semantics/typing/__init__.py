"""From the resolved tree to the checked program: every expression gets its type and its final form.

General layout: `script.py` drives the rounds and assembles the program, `probe.py` is one probe in the making,
`cells.py` and `lattice.py` are what is solved and how; `dispatch.py` lists the functions that type each kind of node,
one module per theme (`values`, `operators`, `access`, `casts`, `assign`, `statements`, `loops`, `meta`, …).
"""

from __future__ import annotations

import sys

from pytrace.diagnostics import Diagnostics
from pytrace.hints import Iterator
from pytrace.probes.contexts import ProbeContext
from pytrace.semantics.program import Program
from pytrace.semantics.typing.arguments import as_record, context_value
from pytrace.semantics.typing.bodies import Contexts
from pytrace.semantics.typing.script import ScriptTyper
from pytrace.semantics.unit import Unit, UnitProbe
from pytrace.within import contextmanager

__all__ = ["Contexts", "as_record", "check", "context_value"]

DEPTH = 12_000
"""Python frames that typing may take: the deepest nesting that expanded code may have, times the frames per level."""


def check(unit: Unit, diagnostics: Diagnostics, contexts: Contexts | None = None) -> Program:
    """Type a unit. Errors and warnings go to `diagnostics`; with errors, the program is not to be used.

    `contexts` tells what the body of a probe sees; by default its provider is asked.
    """
    import pytrace.builtins  # noqa: F401  # declares the builtins; some of them use this package

    with _deep():
        script = ScriptTyper(unit, contexts or _provided(unit))
        script.solve()
        return script.finish(diagnostics)


def _provided(unit: Unit) -> Contexts:
    def context(each: UnitProbe) -> ProbeContext:
        from pytrace.probes import PROVIDERS

        target = each.targets[0]
        assert unit.host is not None, "probes were matched without a machine"
        return PROVIDERS[target.provider].context(target, unit.host)

    return context


@contextmanager
def _deep() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
