"""From a command line to a finished run: compile or fetch the image, then hand it to a session."""

from __future__ import annotations

import gc
import os
import sys

from pytrace.console import Stop, encode, report_rejection, say, show_warnings, use_colour, warning_texts
from pytrace.frozen import frozen, replace
from pytrace.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytrace.codegen.image import Image
    from pytrace.options import CommandLine
    from pytrace.runtime.child import Child
    from pytrace.runtime.making import Making
    from pytrace.script import Request
    from pytrace.semantics.unit import Options

PID_LIMIT = 0x400000
"""The kernel's PID_MAX_LIMIT on 64-bit machines (include/linux/threads.h)."""


def read_pid(text: str, lowest: int = 1) -> int:
    """The number of a process. Raises `Stop` for what cannot be one."""
    try:
        pid = int(text)
    except ValueError:
        raise Stop(f"Failed to parse pid: invalid integer: {text}") from None
    if not lowest <= pid <= PID_LIMIT:
        raise Stop(f"Pid out of range: {text}")
    return pid


def traced_pid(line: CommandLine) -> int | None:
    """The process of -p, which must exist."""
    text = line.last("pid")
    if text is None:
        return None
    pid = read_pid(text)
    try:
        os.close(os.pidfd_open(pid))
    except OSError as error:
        raise Stop(f"Failed to attach to pid: Unable to open pidfd ({error.strerror})") from error
    return pid


def check_functions(line: CommandLine) -> None:
    """Raises `Stop` if the list of traceable functions cannot be read."""
    if file := line.last("traceable-functions"):
        try:
            with open(file, "rb"):
                pass
        except OSError as error:
            what = f"Could not read functions from {file}. ({error.strerror})"
            raise Stop(f"Failed to open kernel function info: {what}") from error


def compile_options(
    line: CommandLine, request: Request, *, mode: str, no_features: frozenset[str], pid: int | None, child: Child | None
) -> Options:
    """What the command line decides about a compilation."""
    from pytrace.semantics.unit import Options

    return Options(
        positional=request.positional,
        named=request.named,
        environment={k: v for k, v in os.environ.items() if k.startswith(("BPFTRACE_", "PYTRACE_"))},
        pid=pid,
        child_pid=child.pid if child is not None else None,
        child_path=child.path if child is not None else None,
        unsafe=line.has("unsafe"),
        warnings=not line.has("no-warnings"),
        check_reads=line.has("warnings"),
        include_dirs=line.all("include-dir"),
        debug_folders=tuple(folder for value in line.all("debuginfo") for folder in value.split(":") if folder),
        includes=line.all("include"),
        no_features=no_features,
        traceable_functions=line.last("traceable-functions"),
        probe_filter=line.last("probe-filter"),
        mode=mode if mode in ("test", "bench", "codegen") else "",
        directory=os.path.dirname(request.path) if request.path else ".",
    )


def require_host() -> None:
    """Raises `Stop` with what is missing on this machine."""
    from pytrace.kernel.host import missing

    if reason := missing():
        raise Stop(reason)


def run(line: CommandLine, request: Request, *, mode: str, no_features: frozenset[str], stages: frozenset[str]) -> int:
    """Compile and run a script. Gives the exit status."""
    from pytrace.runtime.errors import RunError, TooComplex

    if line.has("pid") or line.has("cmd"):
        require_host()
    check_functions(line)
    pid = traced_pid(line)
    child = None
    try:
        if command := line.last("cmd"):
            from pytrace.runtime.child import Child

            child = Child(command)
        how = Compilation(line, request, mode, no_features, stages, pid, child)
        image = obtain(how)
        if isinstance(image, int):
            return image
        if mode in ("codegen", "compiler-bench"):
            return 0
        if not image.programs:
            if not line.has("quiet"):
                sys.stdout.write("No probes to attach\n")
            return 1
        try:
            status = start(line, image, mode=mode, pid=pid, child=child, stages=stages)
            if how.cacheable:
                from pytrace import bundle
                from pytrace.cache import Cache

                bundle.keep(Cache())
            return status
        except TooComplex:
            if not _iterates(image) or isinstance(simpler := obtain(replace(how, callbacks=True)), int):
                raise
            return start(line, simpler, mode=mode, pid=pid, child=child, stages=stages)
    except RunError as error:
        require_host()  # a script from the cache is run without asking first
        say("".join(f"ERROR: {message}\n" for message in error.messages) + error.log)
        return error.status
    finally:
        if child is not None:
            child.close()


@frozen
class Compilation:
    """All that decides what a script compiles to."""

    line: CommandLine
    request: Request
    mode: str
    no_features: frozenset[str]
    stages: frozenset[str]
    pid: int | None
    child: Child | None
    callbacks: bool = False
    """Whether loops become functions of their own, for the kernel found the script too complex without."""

    @property
    def cacheable(self) -> bool:
        """What a traced process has mapped changes, and who looks at a stage wants to see it: both compile anew."""
        line = self.line
        return not (
            line.has("no-cache")
            or self.stages
            or self.pid
            or self.child
            or line.has("emit-elf")
            or line.has("emit-llvm")
        )

    def parts(self, colour: bool) -> list[str]:
        """What the image, and the text of its warnings, depend on."""
        flags = (
            "unsafe", "warnings", "include-dir", "include", "debuginfo", "traceable-functions", "probe-filter",
        )  # fmt: skip
        request = self.request
        return [
            request.source.name,
            request.source.text,
            repr((request.positional, request.named, self.mode, sorted(self.no_features), self.pid, colour)),
            repr([(flag, self.line.all(flag)) for flag in flags]),
            repr(sorted(item for item in os.environ.items() if item[0].startswith(("BPFTRACE_", "PYTRACE_")))),
            repr([os.environ.get(name) for name in ("PATH", "ARCH", "CPATH", "C_INCLUDE_PATH")]),
            os.readlink("/proc/self/ns/pid"),
            os.getcwd(),
        ]


def _iterates(image: Image) -> bool:
    """Whether there are loops that the kernel checks round by round."""
    return any(each.symbol == "bpf_iter_num_new" for program in image.programs for each in program.relocations)


def obtain(how: Compilation) -> Image | int:
    """The image of a script, from the cache or compiled; an exit status if the script was rejected.

    Its warnings are printed, from the cache too: a script says the same each time.
    """
    from pytrace.cache import Cache, depend_on

    colour = use_colour()
    wanted = not how.line.has("no-warnings") and not how.callbacks  # they were printed the first time
    cache = Cache() if how.cacheable else None
    key = cache.key(how.parts(colour)) if cache is not None else ""
    if cache is not None and not how.callbacks and isinstance(found := cache.load(key), tuple):
        from pytrace.codegen.plain import from_plain

        general, placed, plain = found
        if wanted:
            show_warnings(general, placed)
        return from_plain(plain)
    from pytrace import bundle, direct

    bundle.use(cache or Cache(), "compiler")
    direct.use()
    from pytrace.codegen import preload

    require_host()
    preload()
    from pytrace.compiler import compile_source
    from pytrace.diagnostics import CompileError, Diagnostics

    options = compile_options(
        how.line, how.request, mode=how.mode, no_features=how.no_features, pid=how.pid, child=how.child
    )
    diagnostics = Diagnostics()
    try:
        compiled = compile_source(
            how.request.source, options, diagnostics, inspect=_inspector(how.line, how.stages), callbacks=how.callbacks,
            meanwhile=None if how.mode in ("codegen", "compiler-bench") else _prepare,
        )
    except CompileError as error:
        return report_rejection(error, warnings=wanted)
    general, placed = warning_texts(diagnostics.warnings, colour=colour)
    if wanted:
        show_warnings(general, placed)
    if cache is not None and compiled.lasting:
        from pytrace.codegen.plain import to_plain

        cache.store(key, (general, placed, to_plain(compiled.image)), map(depend_on, compiled.files))
    return compiled.image


def _prepare() -> None:
    """What is needed once there is an image."""
    import pytrace.output.streams
    import pytrace.runtime.session  # noqa: F401


def _inspector(line: CommandLine, stages: frozenset[str]) -> Callable[[str, str], None] | None:
    """Shows the stages that -d asks for, the tree on stderr, code on stdout (CLI 8), and writes those of --emit-elf and
    --emit-llvm to files. None when nothing is asked: stages then need not be put into words."""
    llvm, elf = line.last("emit-llvm"), line.last("emit-elf")
    files = {"codegen": f"{llvm}.original.ll", "codegen-opt": f"{llvm}.optimized.ll"} if llvm is not None else {}
    if elf is not None:
        files["elf"] = elf
    if not files and not stages and not line.has("verify-llvm-ir"):
        return None

    def inspect(stage: str, text: str) -> None:
        if path := files.get(stage):
            try:
                with open(path, "wb") as file:
                    file.write(encode(text))
            except OSError as error:
                raise Stop(f'Failed to open output file: "{path}": {error.strerror}') from error
        if stage == "elf" or (stage not in stages and "all" not in stages):
            return
        if stage in ("ast", "types"):
            say(f"{text}\n")
        else:
            sys.stdout.write(f"{text}\n")

    return inspect


def start(
    line: CommandLine, image: Image, *, mode: str, pid: int | None, child: Child | None, stages: frozenset[str]
) -> int:
    """Run an image. Gives the exit status; raises `RunError`."""
    from pytrace.runtime.making import Making

    making = Making(image)
    try:
        return _start(line, image, making, mode=mode, pid=pid, child=child, stages=stages)
    finally:
        making.close()


def _start(
    line: CommandLine, image: Image, making: Making, *, mode: str, pid: int | None, child: Child | None,
    stages: frozenset[str],
) -> int:
    from pytrace import bundle
    from pytrace.cache import Cache

    bundle.proceed()
    from pytrace.output.streams import Output
    from pytrace.runtime.session import Session, SessionOptions

    buffering = line.last("buffering") or "line"
    if (path := line.last("output")) is None:
        output = Output(buffering=buffering)
    else:
        try:
            output = Output.to_file(path, buffering)
        except OSError as error:
            raise Stop(f'Failed to open output file: "{path}": {error.strerror}') from error
    process = None
    if pid is not None:
        from pytrace.runtime.child import Process

        process = Process(pid)
    session_options = SessionOptions(
        process=process,
        child=child,
        quiet=line.has("quiet"),
        verbose=line.has("verbose"),
        dry_run=line.has("dry-run"),
        format=line.last("format") or "text",
        mode=mode if mode in ("test", "bench") else "",
        warnings=not line.has("no-warnings"),
        colour=use_colour(),
        notify="__BPFTRACE_NOTIFY_PROBES_ATTACHED" in os.environ,
        verifier_logs=bool(stages & {"verifier", "all"}),
        cached=not line.has("no-cache"),
        dwarf_pids=tuple(read_pid(text, lowest=0) for text in line.all("dwarf-pid")),
    )
    sys.stdout.flush()
    gc.freeze()
    gc.enable()
    try:
        attached = lambda: bundle.attached(Cache())  # noqa: E731
        return Session(image, session_options, output, making=making, attached=attached).run()
    finally:
        if process is not None:
            process.close()


def list_probes(line: CommandLine, *, no_features: frozenset[str]) -> int:
    """-l: the probes and types that match a pattern, or the probes of a program."""
    from itertools import islice

    from pytrace.options import CommandLine
    from pytrace.probes import listing
    from pytrace.probes.host import MachineHost
    from pytrace.script import request
    from pytrace.semantics.unit import Options

    check_functions(line)
    pid = traced_pid(line)
    verbose = line.has("verbose")
    pattern = line.free[0] if line.free else None
    if line.last("e") or (pattern is not None and os.path.isfile(pattern)):
        from pytrace.compiler import matched
        from pytrace.diagnostics import CompileError, Diagnostics

        wanted = CommandLine(line.values, line.free, line.after)
        asked = request(wanted)
        options = compile_options(line, asked, mode="", no_features=no_features, pid=pid, child=None)
        try:
            unit = matched(asked.source, options, Diagnostics())
        except CompileError as error:
            return report_rejection(error, warnings=options.warnings)
        assert unit.host is not None
        host = unit.host
        lines = listing.list_unit(unit, host, verbose=verbose)
    else:
        if pattern is not None and (warning := listing.warns_about_file(pattern)):
            say(f"WARNING: {warning}\n")
        options = Options(pid=pid, no_features=no_features, traceable_functions=line.last("traceable-functions"))
        host = MachineHost(options)
        lines = listing.list_pattern(pattern, host, verbose=verbose)
    while block := list(islice(lines, 1000)):  # writing each line takes as long as making it
        sys.stdout.write("\n".join(block) + "\n")
    for path in host.undescribed:
        say(f'WARNING: No DWARF found for "{path}", cannot show parameter info\n')
    sys.stdout.flush()
    return 0
