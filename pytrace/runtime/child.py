"""The traced process: the child of -c, or an existing one of -p (CLI 4).

A child is forked before the script is compiled, so that its pid is known, and waits until it is told to go on. Where
its memory must hold the new program before that (usdt probes), it goes on to `execve` and stops right behind it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

from pytrace.hints import NoReturn
from pytrace.runtime.errors import RunError

__all__ = ["Child", "Process", "find_program"]

_PR_SET_PDEATHSIG = 1
_PTRACE_TRACEME, _PTRACE_DETACH = 0, 17
_EXEC_FAILED = 127
_CANNOT_STOP = bytes(4)
"""The answer of a child that waits in front of execve instead of behind it; other answers are error numbers."""

_libc = ctypes.CDLL(None, use_errno=True)


def _refuse(message: str) -> NoReturn:
    raise RunError(f"Failed to fork child: {message}", status=1)


def _is_elf(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def _candidates(name: str) -> list[str]:
    """The executable files of that name, each once: a path as it is given, a bare name from `$PATH`."""
    if "/" in name:
        paths = [name]
    else:
        paths = [os.path.join(folder, name) for folder in os.environ.get("PATH", os.defpath).split(":") if folder]
    real: dict[str, str] = {}
    for path in paths:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            real.setdefault(os.path.realpath(path), path)
    return list(real.values())


def find_program(name: str) -> str:
    """The path of the executable that a command's first word names. Raises `RunError`."""
    paths = _candidates(name)
    if not paths:
        _refuse(f"Path '{name}' does not exist or is not executable (No such file or directory)")
    if len(paths) > 1:
        _refuse(f"Path '{name}' must refer to a unique binary but matched {len(paths)}: {', '.join(paths)}")
    if not _is_elf(paths[0]):
        _refuse(f"Path '{name}' is not an ELF executable (Exec format error)")
    return paths[0]


class Process:
    """A process whose end is waited for. `pidfd` becomes readable then."""

    def __init__(self, pid: int) -> None:
        """Raises `RunError` if there is no such process."""
        self.pid = pid
        try:
            self.pidfd = os.pidfd_open(pid)
        except OSError as error:
            raise RunError(f"Failed to attach to pid: Unable to open pidfd ({error.strerror})", status=1) from error

    def close(self) -> None:
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


class Child(Process):
    """The child of -c. `path` is its executable."""

    def __init__(self, command: str) -> None:
        """Forks. The command's words are separated by single spaces; nothing is a quote. Raises `RunError`."""
        words = command.split(" ")
        self.path = find_program(words[0])
        self.status: int | None = None
        self._stopped = False
        self._traced = False
        go, self._go = os.pipe2(os.O_CLOEXEC)
        self._failed, failed = os.pipe2(os.O_CLOEXEC)
        try:
            pid = os.fork()
        except OSError as error:
            _refuse(f"{error.strerror}")
        if pid == 0:
            os.close(self._go)
            self._become(words, go, failed)
        os.close(go)
        os.close(failed)
        super().__init__(pid)

    def _become(self, words: list[str], go: int, failed: int) -> NoReturn:
        """The child's side. Whatever happens it does not return into the tracer's code."""
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            order = os.read(go, 1)
            if not order:
                os._exit(0)  # the tracer has gone, perhaps before the signal for that was asked for, or gave up
            if order == b"s" and _libc.ptrace(_PTRACE_TRACEME, 0, None, None) != 0:
                # Another tracer is there (strace -f), or the call is forbidden: the program is loaded late then.
                os.write(failed, _CANNOT_STOP)
                if not os.read(go, 1):
                    os._exit(0)
            os.execv(self.path, words)
        except OSError as error:
            os.write(failed, (error.errno or 0).to_bytes(4, "little"))
        finally:
            os._exit(_EXEC_FAILED)

    def _order(self, order: bytes) -> bool:
        """Tells the child to go on, and waits until its program has been started; False if it cannot stop behind that
        and still waits. Raises `RunError` if the program cannot be executed."""
        with contextlib.suppress(BrokenPipeError):  # a signal from the terminal may have ended it already
            os.write(self._go, order)
        answer = os.read(self._failed, 4)
        if answer == _CANNOT_STOP:
            return False
        self._close_pipes()
        if answer:
            reason = os.strerror(int.from_bytes(answer, "little"))
            _refuse(f"cannot execute '{self.path}' ({reason})")
        return True

    def _close_pipes(self) -> None:
        if self._go >= 0:
            os.close(self._go)
            os.close(self._failed)
            self._go = self._failed = -1

    def load(self, *, traced: bool = False) -> None:
        """Lets the child load its program and stop before the first instruction; `traced` for `load_libraries`. Raises
        `RunError`."""
        if not self._order(b"s"):
            return
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            self.status = status
        elif traced:
            self._traced = True
        else:
            self._detach()

    def _detach(self) -> None:
        """Stay stopped, without a tracer, until SIGCONT."""
        _libc.ptrace(_PTRACE_DETACH, self.pid, None, ctypes.c_void_p(int(signal.SIGSTOP)))
        self._traced, self._stopped = False, True

    def load_libraries(self) -> None:
        """Lets the child's loader map the program's libraries, if it can be seen when they are."""
        if self._traced:
            from pytrace.runtime.libraries import run_to_libraries

            self.status = run_to_libraries(self.pid)
            if self.status is None:
                self._detach()
            self._traced = False

    def resume(self) -> None:
        """Lets the child run. Raises `RunError` if its program cannot be executed."""
        if self._traced:
            self._detach()
        if self._stopped:
            os.kill(self.pid, signal.SIGCONT)
            self._stopped = False
        elif self._go >= 0:
            self._order(b"r")

    def poll(self) -> bool:
        """Whether the child has ended; its wait status is in `status` then."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is not None

    def describe_end(self) -> str:
        """How it ended, for -v."""
        status = self.status or 0
        if os.WIFSIGNALED(status):
            return f"Child terminated by signal: {os.WTERMSIG(status)}"
        return f"Child exited with code: {os.WEXITSTATUS(status)}"

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal unless it has ended."""
        if not self.poll():
            if self._traced:
                self._detach()
            if number != signal.SIGKILL and self._stopped:
                os.kill(self.pid, signal.SIGCONT)
            os.kill(self.pid, number)

    def close(self) -> None:
        """Ends the child if it still runs, and forgets it."""
        self._close_pipes()
        if not self.poll():
            os.kill(self.pid, signal.SIGKILL)
            _, self.status = os.waitpid(self.pid, 0)
        super().close()
