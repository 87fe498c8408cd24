"""Attach points: raw words become specifications of their providers.

A word is split at its colons (PROBES 1.1), positional parameters put in place, the provider found by name, and the
provider reads the parts. When every word of the script could be read, the providers check what the parts name: units,
events, target files. Whether the probes exist on this machine is for the matching pass.
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics, Span
from pytrace.frozen import frozen, replace
from pytrace.hints import Iterator, Sequence
from pytrace.probes import PROVIDERS, find_provider, wildcard_providers
from pytrace.probes.numbers import BadNumber, number
from pytrace.probes.provider import Host, Provider, Spec
from pytrace.semantics.unit import Unit, UnitProbe
from pytrace.syntax import tree

__all__ = ["WordError", "parse", "split_word"]

MAX_SUBSTITUTIONS = 1000
"""A parameter may contain `$N` again; this many replacements in one word mean that one contains itself."""


class WordError(Exception):
    """A word cannot be split."""


def split_word(word: str, positional: Sequence[str] | None = ()) -> list[str]:
    """The parts of an attach point. Raises `WordError`.

    `@` ends a part too and is a part of its own. Quotes protect `:`, `@` and `$` and are removed. Without parameters
    (None: a listing pattern) `$` is a character like any other.
    """
    parts: list[str] = []
    part: list[str] = []
    quoted = False
    pending = list(reversed(word))
    substitutions = 0
    while pending:
        char = pending.pop()
        if char == '"':
            quoted = not quoted
        elif quoted:
            if char == "\\" and pending:
                char = pending.pop()
            part.append(char)
        elif char == ":":
            parts.append("".join(part))
            part.clear()
        elif char == "@":
            parts += ["".join(part), "@"]
            part.clear()
        elif char == "$" and positional is not None:
            substitutions += 1
            if substitutions > MAX_SUBSTITUTIONS:
                raise WordError("positional parameters refer to each other without end")
            text = _parameter(pending, positional)
            pending.extend(reversed(text))
        else:
            part.append(char)
    parts.append("".join(part))
    return parts


def _parameter(pending: list[str], positional: Sequence[str]) -> str:
    """The text of the parameter whose number comes next in the reversed input, which is taken off it."""
    digits = ""
    while pending and pending[-1] in "0123456789" and (digits or pending[-1] != "0"):
        digits += pending.pop()
    if not digits:
        if not pending:
            raise WordError("positional parameter is not valid: invalid integer: ")
        char = pending[-1]
        raise WordError(
            f"invalid trailing character for positional param: {char}. Try quoting this entire part if this is "
            f'intentional e.g. "${char}".'
        )
    try:
        index = number(digits)
    except BadNumber as error:
        raise WordError(f"positional parameter is not valid: {error}") from None
    return positional[index - 1] if index <= len(positional) else ""


@frozen
class _Reader:
    positional: Sequence[str]
    host: Host
    diagnostics: Diagnostics

    def read(self, text: str, span: Span) -> Iterator[Spec]:
        """The specs of one attach point: several if its provider is a pattern, none after an error."""
        try:
            first, *parts = split_word(text, self.positional)
        except WordError as error:
            self.diagnostics.error(span, str(error))
            return
        label, equals, name = first.partition("=")
        if not equals:
            label, name = "", first
        if not name:
            # `,,` and a trailing comma leave empty words, which mean nothing.
            return
        if "*" in name:
            yield from self._pattern(name, label, text, parts, span)
            return
        provider = find_provider(name)
        if provider is None:
            self.diagnostics.error(span, f"Invalid probe type: {name}")
            return
        spec = provider.parse(self._spec(provider, text, parts, span, label), self.diagnostics)
        if spec is not None:
            yield spec

    def _spec(self, provider: Provider, text: str, parts: list[str], span: Span, label: str) -> Spec:
        return Spec(provider.name, text, tuple(parts), span, label)

    def _pattern(self, name: str, label: str, text: str, parts: list[str], span: Span) -> Iterator[Spec]:
        providers = wildcard_providers(name, user=self.host.pid is not None or (bool(parts) and "/" in parts[0]))
        if not providers:
            self.diagnostics.error(span, f"No probe type matched for {name}")
            return
        specs = []
        for provider in providers:
            # What does not fit this provider was meant for another one.
            spec = provider.parse(self._spec(provider, text, parts, span, label), Diagnostics())
            if spec is not None:
                specs.append(spec)
        if not specs:
            self.diagnostics.error(span, f"No probe type matched for {name} fits {text}")
        yield from specs


def parse(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """Give every probe of the script its specs."""
    host = _host(unit)
    reader = _Reader(unit.options.positional, host, diagnostics)
    probes = []
    for item in unit.script.items:
        if isinstance(item, tree.Probe):
            errors = len(diagnostics.errors)
            specs = tuple(spec for point in item.attach_points for spec in reader.read(point.text, point.span))
            if not specs and len(diagnostics.errors) == errors:
                diagnostics.error(item.span, "No attach points for probe")
            probes.append(UnitProbe(item, specs))
    if not diagnostics.errors:
        probes = _check(probes, host, diagnostics)
    return replace(unit, probes=tuple(probes), host=host)


def _host(unit: Unit) -> Host:
    from pytrace.probes.host import MachineHost

    if isinstance(unit.host, MachineHost):
        return unit.host.configured(unit.config)
    return unit.host or MachineHost(unit.options, unit.config)


def _check(probes: list[UnitProbe], host: Host, diagnostics: Diagnostics) -> list[UnitProbe]:
    """What the parts name; relations between the specs of a probe and of the script."""
    by_provider: dict[str, list[Spec]] = {}
    checked = []
    for each in probes:
        specs: list[Spec] = []
        for spec in each.specs:
            specs += PROVIDERS[spec.provider].check(spec, host, diagnostics)
        for spec in each.specs:
            by_provider.setdefault(spec.provider, []).append(spec)
            if PROVIDERS[spec.provider].alone and len(each.specs) > 1:
                diagnostics.error(each.specs[-1].span, f"{spec.provider} probe only supports one attach point.")
                break
        checked.append(replace(each, specs=tuple(specs)))
    for name, all_specs in by_provider.items():
        PROVIDERS[name].check_script(all_specs, diagnostics)
    return checked

