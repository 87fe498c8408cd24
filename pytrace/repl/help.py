"""`?name` and listings: what the registry, the providers and the commands say of themselves."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from pytrace.builtins.examples import EXAMPLES
from pytrace.probes import OLDER, PROVIDERS, SHORT, find_provider
from pytrace.probes.help import HELP
from pytrace.probes.provider import Host
from pytrace.repl.context import Command

__all__ = ["LANGUAGE", "overview", "probes", "topic", "topics"]

_WIDTH = 100
LANGUAGE: dict[str, tuple[str, str, str]] = {
    "if": ("if (condition) { … } else { … }", "Runs one of two blocks. It has a value where both blocks have one.",
           'kprobe:vfs_read { if (arg2 > 4096) { @large = count(); } else { @small = count(); } }'),
    "for": ("for $x : @map { … }\nfor $i : FROM..TO { … }",
            "Goes through the entries of a map, each a tuple of key and value; or counts, without the last number.",
            "kprobe:vfs_read { @[comm] = count(); } interval:s:1 { for $kv : @ { print($kv.0); } }"),
    "while": ("while (condition) { … }", "Repeats a block.", "begin { $n = 3; while ($n > 0) { print($n); $n--; } }"),
    "unroll": ("unroll (n) { … }", "Repeats a block n times, a literal from 1 to 100.",
               "begin { unroll (3) { print(rand); } }"),
    "return": ("return;", "Leaves the probe.", 'kprobe:vfs_read { if (comm == "cat") { return; } @ = count(); }'),
    "break": ("break;", "Leaves the loop around it.",
              "begin { for $i : 0..10 { if ($i == 3) { break; } print($i); } }"),
    "continue": ("continue;", "Goes on with the next round of the loop around it.",
                 "begin { for $i : 0..4 { if ($i == 1) { continue; } print($i); } }"),
    "let": ("let $x: type = value;\nlet @m = hash(entries);",
            "Declares a variable, with or without type and value; at top level a map with its kind and size.",
            "let @m = lruhash(100); begin { let $n: uint8 = 7; @m[1] = $n; }"),
    "macro": ("macro name($variable, @map, expression) { … }",
              "A piece of a script by name. Its last value is its own.",
              "macro double(x) { x * 2 } begin { print(double(21)); }"),
    "config": ("config = { NAME = value; … }", "Settings, at the beginning of a script. `?settings` lists them.",
               "config = { max_strlen = 256 } begin { }"),
    "sizeof": ("sizeof(type)\nsizeof(expression)", "How many bytes a value takes.",
               "begin { print(sizeof(struct task_struct)); }"),
    "offsetof": ("offsetof(type, field)", "Where a field begins in its structure, in bytes.",
                 "begin { print(offsetof(struct task_struct, comm)); }"),
    "typeof": ("typeof(expression)", "The type of an expression, where a type can stand.",
               "begin { $x = (typeof(pid))7; print($x); }"),
    "typeinfo": ("typeinfo(expression)", "The type of an expression as a record of texts: .full_type, .base_type.",
                 "config = { unstable_typeinfo = enable } begin { print(typeinfo(pid).full_type); }"),
    "comptime": ("comptime expression", "Evaluates an expression while the script is compiled.",
                 "begin { if comptime (is_str(comm)) { print(comm); } }"),
}  # fmt: skip
_SUBJECTS = {
    "predicate": "PROBE /condition/ { … }\n\n    The body runs only where the condition holds.\n\n"
    "    kprobe:vfs_read /pid == 1/ { @ = count(); }",
    "maps": "@name    @name[key]    @name[key, key]\n\n    Values that all blocks share, and that live as long as the "
    "session. `@` is a name too.\n    A map that a map function fills aggregates in the kernel: @[comm] = count().\n\n"
    "    see " + ", ".join(("?count", "?sum", "?min", "?max", "?avg", "?stats", "?hist", "?lhist", "?tseries")),
    "variables": "$name\n\n    Values of one run of a probe.\n\n    kprobe:vfs_read { $size = arg2; @ = hist($size); }",
}


def topics(commands: Sequence[Command] = ()) -> Iterator[tuple[str, str]]:
    """What can be asked for, each with half a line about it."""
    from pytrace.builtins import REGISTRY
    from pytrace.semantics.library import MACROS

    for name, builtin in REGISTRY.items():
        if not builtin.internal:
            yield name, _first_sentence(builtin.doc)
    for name in sorted(MACROS):
        yield name, _first_sentence(_macro(name)[1])
    for name, known in HELP.items():
        yield name, known.summary
    for name, (_, doc, _) in LANGUAGE.items():
        yield name, _first_sentence(doc)
    yield from ((name, "") for name in (*_SUBJECTS, "probes", "functions", "settings", "commands"))
    for command in commands:
        yield f":{command.name}", command.help


def topic(name: str, commands: Sequence[Command] = ()) -> str:
    """What there is to be said about a builtin, a function, a word of the language, a provider, or a command. Of a name
    that nothing has: the nearest ones. Ends in a newline."""
    from pytrace.builtins import REGISTRY

    name = name.strip().removesuffix("()")
    if not name:
        return overview(commands)
    parts = []
    if name in ("probes", "providers"):
        return "".join(f"{each:<14} {HELP[each].summary}\n" for each in PROVIDERS)
    if name in ("functions", "builtins"):
        return _families()
    if name in ("settings", "config"):
        parts += [_settings()]
    if name == "commands":
        return "".join(f"{each.spelling:<26} {each.help}\n" for each in commands)
    command = next((each for each in commands if each.name == name.removeprefix(":")), None)
    if command is not None:
        parts.append(_page([command.spelling], f"{command.help[:1].upper()}{command.help[1:]}.", command.example))
    if name in REGISTRY:
        builtin = REGISTRY[name]
        note = " Needs --unsafe." if builtin.unsafe else ""
        parts.append(_page(builtin.signatures, builtin.doc + note, EXAMPLES.get(name, "")))
    parts += _more(name)
    return "\n".join(parts) if parts else _unknown(name, commands)


def _more(name: str) -> Iterator[str]:
    """The pages of a name that do not come from the registry."""
    from pytrace.semantics.library import MACROS

    if name in MACROS:
        signature, doc = _macro(name)
        yield _page([signature], doc, EXAMPLES.get(name, ""))
    if name in LANGUAGE:
        syntax, doc, example = LANGUAGE[name]
        yield _page(syntax.split("\n"), doc, example)
    if name in _SUBJECTS:
        yield f"{_SUBJECTS[name]}\n"
    provider = find_provider(name.partition(":")[0])
    if provider is not None:
        known = HELP[provider.name]
        others = [each for each, full in {**SHORT, **OLDER}.items() if full == provider.name]
        syntax_lines = [*known.syntax, *([f"short: {', '.join(others)}"] if others else [])]
        doc = f"{known.summary[:1].upper()}{known.summary[1:]}. {known.doc}"
        yield _page(syntax_lines, doc, known.example)


def _page(signatures: Iterable[str], doc: str, example: str = "") -> str:
    lines = [*signatures, "", *textwrap.wrap(doc, _WIDTH, initial_indent="    ", subsequent_indent="    ")]
    if example:
        lines += ["", *textwrap.wrap(example, _WIDTH, initial_indent="    ", subsequent_indent="      ",
                                     break_long_words=False, break_on_hyphens=False)]  # fmt: skip
    return "\n".join(lines) + "\n"


def _first_sentence(doc: str) -> str:
    return doc.partition(". ")[0].rstrip(".")


def _macro(name: str) -> tuple[str, str]:
    """The signature of a macro of the library, and the comment in front of it."""
    from pytrace.semantics.library import macros

    macro = macros(name)[0]
    before = macro.span.source.text[: macro.span.start].rstrip()
    lines = []
    for line in reversed(before.split("\n")):
        if not line.startswith("//"):
            break
        lines.append(line[2:].strip())
    parameters = ", ".join(f"{each.sigil}{each.name}" for each in macro.params)
    return f"{name}({parameters})", " ".join(reversed(lines))


def _families() -> str:
    """All builtins, by what they are about."""
    from pytrace.builtins import REGISTRY
    from pytrace.semantics.library import MACROS

    families: dict[str, list[str]] = {}
    for name, builtin in REGISTRY.items():
        if not builtin.internal:
            families.setdefault(builtin.family, []).append(name)
    families.setdefault("checks", []).extend(sorted(MACROS))
    text = []
    for family, names in families.items():
        text += textwrap.wrap(f"{family:<14} {', '.join(names)}", _WIDTH, subsequent_indent=" " * 15)
    return "\n".join(text) + "\n"


def _settings() -> str:
    from pytrace.frozen import fields
    from pytrace.semantics.configuration import Config

    rows = []
    for each in fields(Config):
        value = f'"{each.default}"' if isinstance(each.default, str) else str(each.default).lower()
        rows.append(f"{each.name:<26} {value}")
    return "\n".join(["Settings and their defaults:", "", *rows]) + "\n"


def _unknown(name: str, commands: Sequence[Command]) -> str:
    from difflib import get_close_matches

    known = dict.fromkeys([*(each for each, _ in topics(commands)), *SHORT])
    close = get_close_matches(name, known, 2, 0.6) or [each for each in known if len(name) > 1 and name in each][:4]
    advice = f"; did you mean {' or '.join(f'?{each}' for each in close)}" if close else ""
    return f"nothing is known about {name}{advice}{'?' if close else ''}\n"


def overview(commands: Sequence[Command] = ()) -> str:
    """The first page."""
    lines = [
        "PROBE { … }                a block: runs at the events of a probe until it is stopped",
        "PROBE /condition/ { … }    only where a condition holds",
        "= EXPRESSION               evaluates once",
        "@map                       prints a map now",
        "?NAME                      help: ?hist ?tracepoint ?probes ?functions ?settings",
        "",
        *(f"{each.spelling:<26} {each.help}" for each in commands),
    ]
    return "\n".join(lines).rstrip() + "\n"


def probes(pattern: str, host: Host, *, verbose: bool = False, limit: int = 1000) -> Iterator[str]:
    """The lines of a listing (`:l PATTERN`), no more than `limit` of them; the line after that says that there are
    more. Raises `OSError` as listing does."""
    from pytrace.probes.listing import list_pattern

    lines = list_pattern(pattern, host, verbose=verbose)
    shown = 0
    for line in islice(lines, limit):
        shown += 1
        yield line
    if not shown:
        yield f"nothing matches {pattern}"
    elif shown == limit and next(lines, None) is not None:
        yield f"… and more: the first {limit:,} lines are shown"
