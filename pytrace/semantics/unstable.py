"""Features that must be enabled first, and constructs that are on their way out (LANGUAGE 9, 22)."""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics
from pytrace.lazy import pattern
from pytrace.semantics.unit import Unit
from pytrace.semantics.walk import walk
from pytrace.syntax import tree

FEATURES = {
    "tseries": ("tseries", "unstable_tseries"),
    "typeinfo": ("typeinfo", "unstable_typeinfo"),
    "dw_ustack": ("dw_ustack (DWARF stack unwinding)", "unstable_dw_ustack"),
}
"""What a feature is called in messages, and the setting that enables it."""

_STACK_ARGUMENT = pattern(r"sarg[0-9]+")


def check(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """Report what probes and functions use; what a macro uses is the business of who wrote it."""
    warned: set[str] = set()
    for node in walk(*(item for item in unit.script.items if isinstance(item, tree.Probe | tree.Function))):
        name = _feature(node)
        if name is not None:
            feature, setting = FEATURES[name]
            state = getattr(unit.config, setting)
            if state == "error":
                diagnostics.error(
                    node.span,
                    f"{feature} feature is not enabled by default. To enable this unstable feature, set the config "
                    f"flag to enable. {setting}=enable",
                )
            elif state == "warn" and name not in warned:
                warned.add(name)
                diagnostics.warning(
                    None,
                    f"Script is using an unstable feature: {feature}. To prevent this warning you must explicitly "
                    f"enable it in the config e.g. {setting}=enable",
                )
        elif isinstance(node, tree.While):
            diagnostics.warning(
                node.span,
                "While loops are deprecated and may be removed in the future.",
                hints=[
                    "For loops support ranges (e.g. `for ($x : $start..$end) { ... }`), and can be used in place of "
                    "while. These are more easily proven to be bounded by the verifier."
                ],
            )
        elif isinstance(node, tree.Ident) and _STACK_ARGUMENT.fullmatch(node.name):
            diagnostics.error(
                node.span,
                "sarg* is deleted. This was deprecated in v0.21 and was last available in v0.24.",
                hints=['Use *(reg("sp") + <stack_offset>) instead.'],
            )
    return unit


def _feature(node: tree.Node) -> str | None:
    match node:
        case tree.Typeinfo():
            return "typeinfo"
        case tree.Call(name="tseries" | "dw_ustack" as name):
            return name
        case tree.Ident(name="dw_ustack"):
            return "dw_ustack"
    return None
