"""Tracers as processes, and what each took: time until it was attached, time of the processor, memory."""

from __future__ import annotations

import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import PROGRAMS, ROOT

_TICK = os.sysconf("SC_CLK_TCK")


class Tool:
    """A tracer's command. `folder` has the launcher, see `launcher`; `environment` is added to ours."""

    def __init__(self, name: str, folder: Path, command: list[str], **environment: str) -> None:
        self.name = name
        self.launcher = str(folder / "measured")
        self.command = command
        self.environment = environment

    def start(self, *args: str) -> Tracer:
        return Tracer(self, list(args))


def launcher(folder: Path) -> None:
    """Builds what starts the tools, for a folder."""
    subprocess.run(["gcc", "-O2", "-o", folder / "measured", PROGRAMS / "measured.c"], check=True)


def installed(folder: Path) -> Path:
    """Installs this tree, without what it depends on, below the folder; gives the folder with its packages."""
    ignored = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "tests")
    shutil.copytree(ROOT, folder / "tree", symlinks=True, ignore=ignored)
    packages = folder / "site-packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", packages, folder / "tree"]
    subprocess.run(pip, check=True)
    return packages


def ours(folder: Path, packages: Path, *options: str) -> Tool:
    """pytrace as it was installed, with a cache of its own in the folder."""
    command = [str(packages / "bin" / "pytrace"), *options]
    return Tool("pytrace", folder, command, XDG_CACHE_HOME=str(folder), PYTHONPATH=str(packages))


def theirs(folder: Path, command: str) -> Tool:
    """bpftrace, by the words of a command. It must end by an interrupt to it alone: a wrapper has to `exec` it."""
    return Tool("bpftrace", folder, shlex.split(command))


class Tracer:
    """A run. Its messages, and its output if that does not go to a file, are read here. Raises `RuntimeError` when it
    ends before it was attached."""

    def __init__(self, tool: Tool, args: list[str]) -> None:
        self._source, sink = os.pipe()
        self._used, used = os.pipe()
        self.messages = b""
        environment = {**os.environ, "BPFTRACE_MAX_PROBES": "2048", **tool.environment}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [tool.launcher, str(used), *tool.command, *args], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
            env=environment, start_new_session=True, pass_fds=[used],
        )  # fmt: skip
        for fd in (sink, used):
            os.close(fd)
        self.pid = int(os.read(self._used, 100).split()[0])

    def attached(self, limit: float = 120) -> float:
        """Waits until it says that it is. Seconds since it was started."""
        end = time.monotonic() + limit
        while b"Attached " not in self.messages:
            ready, _, _ = select.select([self._source], [], [], max(end - time.monotonic(), 0))
            data = os.read(self._source, 1 << 16) if ready else b""
            if not data:
                os.kill(self.pid, signal.SIGKILL)
                raise RuntimeError(f"{self.process.args!r}: {self.messages.decode(errors='replace')}")
            self.messages += data
        return time.monotonic() - self.started

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def status(self, field: str) -> float:
        """MiB, by a name in /proc/PID/status."""
        found = re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text(), re.M)
        assert found
        return int(found[1]) / 1024

    def interrupt(self) -> None:
        os.kill(self.pid, signal.SIGINT)

    def end(self) -> tuple[float, float, float]:
        """Waits for the end: seconds since the start, seconds of processor time, and MiB at most."""
        while True:
            ready, _, _ = select.select([self._source, self._used], [], [])
            if self._used in ready:
                break
            self.messages += os.read(self._source, 1 << 16)
        ended = time.monotonic()
        status, cpu, memory = map(int, os.read(self._used, 100).split())
        self.process.wait()
        os.close(self._source)
        os.close(self._used)
        if status:
            raise RuntimeError(f"{self.process.args!r}: {self.messages.decode(errors='replace')}")
        return ended - self.started, cpu / 1e6, memory / 1024
