"""`fn` definitions: checked like everything else, and then refused (LANGUAGE 3)."""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics
from pytrace.semantics.unit import Unit
from pytrace.syntax import tree


def refuse(unit: Unit, diagnostics: Diagnostics) -> None:
    """Report the first function of a script that is to run: nothing could call it.

    Where a script is only compiled (`--mode codegen`), the question is whether it is right, and functions may stand.
    """
    if unit.options.mode == "codegen":
        return
    for item in unit.script.items:
        if isinstance(item, tree.Function):
            hint = f"a macro can be called: macro {item.name}(…) {{ … }}"
            diagnostics.error(item.span, "functions cannot be defined in scripts", hints=[hint])
            return
