"""Sessions: a probe of kernel functions' entry and one of their return become one program, where the kernel has that.

The kernel then keeps one record for each call under way instead of two, and looks its functions up once. It is done
for a probe with a single `kprobe` spec and the only other probe with a single `kretprobe` spec of the same text,
without module and offset. Here both are only marked: they are checked and compiled apart, and joined in the image.
"""

from __future__ import annotations

from collections import Counter

from pytrace.diagnostics import Diagnostics
from pytrace.frozen import replace
from pytrace.probes.provider import Host, Target
from pytrace.semantics.unit import Unit, UnitProbe
from pytrace.semantics.walk import walk
from pytrace.syntax import tree

__all__ = ["pair"]

_HALVES = ("kprobe", "kretprobe")


def pair(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """Mark the halves of sessions."""
    host = unit.host
    halves = [(each, text) for each in unit.probes if (text := _half(each))]
    counts = Counter((each.specs[0].provider, text) for each, text in halves)
    texts = [text for each, text in halves if all(counts[provider, text] == 1 for provider in _HALVES)]
    if host is None or not texts or not (host.has_feature("kprobe_multi") and host.has_feature("kprobe_session")):
        return unit
    members: dict[str, list[UnitProbe]] = {}
    for each, text in halves:
        if text in texts:
            members.setdefault(text, []).append(each)
    fitting = {text for text, both in members.items() if _fit(both, host)}
    marked = [_marked(each) if _half(each) in fitting else each for each in unit.probes]
    return replace(unit, probes=tuple(marked))


def _half(each: UnitProbe) -> str:
    """The functions of a probe that may be half of a session, as they were written; empty if it is none."""
    if len(each.specs) != 1 or not each.targets:
        return ""
    spec = each.specs[0]
    if spec.provider not in _HALVES or spec.string("module") or spec.number("offset"):
        return ""
    return spec.string("function")


def _fit(both: list[UnitProbe], host: Host) -> bool:
    """Whether two halves have the same functions, which the kernel can trace in this way."""
    entries, returns = ([target.text("function") for target in each.targets] for each in both)
    return (
        entries == returns
        and all(host.functions.is_traceable("", function) for function in entries)
        # What replaces a function's result works with its own kind of probe only.
        and not any(
            isinstance(node, tree.Call) and node.name == "override"
            for each in both
            for node in walk(each.probe.predicate, each.probe.body)
        )
    )


def _marked(each: UnitProbe) -> UnitProbe:
    return replace(each, targets=tuple(map(_in_session, each.targets)))


def _in_session(target: Target) -> Target:
    data: dict[str, str | int] = dict(target.data)
    return replace(target, data=tuple((data | {"multi": 1, "session": 1}).items()))
