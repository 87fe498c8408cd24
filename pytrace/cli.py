"""The command: flags to a run, and nothing else.

Modules are imported where they are needed: a cached script runs without the compiler, `--help` without anything.
"""

from __future__ import annotations

import gc
import os
import sys

from pytrace.console import Stop, coloured_output, encode, report_rejection, say
from pytrace.hints import TYPE_CHECKING, NoReturn, Sequence
from pytrace.options import (
    BUFFERINGS,
    FEATURES,
    FORMATS,
    MODES,
    SHELLS,
    STAGES,
    CommandLine,
    UsageError,
    parse_command_line,
    usage,
)
from pytrace.problem import Problem

if TYPE_CHECKING:
    from pytrace.script import Request

_FOR_A_SESSION = frozenset({
    "repl", "unsafe", "warnings", "no-warnings", "include-dir", "include", "debuginfo", "no-feature", "pid",
    "traceable-functions", "no-cache", "usdt-file-activation", "btf",
})  # fmt: skip
"""The options that mean something without a program."""
_SAME_AS_MODE = {"test": "test", "bench": "bench", "fmt": "format"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with its arguments; gives the exit status (CLI and OUTPUT list them)."""
    words = sys.argv[1:] if argv is None else list(argv)
    collects = gc.isenabled()
    gc.disable()  # nearly all that is made until the script runs is kept: searching it for garbage is a waste
    try:
        return _run(parse_command_line(words)) if words else _explore()
    except UsageError as error:
        return _complain(error)
    except Stop as stop:
        if str(stop):
            say(f"ERROR: {stop}\n")
        return stop.status
    except Problem as problem:
        say(f"ERROR: {problem}\n")
        return 255
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has gone: nothing is left to say, also not by the interpreter as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("pytrace"):
            raise
        package = error.name.partition(".")[0]
        say(f"ERROR: the Python package {package} is missing; pytrace was not installed completely\n")
        return 1
    except OSError as error:
        about = f"{error.filename}: " if isinstance(error.filename, str) else ""
        os.write(2, f"ERROR: {about}{error.strerror or error}\n".encode("utf-8", "replace"))
        return 1
    finally:
        if collects:
            gc.enable()


def command() -> NoReturn:
    """`main` as a process of its own: ends without taking apart module by module what the kernel frees at once, which
    would take several milliseconds."""
    status = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = 141
    except OSError as error:
        os.write(2, f"ERROR: cannot write the output: {error.strerror}\n".encode())
        status = status or 1
    os._exit(status)


def _explore() -> int:
    """Without arguments: a session, on a terminal or with what comes through a pipe. Without either, the help."""
    first = b""
    if not os.isatty(0):
        try:
            first = os.read(0, 1 << 16)
        except OSError:  # standard input is closed
            first = b""
        if not first:
            raise UsageError("")
    from pytrace.repl import begin

    return begin(CommandLine(), first)


def _complain(error: UsageError) -> int:
    message = str(error)
    if message.startswith("USAGE"):
        say(f"ERROR: {message}\n")
    elif message:
        say(f"pytrace: {message}\n")
    if error.show_help:
        say(usage())
    return 1


def _mode(line: CommandLine) -> str:
    mode = line.last("mode") or ""
    if mode and mode not in MODES:
        raise UsageError("USAGE: --mode can only be 'codegen', 'compiler-bench', 'bench', 'test' or 'format'.")
    for flag, meaning in _SAME_AS_MODE.items():
        if line.has(flag):
            if mode and mode != meaning:
                raise UsageError(f"USAGE: --{flag} conflicts with existing --mode")
            mode = meaning
    return mode


def _check_values(line: CommandLine) -> None:
    """What can be refused before anything is read."""
    output_format = line.last("format") or "text"
    if output_format not in FORMATS:
        raise Stop(f'Invalid output format "{output_format}"\nValid formats: \'text\', \'json\'')
    if (line.last("buffering") or "line") not in BUFFERINGS:
        raise UsageError("USAGE: -B must be either 'line', 'full', or 'none'.")
    if len(line.all("warnings")) > 1:
        raise UsageError("USAGE: -k can be given once only; it covers map lookups and probe reads.")
    if line.has("warnings") and line.has("no-warnings"):
        raise UsageError("USAGE: -k conflicts with --no-warnings")
    if line.has("pid") and line.last("cmd"):
        raise UsageError("USAGE: Cannot use both -c and -p.")
    for name in _features(line):
        if name not in FEATURES:
            raise UsageError(f"USAGE: --no-feature can only have values '{','.join(FEATURES)}'.")
    for stage in _stages(line):
        if stage not in STAGES:
            raise UsageError(f"USAGE: invalid option for -d: {stage}", show_help=False)


def _features(line: CommandLine) -> frozenset[str]:
    return frozenset(name for value in line.all("no-feature") for name in value.split(",") if name)


def _stages(line: CommandLine) -> frozenset[str]:
    return frozenset(stage for value in line.all("debug") for stage in value.split(","))


def _run(line: CommandLine) -> int:
    if line.has("help"):
        sys.stdout.write(usage())
        return 0
    if line.has("version"):
        from pytrace import __version__

        sys.stdout.write(f"pytrace v{__version__}\n")
        return 0
    if (shell := line.last("completions")) is not None:
        return _completions(shell)
    _check_values(line)
    mode = _mode(line)
    if line.has("info"):
        from pytrace.info import report
        from pytrace.run import require_host

        require_host()
        sys.stdout.write(report(_features(line)))
        return 0
    if line.has("list"):
        return _list(line)
    if line.has("repl"):
        from pytrace.repl import begin

        if line.free or line.after or line.has("e") or line.has("cmd"):
            raise UsageError("USAGE: --repl takes no program and no command.", show_help=False)
        if useless := sorted(line.values.keys() - _FOR_A_SESSION):
            raise UsageError(f"USAGE: --repl and --{useless[0]} do not go together.", show_help=False)
        return begin(line)
    from pytrace import bundle
    from pytrace.cache import Cache

    bundle.begin(Cache())
    request = _request(line)
    if mode == "format":
        return _format(line, request)
    from pytrace import run

    return run.run(line, request, mode=mode, no_features=_features(line), stages=_stages(line))


def _completions(shell: str) -> int:
    if shell not in SHELLS:
        raise UsageError(f"USAGE: --completions can only be {', '.join(SHELLS)}.", show_help=False)
    from pytrace.share import completions

    sys.stdout.write(completions(shell))
    return 0


def _request(line: CommandLine) -> Request:
    from pytrace.script import ScriptError, request

    try:
        return request(line)
    except ScriptError as error:
        raise Stop(str(error)) from error


def _list(line: CommandLine) -> int:
    if len(line.free) > 1:
        raise UsageError("")
    from pytrace import run

    run.require_host()
    return run.list_probes(line, no_features=_features(line))


def _format(line: CommandLine, request: Request) -> int:
    from pytrace.diagnostics import CompileError
    from pytrace.syntax.format import format_script
    from pytrace.syntax.parser import parse

    try:
        text = format_script(parse(request.source))
    except CompileError as error:
        return report_rejection(error)
    target = line.last("output")
    if target is None:
        if coloured_output():
            from pytrace.repl.lexer import colour

            text = colour(text)
        sys.stdout.buffer.write(encode(text))
        return 0
    data = encode(text)
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        os.replace(temporary, target)
    except OSError as error:
        raise Stop(f'Failed to open output file: "{target}": {error.strerror}') from error
    return 0
