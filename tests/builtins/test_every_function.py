"""Every builtin and function is run in the kernel by some test; here those that no other test runs."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import pytrace.builtins
from pytrace.builtins.registry import REGISTRY
from tests.builtins.conftest import lines
from tests.conftest import ROOT

pytestmark = pytest.mark.live

for _module in pkgutil.iter_modules(pytrace.builtins.__path__):
    importlib.import_module(f"pytrace.builtins.{_module.name}")

def sources() -> str:
    """The text of all tests that run scripts."""
    found = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "tests" / "language").glob("*.md")]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in found if path != Path(__file__)]
    live = [text for text in texts if "mark.live" in text or "mark.guest" in text or "```" in text]
    return "".join(live) + Path(__file__).read_text(encoding="utf-8").split("\n# the tests\n")[-1]


def test_no_function_is_without_a_test():
    """Bare builtins are found by their name, functions by their call."""
    text = sources()
    missing = [
        name
        for name, builtin in REGISTRY.items()
        if not builtin.internal
        and not re.fullmatch(r"arg\d+", name)
        and not re.search(rf"(?<![\w$@.]){re.escape(name)}" + (r"\b" if builtin.bare else r"[(\"]"), text)
    ]
    assert missing == []


# the tests


def test_the_trace_pipe(pytrace):
    """`debugf` writes where the kernel's own debugging goes."""
    from pytrace.kernel import tracefs

    mark = f"mark{os.getpid()}"
    program = f'begin {{ debugf("{mark} %d %s %x", -5, "text", 255); debugf("{mark} end"); }}'
    pytrace("-q", "--no-warnings", "-e", program)
    written = tracefs.find().read("trace").decode("utf-8", "replace")
    assert f"{mark} -5 text ff" in written
    assert f"{mark} end" in written


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('debugf("%d %d %d %d", 1, 2, 3, 4)', "cannot use more than 3 conversion specifiers"),
        ('debugf("%d", "x")', "Type does not match format specifier: d"),
    ],
)
def test_what_the_trace_pipe_does_not_take(pytrace, call, said):
    assert said in pytrace("-e", f"begin {{ {call}; }}", status=1).stderr


def test_cookies_of_sockets(pytrace):
    """The number is the one that the process sees (SO_COOKIE)."""
    script = (
        "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); "
        "c = socket.create_connection(s.getsockname()); "
        "print(int.from_bytes(c.getsockopt(socket.SOL_SOCKET, 57, 8), 'little'))"
    )
    program = "rawtracepoint:inet_sock_set_state /pid == cpid/ { @[socket_cookie(args.sk)] = count(); }"
    done = pytrace("-q", "-e", program, "-c", f"{sys.executable} {_script(script)}")
    cookie = done.stdout.split("\n")[0]
    assert int(cookie) > 0
    assert any(line.startswith(f"@[{cookie}]: ") for line in lines(done))
    assert socket.AF_INET == 2


def _script(text: str) -> Path:
    """A file with a script, for -c knows no quotes."""
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as file:
        file.write(text)
    return Path(file.name)


THREADS = """
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
static volatile long seen;
static void handler(int number) { seen = syscall(SYS_gettid); }
static void *work(void *argument)
{
	sigset_t blocked, waiting;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &blocked, 0);
	for (int i = 0; i < 2000 && !seen; i++) {
		getppid();
		usleep(1000);
		sigpending(&waiting);
		if (sigismember(&waiting, SIGUSR1))
			break;
	}
	puts(!seen ? "waits at this thread" : "another thread");
	fflush(stdout);
	return 0;
}
int main(void)
{
	pthread_t thread;
	signal(SIGUSR1, handler);
	pthread_create(&thread, 0, work, 0);
	pthread_join(thread, 0);
	return 0;
}
"""


@pytest.mark.parametrize(("function", "who"), [("signal_thread", "waits at this thread"), ("signal", "another thread")])
def test_which_thread_gets_a_signal(pytrace, tmp_path, function, who):
    """One to the process goes to a thread that does not block it; one to a thread stays with where the probe is."""
    (tmp_path / "threads.c").write_text(THREADS)
    program = tmp_path / "threads"
    subprocess.run(["gcc", "-pthread", "-o", str(program), str(tmp_path / "threads.c")], check=True)
    script = (
        "tracepoint:syscalls:sys_enter_getppid /pid == cpid && tid != cpid && !@done/ "
        f'{{ @done = 1; {function}("USR1"); }} end {{ clear(@done); }}'
    )
    assert lines(pytrace("-q", "--unsafe", "-e", script, "-c", str(program)))[0] == who


def test_paths_of_files(pytrace, tmp_path):
    """Of the files that a process has open; a limit cuts the front off."""
    with open(tmp_path / "file", "w", encoding="utf-8"):
        program = (
            f'iter:task_file /ctx.task.pid == {os.getpid()}/ {{ if (ctx.file) {{ '
            'printf("%s %s\\n", path(ctx.file.f_path), path(ctx.file.f_path, 5)); } }'
        )
        printed = lines(pytrace("-q", "-e", program))
    assert f"{tmp_path}/file file" in printed


def test_the_old_name_of_a_function_without_effect(pytrace):
    assert lines(pytrace("-q", "-e", 'begin { unwatch(1); printf("after\\n"); }')) == ["after"]
