"""The manual page, pytrace(1), in the man macros."""

from __future__ import annotations

from pytrace import __version__
from pytrace.builtins.registry import Builtin
from pytrace.options import OPTIONS
from pytrace.reference.language import MACROS, SYNTAX
from pytrace.reference.pages import option_spelling, public
from pytrace.reference.providers import PROVIDERS
from pytrace.reference.settings import ENVIRONMENT, SETTINGS

__all__ = ["manual"]

_STATUS = {
    "0": "The run ended normally, also by a signal.",
    "1": "The command line or the script was rejected, or a test failed.",
    "2": "C definitions or the environment's configuration could not be read.",
    "255": "Loading or attaching failed.",
    "other": "What the script gave to exit().",
}
_EXAMPLES = (
    ("Files being opened, and by whom:",
     'tracepoint:syscalls:sys_enter_openat { printf("%s %s\\n", comm, str(args.filename)); }'),
    ("System calls by process, until Ctrl-C:", "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }"),
    ("Kernel stacks, 99 times a second:", "profile:hz:99 { @[kstack] = count(); }"),
)


def _text(text: str) -> str:
    """Text as roff has it: no character of it is a command, and `-` is a minus that can be copied."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("`", "")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped


def _item(tag: str, text: str) -> str:
    return f".TP\n.B {_text(tag)}\n{_text(text)}"


def _builtins() -> list[str]:
    def shown(builtin: Builtin) -> bool:
        name = builtin.name
        return not (name.startswith("arg") and name[3:].isdigit() and name != "arg0")

    entries = [(each.signatures, each.doc) for each in public() if shown(each)]
    entries += [(each.signatures, each.doc) for each in (*SYNTAX, *MACROS)]
    return [_item(", ".join(signatures), doc) for signatures, doc in sorted(entries)]


def manual() -> str:
    """The page's source."""
    lines = [
        f'.TH PYTRACE 1 "" "pytrace {__version__}" "User Commands"',
        ".SH NAME",
        "pytrace \\- trace a running Linux system with scripts in bpftrace's language",
        ".SH SYNOPSIS",
        ".B pytrace\n[options] FILE [arguments]\n.br",
        ".B pytrace\n[options] \\-e \\(aqPROGRAM\\(aq [arguments]\n.br",
        ".B pytrace\n\\-l [PATTERN | FILE]",
        ".SH DESCRIPTION",
        "pytrace compiles a script to BPF programs, attaches them to events of the kernel and of programs, lets the "
        "kernel count, and prints the answer when it is told to stop, or the script says so.",
        "FILE \\- is standard input. Arguments are $1, $2, ... of the script.",
        ".SH OPTIONS",
    ]
    group = ""
    for option in OPTIONS:
        if option.group != group:
            group = option.group
            lines.append(f".SS {_text(group)}")
        lines.append(_item(option_spelling(option), f"{option.help}."))
    lines.append(".SH PROBES")
    lines += [_item(", ".join(spellings), doc) for spellings, doc, _ in PROVIDERS.values()]
    lines += [".SH BUILTINS AND FUNCTIONS", *_builtins(), ".SH CONFIGURATION"]
    lines += [_item(name, f"{doc} ({values})") for name, (values, doc) in SETTINGS.items()]
    lines += [".SH ENVIRONMENT", *(_item(name, doc) for name, doc in ENVIRONMENT.items())]
    lines += [".SH EXIT STATUS", *(_item(status, doc) for status, doc in _STATUS.items()), ".SH EXAMPLES"]
    for doc, script in _EXAMPLES:
        quoted = _text(script).replace("'", "\\(aq")
        lines += [".PP", _text(doc), ".PP", ".RS", ".nf", f"pytrace \\-e \\(aq{quoted}\\(aq", ".fi", ".RE"]
    return "\n".join(lines) + "\n"
