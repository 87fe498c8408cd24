"""The command line: one table of options, and its reading.

The table is what `--help`, the completions and the parser read. Reading follows GNU getopt_long, which scripts of
this field rely on: options may stand after the program, long ones may be shortened, and `--` ends them. argparse can
do none of the three exactly.
"""

from __future__ import annotations

from pytrace.frozen import field, record
from pytrace.hints import Sequence

__all__ = ["OPTIONS", "CommandLine", "Option", "UsageError", "parse_command_line", "usage"]


class UsageError(Exception):
    """The command line cannot be read. `show_help` asks for the help after the message."""

    def __init__(self, message: str, *, show_help: bool = True) -> None:
        super().__init__(message)
        self.show_help = show_help


class Option:
    """An option; `metavar` is empty for a switch. `choices` are the values it takes, if they are few; of them several
    may be given with commas where `several` says so."""

    __slots__ = ("choices", "group", "help", "metavar", "name", "several", "short")

    def __init__(
        self, name: str, short: str, metavar: str, help: str, group: str, choices: tuple[str, ...] = (),
        several: bool = False,
    ) -> None:
        self.name, self.short, self.metavar, self.help, self.group = name, short, metavar, help, group
        self.choices, self.several = choices, several

    @property
    def takes_value(self) -> bool:
        return bool(self.metavar)


FEATURES = ("kprobe_multi", "kprobe_session", "uprobe_multi")
FORMATS = ("text", "json")
BUFFERINGS = ("line", "full", "none")
MODES = ("codegen", "compiler-bench", "bench", "test", "format")
STAGES = ("ast", "types", "codegen", "codegen-opt", "dis", "libbpf", "verifier", "parse", "all")
SHELLS = ("bash", "zsh", "fish")

OPTIONS: tuple[Option, ...] = (
    Option("", "e", "PROGRAM", "run this program", "Program"),
    Option("pid", "p", "PID", "trace only this process; end with it", "Program"),
    Option("cmd", "c", "COMMAND", "run a command and trace it; end with it", "Program"),
    Option("probe-filter", "", "REGEX", "run only the probes whose name matches", "Program"),
    Option("unsafe", "", "", "allow functions that change the system", "Program"),
    Option("include-dir", "I", "DIR", "look for C headers in this directory (repeatable)", "Program"),
    Option("include", "", "FILE", "include a C header before the program (repeatable)", "Program"),
    Option("debuginfo", "", "DIR[:DIR]", "look for separate debug information there (repeatable)", "Program"),
    Option("dwarf-pid", "", "PID", "a further process for dw_ustack (repeatable)", "Program"),
    Option("usdt-file-activation", "", "", "accepted; the kernel activates USDT semaphores", "Program"),
    Option("traceable-functions", "", "FILE", "read the traceable kernel functions from a file", "Program"),
    Option("no-feature", "", "LIST", "do without kprobe_multi, kprobe_session, uprobe_multi", "Program", FEATURES,
    True),
    Option("output", "o", "FILE", "write the results to a file", "Output"),
    Option("format", "f", "FORMAT", "text or json", "Output", FORMATS),
    Option("buffering", "B", "MODE", "flush results by line (default), when full, or none: at once", "Output",
    BUFFERINGS),
    Option("quiet", "q", "", "do not say how many probes were attached", "Output"),
    Option("verbose", "v", "", "say what is done; with -l, show arguments", "Output"),
    Option("warnings", "k", "", "warn when reading memory or a map fails", "Output"),
    Option("no-warnings", "", "", "no warnings of any kind", "Output"),
    Option("repl", "", "", "explore the system at a prompt, as pytrace without arguments does", "Instead of running"),
    Option("list", "l", "", "list probes or kernel types, or the probes of a program", "Instead of running"),
    Option("dry-run", "", "", "attach, then end at once", "Instead of running"),
    Option("test", "", "", "run the test probes", "Instead of running"),
    Option("bench", "", "", "run the bench probes", "Instead of running"),
    Option("fmt", "", "", "print the program in the standard layout", "Instead of running"),
    Option("mode", "", "MODE", "codegen, compiler-bench, test, bench or format", "Instead of running", MODES),
    Option("info", "", "", "show what this system offers", "Instead of running"),
    Option("completions", "", "SHELL", "show the completions for bash, zsh or fish", "Instead of running", SHELLS),
    Option("help", "h", "", "show this text", "Instead of running"),
    Option("version", "V", "", "show the version", "Instead of running"),
    Option("debug", "d", "STAGE", "show a stage: ast, types, codegen, codegen-opt, dis, libbpf, verifier, all",
    "Debugging", STAGES, True),
    Option("emit-elf", "", "FILE", "write the BPF object", "Debugging"),
    Option("emit-llvm", "", "FILE", "write FILE.original.ll and FILE.optimized.ll", "Debugging"),
    Option("verify-llvm-ir", "", "", "check the generated code", "Debugging"),
    Option("no-cache", "", "", "compile anew, and keep nothing", "Debugging"),
    Option("btf", "b", "", "accepted; kernel types are always read from BTF", "Debugging"),
)

_SHORT = {option.short: option for option in OPTIONS if option.short}
_LONG = {option.name: option for option in OPTIONS if option.name}


@record
class CommandLine:
    """What was given. `values` maps an option's name (its letter if it has no name) to its values, in order; a switch
    has one empty value each time. `free` are the arguments before `--`, `after` those behind it."""

    values: dict[str, list[str]] = field(default_factory=dict)
    free: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        return name in self.values

    def last(self, name: str) -> str | None:
        """The value that counts when an option is repeated."""
        return self.values[name][-1] if name in self.values else None

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(self.values.get(name, ()))


def _find_long(word: str) -> Option:
    if word in _LONG:
        return _LONG[word]
    candidates = sorted(name for name in _LONG if name.startswith(word))
    if len(candidates) == 1:
        return _LONG[candidates[0]]
    if candidates:
        possible = " ".join(f"'--{name}'" for name in candidates)
        raise UsageError(f"option '--{word}' is ambiguous; possibilities: {possible}")
    raise UsageError(f"unrecognized option '--{word}'")


def parse_command_line(argv: Sequence[str]) -> CommandLine:
    """Read the arguments after the command's name. Raises `UsageError`."""
    line = CommandLine()
    words = iter(argv)

    def put(option: Option, value: str) -> None:
        line.values.setdefault(option.name or option.short, []).append(value)

    for word in words:
        if word == "--":
            line.after = list(words)
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            option = _find_long(name)
            if not option.takes_value:
                if equals:
                    raise UsageError(f"option '--{option.name}' doesn't allow an argument")
                put(option, "")
                continue
            if not equals:
                following = next(words, None)
                if following is None:
                    raise UsageError(f"option '--{option.name}' requires an argument")
                value = following
            put(option, value)
        elif word.startswith("-") and word != "-":
            letters = word[1:]
            while letters:
                letter, letters = letters[0], letters[1:]
                if letter not in _SHORT:
                    raise UsageError(f"invalid option -- '{letter}'")
                option = _SHORT[letter]
                if not option.takes_value:
                    put(option, "")
                    continue
                following = letters or next(words, None)
                if following is None:
                    raise UsageError(f"option requires an argument -- '{letter}'")
                put(option, following)
                break
        else:
            line.free.append(word)
    return line


def usage() -> str:
    """The help text."""
    lines = [
        "USAGE:",
        "    pytrace",
        "    pytrace [options] FILE [arguments]",
        "    pytrace [options] - [arguments]",
        "    pytrace [options] -e 'PROGRAM' [arguments]",
        "    pytrace -l [PATTERN | FILE]",
    ]
    group = ""
    for option in OPTIONS:
        if option.group != group:
            group = option.group
            lines += ["", f"{group.upper()}:"]
        short = f"-{option.short}" if option.short else "  "
        long = f"{', ' if option.short else '  '}--{option.name}" if option.name else ""
        spelling = f"{short}{long}{' ' + option.metavar if option.metavar else ''}"
        if len(spelling) <= 34:
            lines.append(f"    {spelling:<34} {option.help}")
        else:
            lines += [f"    {spelling}", f"{'':39}{option.help}"]
    lines += [
        "",
        "ENVIRONMENT:",
        "    BPFTRACE_<NAME>, PYTRACE_<NAME>    set a configuration variable, such as BPFTRACE_MAX_STRLEN",
        "    BPFTRACE_COLOR                     auto, always or never; NO_COLOR is heeded too",
        "    PYTRACE_NATIVE=0                   format all records in Python, without machine code",
        "",
        "EXAMPLES:",
        "    pytrace -e 'tracepoint:syscalls:sys_enter_openat { printf(\"%s %s\\n\", comm, str(args.filename)); }'",
        "        files being opened, and by whom",
        "    pytrace -e 'tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }'",
        "        system calls by process name, until Ctrl-C",
        "    pytrace -l 'tracepoint:syscalls:*open*'",
        "        probes whose names match",
    ]
    return "\n".join(lines) + "\n"
