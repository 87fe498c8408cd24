"""C files that scripts import, compiled to BPF objects by the machine's clang: libclang only reads.

The compiler is started without a shell, and only if nobody but root and the user can have changed it. The source goes
in through a pipe and the object comes back through one.
"""

from __future__ import annotations

import glob
import os
import re
import stat
import subprocess
from collections.abc import Iterator

from pytrace.diagnostics import Diagnostics, Source, Span

__all__ = ["compile_object", "find_clang"]

_SECONDS = 60
_COMPLAINT = re.compile(r"^(.*?):(\d+):(\d+): (fatal error|error|warning): (.*)$")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def compile_object(source: Source, path: bytes, place: Span, diagnostics: Diagnostics) -> bytes | None:
    """The object file of a C source, which lies at `path`. None after an error, which is reported at `place`."""
    clang = find_clang()
    if clang is None:
        diagnostics.error(
            place, f'cannot import "{source.name}": C files are compiled by clang, and there is none',
            hints=["install clang, or import an object made by: clang -target bpf -g -O2 -c"],
        )
        return None
    folder = os.fsdecode(os.path.dirname(os.path.abspath(path)))
    command = [
        clang, "-target", "bpf", "-mcpu=v3", "-g", "-O2", "-fno-color-diagnostics", "-fno-caret-diagnostics",
        "-iquote", folder, *_machine_headers(), "-x", "c", "-c", "-", "-o", "-",
    ]  # fmt: skip
    environment = {"PATH": os.environ.get("PATH", _PATH), "LC_ALL": "C"}
    environment |= {name: os.environ[name] for name in ("CPATH", "C_INCLUDE_PATH") if name in os.environ}
    text = f'#line 1 "{_escaped(source.name)}"\n'.encode("latin-1") + source.text.encode("latin-1")
    try:
        done = subprocess.run(command, input=text, capture_output=True, cwd="/", env=environment, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        diagnostics.error(place, f'cannot compile "{source.name}": {error}')
        return None
    _report(done.stderr.decode("latin-1"), source, place, diagnostics)
    if done.returncode:
        diagnostics.error(place, f'failed to compile "{source.name}"')
        return None
    return done.stdout


def _escaped(name: str) -> str:
    return re.sub(r'[\\"\n]', lambda found: "\\n" if found[0] == "\n" else "\\" + found[0], name)


def _machine_headers() -> Iterator[str]:
    """The folder of the machine's own headers, which clang does not look in for another target."""
    folder = f"/usr/include/{os.uname().machine}-linux-gnu"
    if os.path.isdir(folder):
        yield from ("-idirafter", folder)


def _report(said: str, source: Source, place: Span, diagnostics: Diagnostics) -> None:
    for line in said.splitlines():
        found = _COMPLAINT.match(line)
        if found is None:
            continue
        name, row, column, kind, message = found.groups()
        report = diagnostics.warning if kind == "warning" else diagnostics.error
        if name == source.name and 0 < int(row) <= len(source.line_starts):
            at = min(source.line_starts[int(row) - 1] + int(column) - 1, len(source.text))
            word = re.compile(r"\w+|.?").match(source.text, at)
            report(Span(source, at, word.end() if word else at, place), message)
        else:
            report(place, f"{name}:{row}:{column}: {message}")


def find_clang() -> str | None:
    """The newest clang of the folders of PATH and of LLVM's packages that only root and the user can change."""
    folders = [folder for folder in os.environ.get("PATH", _PATH).split(":") if os.path.isabs(folder)]
    packages = glob.glob("/usr/lib/llvm-*/bin")
    packages.sort(key=lambda path: int(re.sub(r"\D", "", path) or 0), reverse=True)
    for folder in (*folders, *packages):
        path = os.path.join(folder, "clang")
        if os.access(path, os.X_OK) and _is_safe(path) and _is_safe(folder):
            return path
    return None


def _is_safe(path: str) -> bool:
    status = os.stat(path)
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & (stat.S_IWOTH | stat.S_IWGRP)
