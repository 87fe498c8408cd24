"""Matching: specifications become the targets that exist on this machine, and programs are decided.

A probe becomes one program for all its targets, as long as nothing in its body depends on which of them fired: the
`probe` builtin does not count, since programs learn the name from the attach cookie. Targets are kept apart when they
are loaded differently, belong to different providers, or differ in what the body reads of its context.
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics
from pytrace.frozen import frozen, replace
from pytrace.hints import TYPE_CHECKING
from pytrace.lazy import pattern
from pytrace.probes import PROVIDERS
from pytrace.probes.provider import Host, Target
from pytrace.semantics.unit import Unit, UnitProbe
from pytrace.semantics.walk import walk
from pytrace.syntax import tree

if TYPE_CHECKING:
    import re

__all__ = ["match", "uses_of"]

_ALWAYS = frozenset(("begin", "end", "self"))
"""Providers that --probe-filter leaves alone."""
_ARGUMENT = pattern(r"arg[0-9]+")
_CONTEXT_WORDS = pattern(r"\b(?:args|retval|arg[0-9]+|probe|func)\b")


def match(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """Expand the specs of every probe and split it into programs."""
    host = unit.host
    if host is None:
        raise ValueError("the attach-point pass has not run")
    keep = _filter(unit, diagnostics)
    probes: list[UnitProbe] = []
    programs = 0
    for each in unit.probes:
        targets = _expand(each, host, diagnostics)
        targets = [target for target in targets if target.provider in _ALWAYS or keep(target)]
        parts = _split(replace(each, targets=tuple(targets)), unit, host) if targets else []
        programs += len(parts)
        if programs > unit.config.max_bpf_progs and len(parts) > 1:
            diagnostics.error(
                each.probe.span,
                f"Your program is trying to generate more than {programs} BPF programs, which exceeds the current "
                f"limit of {unit.config.max_bpf_progs}",
                hints=["You can increase the limit through the BPFTRACE_MAX_BPF_PROGS environment variable."],
            )
        probes += parts
    diagnostics.check()
    _check_limit(probes, unit, diagnostics)
    return replace(unit, probes=tuple(probes))


def _expand(each: UnitProbe, host: Host, diagnostics: Diagnostics) -> list[Target]:
    errors = len(diagnostics.errors)
    targets = [t for spec in each.specs for t in PROVIDERS[spec.provider].expand(spec, host, diagnostics)]
    for module in {target.text("module") for target in targets}:
        host.use_module(module)
    if not targets and len(diagnostics.errors) == errors:
        if host.config.missing_probes == "error":
            diagnostics.error(
                each.probe.span,
                "Probe has no valid attach points. If this is expected, set the 'missing_probes' config variable to "
                "'warn'.",
            )
        elif host.config.missing_probes == "warn":
            diagnostics.warning(
                each.probe.span,
                "Probe has no valid attach points. It is being removed which may cause issues with program behavior.",
            )
    return targets


@frozen
class _Everything:
    def __call__(self, target: Target) -> bool:
        return True


@frozen
class _Matching:
    pattern: re.Pattern[str]

    def __call__(self, target: Target) -> bool:
        return any(self.pattern.search(text) for text in (target.name, target.label))


def _filter(unit: Unit, diagnostics: Diagnostics) -> _Everything | _Matching:
    text = unit.options.probe_filter
    if text is None:
        return _Everything()
    import re

    try:
        return _Matching(re.compile(text))
    except (re.error, OverflowError, RecursionError) as error:
        diagnostics.fail(None, f"Invalid --probe-filter regex '{text}': {error}", status=255)


def _check_limit(probes: list[UnitProbe], unit: Unit, diagnostics: Diagnostics) -> None:
    count = sum(not target.number("copy") for each in probes for target in each.targets)
    limit = unit.config.max_probes
    if count > limit:
        diagnostics.error(
            None,
            f"Can't attach to {count} probes because it exceeds the current limit of {limit} probes.\n"
            "You can increase the limit through the BPFTRACE_MAX_PROBES environment variable, but BE CAREFUL since a "
            "high number of probes attached can cause your system to crash.",
        )


# --- splitting ----------------------------------------------------------------------------------------------------


@frozen
class Uses:
    """What a body reads of its context: fields of `args` (None: all of it), `retval`, `argN`, the name of the probe and
    that of the traced function."""

    fields: frozenset[str] | None
    retval: bool
    arguments: bool
    named: bool
    function: bool

    def key(self, target: Target, host: Host) -> object:
        """Equal for targets whose contexts are the same for this body."""
        # Before Linux 5.15 there are no cookies to tell which target fired, nor does a return know its function.
        apart = (self.named and not host.has_feature("perf_link")) or (
            self.function and not host.has_feature("get_func_ip")
        )
        name = target.name if apart else ""
        if self.fields is not None and not (self.fields or self.retval or self.arguments):
            return name
        context = PROVIDERS[target.provider].context(target, host)
        args: object = (context.args_name, context.args)
        if self.fields is not None and context.args is not None:
            args = frozenset(field for field in context.args if field.name in self.fields)
        return (
            name,
            args if self.fields is None or self.fields else None,
            context.retval if self.retval else None,
            context.arguments if self.arguments else None,
        )


def uses_of(each: UnitProbe, unit: Unit) -> Uses:
    """What a probe of the script reads. Of `#define`s it is not known yet which are used: one may bring in anything."""
    defines = " ".join(line.text for line in unit.script.preamble if isinstance(line, tree.CLine))
    if _CONTEXT_WORDS.search(defines) is not None:
        return Uses(None, True, True, True, True)
    fields: set[str] = set()
    whole = 0
    retval = arguments = named = function = False
    for node in walk(each.probe.predicate, each.probe.body):
        if isinstance(node, tree.Member) and _is_named(node.obj, "args"):
            fields.add(node.name)
            whole -= 1
        elif isinstance(node, tree.Ident | tree.Call):
            # The walk comes to the `args` of `args.field` too, after the member.
            whole += node.name in ("args", "__builtin_args")
            retval = retval or node.name in ("retval", "__builtin_retval")
            named = named or node.name in ("probe", "__builtin_probe")
            function = function or node.name in ("func", "__builtin_func")
            arguments = arguments or _ARGUMENT.fullmatch(node.name.removeprefix("__builtin_")) is not None
    return Uses(None if whole else frozenset(fields), retval, arguments, named, function)


def _is_named(node: tree.Node, name: str) -> bool:
    return isinstance(node, tree.Ident | tree.Call) and node.name.removeprefix("__builtin_") == name


def _split(each: UnitProbe, unit: Unit, host: Host) -> list[UnitProbe]:
    if len(each.targets) == 1:
        return [each]
    uses = uses_of(each, unit)
    groups: dict[object, list[Target]] = {}
    # What a probe names twice runs its body twice; the kernel attaches a program to one event only once.
    times: dict[Target, int] = {}
    for target in each.targets:
        place = replace(target, label="")
        times[place] = times.get(place, 0) + 1
        key = (target.provider, PROVIDERS[target.provider].loading(target), uses.key(target, host), times[place])
        groups.setdefault(key, []).append(target)
    return [replace(each, targets=tuple(group)) for group in groups.values()]
