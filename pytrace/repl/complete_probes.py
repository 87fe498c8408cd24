"""What can stand where an attach point is typed: providers, and the probes of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import islice

from pytrace.probes import PROVIDERS, SHORT, find_provider
from pytrace.probes.binaries import FileState, find_binaries, native
from pytrace.probes.help import HELP
from pytrace.repl.completion import Choice, Completion, choose
from pytrace.repl.machine import FAILURES, PromptHost
from pytrace.repl.matcher import LIMIT, Names, folded_query, rank

__all__ = ["complete_attach_point", "complete_file"]

_FUNCTIONS = ("kprobe", "kretprobe")
_TYPED = ("fentry", "fexit")
_IN_FILES = ("uprobe", "uretprobe", "usdt")
_SOME = 40
_MANY = 20000
"""Functions of a program from which on preparing them for a quick search takes longer than searching."""
_MAX_FILES = 2000
_UNITS = {"hz": "times a second", "s": "seconds", "ms": "milliseconds", "us": "microseconds"}

Search = Callable[[str], list[str]]


def complete_attach_point(word: str, start: int, host: PromptHost) -> list[Completion]:
    """For the word that starts at `start` and ends at the cursor."""
    label = word.find("=")
    if 0 <= label < (word.find(":") if ":" in word else len(word)):
        start, word = start + label + 1, word[label + 1 :]
    name, colon, rest = word.partition(":")
    if not colon:
        return [*choose(_providers(), name, start), *_anywhere(name, start, host)]
    provider = find_provider(name)
    if provider is None or '"' in rest:
        return []
    start += len(name) + 1
    if provider.name in _IN_FILES:
        return _in_file(provider.name, rest, start, host)
    if provider.name in ("interval", "profile"):
        return [] if ":" in rest else choose(
            (Choice(unit, meta, f"{unit}:") for unit, meta in _UNITS.items()), rest, start
        )  # fmt: skip
    if provider.name in ("software", "hardware"):
        return [] if ":" in rest else choose(_events(provider.name), rest, start)
    if provider.name == "self":
        return choose((Choice("signal:SIGUSR1"),), rest, start)
    names, describe = _of_kernel(provider.name, host)
    module, colon, function = rest.rpartition(":")
    if colon and provider.name != "tracepoint":
        own = _bpf_functions(host) if module == "bpf" and provider.name in _TYPED else host.index.modules.get(module)
        if own is None and module != "vmlinux":
            return []
        start, rest = start + len(module) + 1, function
        if own is not None:
            return choose((Choice(each) for each in own), rest, start)[:LIMIT]
    found = [Completion(each, start, meta=partial(describe, each)) for each in names(rest)]
    if provider.name in (*_FUNCTIONS, *_TYPED):
        modules = (Choice(each, f"{len(own):,} functions of a module", f"{each}:")
                   for each, own in host.index.modules.items())  # fmt: skip
        found += choose(modules, rest, start)[:_SOME]
    if provider.name in _TYPED:
        found += choose((Choice("bpf", "functions of BPF programs that are loaded", "bpf:"),), rest, start)
    return found


def _bpf_functions(host: PromptHost) -> list[str]:
    try:
        return sorted({name for _, name in host.kernel.bpf_functions(0, "*")})
    except FAILURES:
        return []


def _providers() -> Iterator[Choice]:
    short = {full: each for each, full in SHORT.items()}
    for name in PROVIDERS:
        known = HELP[name]
        begins = known.syntax[0]
        text = name if begins == name else f"{name}:"
        yield Choice(name, known.summary, text, text)
        if name in short:
            yield Choice(short[name], f"{name}: {known.summary}", f"{short[name]}:", f"{short[name]}:")


def _events(provider: str) -> Iterator[Choice]:
    from pytrace.probes.counters import CounterProvider

    found = PROVIDERS[provider]
    if isinstance(found, CounterProvider):
        for event, count in found.EVENTS.items():
            yield Choice(event, f"every {count:,}th" if count > 1 else "every one")
        for alias, event in found.ALIASES.items():
            yield Choice(alias, event)


# --- the kernel ---------------------------------------------------------------------------------------------------


def _of_kernel(provider: str, host: PromptHost) -> tuple[Search, Callable[[str], str]]:
    """How the probes of a provider are searched for, and described."""
    index = host.index
    if provider == "tracepoint":
        return lambda query: entries_first(index.names("tracepoints").search(query)), partial(_tracepoint_fields, host)
    if provider == "rawtracepoint":
        return index.names("rawtracepoints").search, lambda name: index.trace_arguments.get(name, "")
    if provider == "iter":
        return index.names("iterators").search, partial(_arguments, host, provider)
    if provider in _TYPED:
        return partial(index.names("functions").search, among=index.typed), partial(_parameters, host)
    if provider in _FUNCTIONS:
        return index.names("functions").search, partial(_parameters, host)
    return lambda query: [], lambda name: ""


def entries_first(names: list[str]) -> list[str]:
    """The names, with the entry of each system call in front of its exit."""
    known, placed = set(names), dict[str, None]()
    for name in names:
        entry = name.replace(":sys_exit_", ":sys_enter_", 1)
        if entry in known:
            placed[entry] = None
        placed[name] = None
    return list(placed)


def _tracepoint_fields(host: PromptHost, name: str) -> str:
    category, _, event = name.partition(":")
    try:
        fields = _format(host, category, event)
    except FAILURES:
        return ""
    return ", ".join(fields)


@lru_cache(maxsize=4096)
def _format(host: PromptHost, category: str, event: str) -> tuple[str, ...]:
    fields = host.tracefs.format(category, event).fields
    return tuple(each.name for each in fields if not each.common and each.name != "__syscall_nr")


def _parameters(host: PromptHost, name: str) -> str:
    try:
        return ", ".join(host.parameters(name))
    except FAILURES:
        return ""


def _arguments(host: PromptHost, provider: str, name: str) -> str:
    try:
        found = host.target_of(f"{provider}:{name}")
        lines = found[0].argument_lines(found[1], host) if found is not None else []
    except FAILURES:
        return ""
    return ", ".join(line.rpartition(" ")[2].lstrip("*") for line in lines)


def _anywhere(query: str, start: int, host: PromptHost) -> list[Completion]:
    """Probes by a part of their names, without their provider."""
    if len(folded_query(query)) < 2:
        return []
    found: list[tuple[tuple[int, int, int], int, Completion]] = []
    for order, provider in enumerate(("tracepoint", "kprobe", "rawtracepoint")):
        names, describe = _of_kernel(provider, host)
        for name in islice(names(query), _SOME):
            text = f"{provider}:{name}"
            found.append((rank(folded_query(query), name.lower()), order,
                          Completion(text, start, meta=partial(describe, name))))  # fmt: skip
    found.sort(key=lambda each: each[:2])
    return [completion for _, _, completion in found]


# --- files --------------------------------------------------------------------------------------------------------


def complete_file(
    typed: str, start: int, *, only: Callable[[os.DirEntry[str]], bool] | None = None
) -> list[Completion]:
    """Files whose path begins like that; folders end in `/`. `~` is the home."""
    folder, _, name = typed.rpartition("/")
    at = os.path.expanduser(folder + "/") if "/" in typed else "."
    choices = []
    try:
        with os.scandir(at) as entries:
            for entry in islice(entries, _MAX_FILES):
                if entry.name.startswith(".") and not name.startswith("."):
                    continue
                if entry.is_dir():
                    choices.append(Choice(entry.name, "folder", f"{entry.name}/", f"{entry.name}/"))
                elif only is None or only(entry):
                    choices.append(Choice(entry.name))
    except OSError:
        return []
    choices.sort(key=lambda each: each.name)
    return choose(choices, name, start + len(typed) - len(name))


def _is_program(entry: os.DirEntry[str]) -> bool:
    """Whether a file may be what uprobes go into: it can be executed, or is a library by its name."""
    try:
        return bool(entry.stat().st_mode & 0o111) or ".so" in entry.name
    except OSError:
        return False


def _in_file(provider: str, rest: str, start: int, host: PromptHost) -> list[Completion]:
    path, colon, name = rest.partition(":")
    if not colon:
        if "/" in path or path.startswith((".", "~")):
            return [_before_name(each) for each in complete_file(path, start, only=_is_program)]
        return [_before_name(each) for each in choose(_programs(host.pid), path, start)[:LIMIT]]
    try:
        binaries = find_binaries(as_script(path), host.pid)
    except FAILURES:
        return []
    if not binaries:
        return []
    start += len(path) + 1
    if provider == "usdt":
        return _usdt(binaries[0].path, name, start)
    if ":" in name or "@" in path:
        return []
    return [Completion(as_typed(each), start) for each in _symbols(binaries[0].path).search(as_script(name))]


def _before_name(completion: Completion) -> Completion:
    """A file, to go on with what is in it."""
    if completion.text.endswith("/"):
        return completion
    return Completion(f"{completion.text}:", completion.start, completion.display, completion.meta)


def as_script(text: str) -> str:
    """What was typed as scripts hold it: one character per byte."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def as_typed(text: str) -> str:
    """The other way round."""
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


def _usdt(path: str, name: str, start: int) -> list[Completion]:
    from pytrace.probes.usdt_places import probes_of

    names = dict.fromkeys(f"{each.provider}:{each.name}" for each in probes_of(path))
    return choose(map(Choice, names), name, start)[:LIMIT]


def _symbols(path: str) -> Names:
    try:
        return _symbols_of(path, FileState.of(native(path)))
    except FAILURES:
        return Names.of(())


@lru_cache(maxsize=4)
def _symbols_of(path: str, state: FileState) -> Names:
    from pytrace.probes.user_places import functions

    names = [name for name in functions(path) if ".part." not in name]
    return Names.of(names, prepared=len(names) < _MANY)


def _programs(pid: int | None) -> Iterable[Choice]:
    """What can be named without its folder: libraries that the loader knows, programs of $PATH; with -p also what the
    process has mapped."""
    from pytrace.kernel.elf import known_libraries

    if pid is not None:
        yield from (Choice(as_typed(path), "mapped") for path in _mapped(pid))
    seen = set()
    for library, path in known_libraries():
        short = library.partition(".so")[0]
        if library.startswith("lib") and short not in seen:
            seen.add(short)
            yield Choice(short, path)
    for folder in os.environ.get("PATH", "").split(":"):
        try:
            with os.scandir(folder or ".") as entries:
                names = [entry.name for entry in islice(entries, _MAX_FILES)]
        except OSError:
            continue
        yield from (Choice(name, folder) for name in names if name not in seen)
        seen.update(names)


def _mapped(pid: int) -> list[str]:
    from pytrace.probes.binaries import shown

    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").split(None, 5) for line in file]
    except OSError:
        return []
    return sorted({shown(each[5]) for each in lines if len(each) == 6 and "x" in each[1] and each[5].startswith("/")})
