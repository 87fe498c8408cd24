"""The reference as Markdown pages: `docs/reference/NAME.md`."""

from __future__ import annotations

from collections.abc import Iterable

from pytrace.builtins import REGISTRY
from pytrace.builtins.registry import Builtin
from pytrace.frozen import fields
from pytrace.options import OPTIONS, Option
from pytrace.probes import OLDER, SHORT
from pytrace.reference.examples import EXAMPLES
from pytrace.reference.language import MACROS, SYNTAX, Entry
from pytrace.reference.providers import PROVIDERS
from pytrace.reference.settings import ENVIRONMENT, SETTINGS
from pytrace.semantics.configuration import Config

__all__ = ["option_spelling", "pages", "public"]

_TITLES = {
    "context": "The traced event", "process": "Processes", "cpu": "Processors", "time": "Time", "output": "Output",
    "maps": "Maps", "strings": "Strings", "memory": "Memory", "stacks": "Stacks", "symbols": "Symbols",
    "network": "Network addresses and packets", "control": "Changing the system, and control groups",
    "introspection": "What is known while compiling", "configuration": "Configuration",
}
_HEAD = "<!-- Made by python -m pytrace.reference: change the declarations instead. -->\n"


def public() -> list[Builtin]:
    """The builtins that users are told about, `dw_ustack` too where there is one; arg0 … arg9 are one."""
    return [builtin for builtin in REGISTRY.values() if not builtin.internal and builtin.signatures]


def _block(script: str) -> str:
    return f"```\n{script}\n```\n"


def _entry(signatures: Iterable[str], doc: str, example: str, marks: str = "") -> str:
    shown = ", ".join(f"`{signature}`" for signature in signatures)
    return f"{shown}{marks}\n\n{doc}\n\n{_block(example)}"


def _builtin(builtin: Builtin) -> str:
    name, signatures, doc = builtin.name, builtin.signatures, builtin.doc
    if name == "arg0":
        name, signatures = "arg0 … arg9", ("arg0", "…", "arg9")
        doc = "The arguments of the traced function, counted from 0, as they are passed in registers."
    marks = " (only with `--unsafe`)" if builtin.unsafe else ""
    return f"### {name}\n\n{_entry(signatures, doc, EXAMPLES[builtin.name], marks)}"


def _is_shown(builtin: Builtin) -> bool:
    return not (builtin.name.startswith("arg") and builtin.name[3:].isdigit() and builtin.name != "arg0")


def _family(family: str) -> str:
    return "\n".join(_builtin(each) for each in public() if each.family == family and _is_shown(each))


def _functions() -> str:
    missing = {each.family for each in public()} - set(_TITLES) - {"aggregations"}
    if missing:
        raise ValueError(f"no title for the builtins of {', '.join(sorted(missing))}")
    parts = [
        _HEAD + "# Builtins and functions\n",
        "What takes no arguments may be written without parentheses: `pid` and `pid()` are the same.\n",
    ]
    parts += [f"## {title}\n\n{_family(family)}" for family, title in _TITLES.items()]
    parts += ["## Types\n", *map(_word, SYNTAX), "## Macros of the library\n", *map(_word, MACROS)]
    return "\n".join(parts)


def _word(entry: Entry) -> str:
    return f"### {entry.name}\n\n{_entry(entry.signatures, entry.doc, EXAMPLES[entry.name])}"


def _map_functions() -> str:
    intro = (
        "A map function stands alone on the right side of an assignment to a map. Its value is kept for each CPU and "
        "put together when it is read.\n"
    )
    return "\n".join([_HEAD + "# Map functions\n", intro, _family("aggregations")])


def _default(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _configuration() -> str:
    lines = [
        _HEAD + "# Configuration\n",
        "Variables are set in a block at the start of a script, or by environment variables, which win:\n",
        _block("config = { max_strlen = 200; stack_mode = perf }"),
        _block("BPFTRACE_MAX_STRLEN=200 pytrace script.bt"),
        "| variable | values | default | |\n| --- | --- | --- | --- |",
    ]
    for each in fields(Config):
        if each.name in SETTINGS:
            values, doc = SETTINGS[each.name]
            lines.append(f"| `{each.name}` | {values} | `{_default(each.default)}` | {doc} |")
    lines += ["\n## Environment\n", "| variable | |\n| --- | --- |"]
    lines += [f"| `{name}` | {doc} |" for name, doc in ENVIRONMENT.items()]
    return "\n".join(lines) + "\n"


def _probes() -> str:
    parts = [
        _HEAD + "# Probes\n",
        "A probe is `PROVIDER:PARTS /CONDITION/ { STATEMENTS }`; several may share a body, separated by commas. "
        "`*` in a name stands for any text. `pytrace -l PATTERN` lists what there is.\n",
    ]
    for name, (spellings, doc, example) in PROVIDERS.items():
        others = [f"`{short}`" for short, full in (*SHORT.items(), *OLDER.items()) if full == name]
        also = f" Also written {', '.join(others)}." if others else ""
        shown = ", ".join(f"`{spelling}`" for spelling in spellings)
        parts.append(f"## {name}\n\n{shown}\n\n{doc}{also}\n\n{_block(example)}")
    return "\n".join(parts)


def option_spelling(option: Option) -> str:
    """How an option is written, with its argument: `-o, --output FILE`."""
    spellings = ([f"-{option.short}"] if option.short else []) + ([f"--{option.name}"] if option.name else [])
    return f"{', '.join(spellings)}{' ' + option.metavar if option.metavar else ''}"


def _options() -> str:
    lines = [
        _HEAD + "# The command line\n",
        _block(
            "pytrace [options] FILE [arguments]\npytrace [options] -e 'PROGRAM' [arguments]\n"
            "pytrace -l [PATTERN | FILE]"
        ),
        "FILE `-` is standard input. Options may stand anywhere before `--` and be shortened. Arguments are `$1`, "
        "`$2`, … of the script; behind `--`, `--NAME=VALUE` is what `getopt(\"NAME\", …)` reads.\n",
        "| option | |\n| --- | --- |",
    ]
    for option in OPTIONS:
        values = f" ({', '.join(option.choices)})" if option.choices and option.several else ""
        lines.append(f"| `{option_spelling(option)}` | {option.help}{values if values not in option.help else ''} |")
    return "\n".join(lines) + "\n"


def _index() -> str:
    names = sorted(builtin.name for builtin in public() if _is_shown(builtin))
    links = [f"[{title}]({page})" for title, page in (
        ("the command line", "command-line.md"), ("probes", "probes.md"), ("builtins and functions", "functions.md"),
        ("map functions", "map-functions.md"), ("configuration", "configuration.md"),
    )]  # fmt: skip
    return "\n".join([
        _HEAD + "# Reference\n", f"{', '.join(links)}.\n",
        "Everything that has a name: " + ", ".join(f"`{name}`" for name in names) + ".\n",
    ])


def pages() -> dict[str, str]:
    """The text of each page, by the name of its file."""
    return {
        "README.md": _index(),
        "command-line.md": _options(),
        "configuration.md": _configuration(),
        "functions.md": _functions(),
        "map-functions.md": _map_functions(),
        "probes.md": _probes(),
    }
