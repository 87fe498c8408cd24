"""Map declarations against what the maps hold (LANGUAGE 18.4)."""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics.types import Aggregate, Unknown

if TYPE_CHECKING:
    from pytrace.semantics.typing.script import ScriptTyper

__all__ = ["check"]

PER_CPU = ("percpuhash", "percpulruhash")


def check(script: ScriptTyper, diagnostics: Diagnostics) -> None:
    """Report declared kinds that do not suit the values: aggregations are kept per CPU, nothing else is."""
    for state in script.maps.values():
        value = state.value.final
        if state.declared is None or isinstance(value, Unknown):
            continue
        shared = state.shared
        if shared is not None and (shared.kind, shared.size) != (state.declared.kind, state.declared.size):
            made = f"{shared.kind or 'hash'}({shared.size})"
            diagnostics.error(state.declared.span, f"{shared.name} exists already, as {made}")
            continue
        kind, per_cpu = state.declared.kind, isinstance(value, Aggregate)
        if (kind in PER_CPU) != per_cpu:
            diagnostics.error(
                state.span,
                f"Incompatible map types. Type from declaration: {kind}. "
                f"Type from value/key type: {'percpuhash' if per_cpu else 'hash'}",
            )
