"""`-l`: the probes and kernel types that match a pattern, or the probes of a program (PROBES 6)."""

from __future__ import annotations

import os

from pytrace.hints import Iterator
from pytrace.probes import PROVIDERS, find_provider
from pytrace.probes.patterns import has_wildcard, literal_prefix, matcher
from pytrace.probes.provider import Host, Provider, Spec
from pytrace.semantics.unit import Unit

__all__ = ["list_pattern", "list_unit", "warns_about_file"]

_TYPE_KINDS = ("struct", "union", "enum")


def warns_about_file(pattern: str) -> str | None:
    """The warning for a pattern that looks like the name of a file which does not exist."""
    if "." in pattern and ":" not in pattern and "*" not in pattern and not os.path.exists(pattern):
        return (
            f"It appears that '{pattern}' is a filename but the file does not exist. Treating '{pattern}' as a search "
            "pattern."
        )
    return None


def list_pattern(patterns: str | None, host: Host, *, verbose: bool) -> Iterator[str]:
    """The lines of `-l [PATTERN[,PATTERN]]`, without newlines.

    `patterns` is text of a script: one character per byte. Complete lists take well under a second, those of all
    functions with their parameters one and a half.
    """
    for pattern in _split(patterns) if patterns else ["*"]:
        words = pattern.split()
        if len(words) == 2 and words[0] in _TYPE_KINDS:
            yield from _types(words[0], words[1], verbose)
        else:
            for name, arguments in _probes(pattern, host, verbose):
                yield name
                yield from (f"    {argument}" for argument in arguments)


def _split(patterns: str) -> list[str]:
    """At commas outside of quotes."""
    parts, start, quoted = [], 0, False
    for at, char in enumerate(patterns):
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            parts.append(patterns[start:at])
            start = at + 1
    parts.append(patterns[start:])
    return [part.strip() for part in parts if part.strip()]


def _probes(pattern: str, host: Host, verbose: bool) -> Iterator[tuple[str, list[str]]]:
    from pytrace.semantics.attach_points import WordError, split_word

    if pattern == "*":
        for provider in _listed(user=host.pid is not None):
            yield from provider.listing(None, host, verbose)
        return
    try:
        first, *parts = split_word(pattern, None)
    except WordError:
        return
    user = host.pid is not None or (bool(parts) and parts[0] != "" and os.path.exists(parts[0]))
    if parts:
        providers = _named(first, user)
        # An empty last part is one still to be written.
        parts[-1] = parts[-1] or "*"
    else:
        # One word is looked for in what every provider lists.
        providers, parts = _listed(user=host.pid is not None), [first]
    for provider in providers:
        if len(parts) <= provider.listed_parts:
            yield from provider.listing(_spec(provider, pattern, parts), host, verbose)


def _spec(provider: Provider, text: str, parts: list[str]) -> Spec:
    from pytrace.diagnostics import Source, Span

    return Spec(provider.name, text, tuple(parts), Span(Source("", text), 0, len(text)))


def _listed(*, user: bool) -> list[Provider]:
    kinds = ("kernel", "user") if user else ("kernel",)
    return sorted((each for each in PROVIDERS.values() if each.listed in kinds), key=lambda each: each.name)


def _named(name: str, user: bool) -> list[Provider]:
    if "*" not in name:
        provider = find_provider(name)
        return [provider] if provider is not None else []
    matches = matcher(name.lower())
    return [each for each in _listed(user=user) if matches(each.name)]


def list_unit(unit: Unit, host: Host, *, verbose: bool) -> Iterator[str]:
    """The lines of `-l -e PROGRAM`: the attach points of a script that went through the matching pass."""
    for each in unit.probes:
        for target in each.targets:
            provider = PROVIDERS[target.provider]
            if provider.name in ("begin", "end", "self"):
                continue
            spec = next(spec for spec in each.specs if spec.provider == target.provider)
            yield provider.listed_target(target, spec)
            if verbose:
                yield from (f"    {line}" for line in provider.argument_lines(target, host))


def _types(kind: str, pattern: str, verbose: bool) -> Iterator[str]:
    from pytrace.kernel import btf
    from pytrace.kernel.btf_print import definition

    kinds = {"struct": (btf.Kind.STRUCT,), "union": (btf.Kind.UNION,), "enum": (btf.Kind.ENUM, btf.Kind.ENUM64)}[kind]
    kernel = btf.kernel_btf()
    if kernel is None:
        return
    modules = (btf.module_btf(name) for name in btf.modules())
    for source in (kernel, *(each for each in modules if each is not None)):
        if has_wildcard(pattern):
            prefix, matches = literal_prefix(pattern), matcher(pattern)
            names = sorted(
                name
                for each in kinds
                for name in source.names(each)
                if name.startswith(prefix) and matches(name)
            )
        else:
            names = [pattern]
        for name in names:
            type_ = next(source.find_all(name, *kinds), None)
            if type_ is None:
                continue
            if verbose:
                yield from f"{source.name}: {definition(source, type_)}".split("\n")
                yield ""
            else:
                yield f"{kind} {name}"
