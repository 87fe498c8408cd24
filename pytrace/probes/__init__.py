"""Probes: what a program can be attached to. One file for each provider.

`PROVIDERS` gives a provider by its name and imports its file only then: a cached script needs just its own.
`find_provider` knows the other spellings.

| file | |
|---|---|
| `provider.py` | what a provider is; specs, targets, contexts, attachments |
| `numbers.py`, `patterns.py`, `registers.py` | parts of specifications; registers |
| `host.py` | what expansion asks of the machine |
| `listing.py` | `-l` |
| the others | a provider each, or a pair that differs in little |
"""

from __future__ import annotations

from pytrace.hints import Iterator, Mapping
from pytrace.once import imported
from pytrace.probes.patterns import matcher
from pytrace.probes.provider import Provider

__all__ = ["OLDER", "PROVIDERS", "SHORT", "find_provider", "wildcard_providers"]

_FILES = {
    "begin": "begin_end", "end": "begin_end", "self": "begin_end", "test": "test_bench", "bench": "test_bench",
    "kprobe": "kprobe", "kretprobe": "kprobe", "fentry": "fentry", "fexit": "fentry",
    "rawtracepoint": "rawtracepoint", "tracepoint": "tracepoint", "uprobe": "uprobe", "uretprobe": "uprobe",
    "usdt": "usdt", "profile": "profile", "interval": "interval", "software": "software", "hardware": "hardware",
    "watchpoint": "watchpoint", "iter": "iterator",
}  # fmt: skip


class _Providers(Mapping[str, Provider]):
    def __init__(self) -> None:
        self._loaded: dict[str, Provider] = {}

    def __getitem__(self, name: str) -> Provider:
        provider = self._loaded.get(name)
        if provider is None:
            module = imported(f"pytrace.probes.{_FILES[name]}")
            self._loaded.update({each.name: each for each in module.PROVIDERS})
            provider = self._loaded[name]
        return provider

    def __iter__(self) -> Iterator[str]:
        return iter(_FILES)

    def __len__(self) -> int:
        return len(_FILES)


PROVIDERS: Mapping[str, Provider] = _Providers()


SHORT = {
    "k": "kprobe", "kr": "kretprobe", "f": "fentry", "fr": "fexit", "rt": "rawtracepoint", "t": "tracepoint",
    "u": "uprobe", "ur": "uretprobe", "U": "usdt", "p": "profile", "i": "interval", "s": "software", "h": "hardware",
    "w": "watchpoint", "it": "iter",
}  # fmt: skip
"""Short names; they are case-sensitive."""
OLDER = {"kfunc": "fentry", "kretfunc": "fexit"}
"""Names of earlier versions, as full names."""


def find_provider(spelling: str) -> Provider | None:
    """The provider that a script names: full and older names in any case, short names exactly."""
    name = spelling.lower()
    name = SHORT.get(spelling) or OLDER.get(name, name)
    return PROVIDERS[name] if name in _FILES else None


def wildcard_providers(pattern: str, *, user: bool) -> list[Provider]:
    """The providers that a name with `*` stands for, by name: those that are listed for the kernel, and with `user`
    also those for user space."""
    matches = matcher(pattern.lower())
    kinds = ("kernel", "user") if user else ("kernel",)
    return sorted(
        (each for each in PROVIDERS.values() if each.listed in kinds and matches(each.name)), key=lambda p: p.name
    )
