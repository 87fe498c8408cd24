"""The child of -c: found, held back, started, watched, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytrace.runtime.child import Child, Process, find_program
from pytrace.runtime.errors import RunError
from pytrace.runtime.loop import readable


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_for(condition, seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return bool(condition())


def test_a_path_and_a_name_find_a_program(monkeypatch: pytest.MonkeyPatch):
    assert find_program("/bin/true") == "/bin/true"
    monkeypatch.setenv("PATH", "/no/such:/usr/bin:/bin")
    assert os.path.realpath(find_program("true")) == os.path.realpath("/bin/true")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/no/such", "Path '/no/such' does not exist or is not executable (No such file or directory)"),
        ("no-such-command", "Path 'no-such-command' does not exist or is not executable (No such file or directory)"),
        ("/etc/passwd", "Path '/etc/passwd' does not exist or is not executable (No such file or directory)"),
        ("/tmp", "Path '/tmp' does not exist or is not executable (No such file or directory)"),
        ("", "Path '' does not exist or is not executable (No such file or directory)"),
    ],
)
def test_what_is_no_program(name: str, message: str):
    with pytest.raises(RunError) as caught:
        find_program(name)
    assert (caught.value.messages, caught.value.status) == ((f"Failed to fork child: {message}",), 1)


def test_a_script_is_no_program(tmp_path: Path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    with pytest.raises(RunError, match="not an ELF executable"):
        find_program(str(script))


def test_a_name_must_mean_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").write_bytes(Path("/bin/true").read_bytes())
        (tmp_path / folder / "tool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/a:{tmp_path}/b")
    with pytest.raises(RunError, match="unique binary"):
        find_program("tool")


def test_words_are_separated_by_single_spaces(tmp_path: Path):
    target = tmp_path / "words"
    child = Child(f"{sys.executable} -c import\tsys;open('{target}','w').write(repr(sys.argv[1:])) a  'b c'")
    child.resume()
    assert wait_for(child.poll)
    child.close()
    assert target.read_text() == "['a', '', \"'b\", \"c'\"]"


def test_the_child_waits_until_it_is_told():
    child = Child("/bin/true")
    time.sleep(0.1)
    assert not child.poll()
    assert Path(f"/proc/{child.pid}/comm").read_text() != "true\n"
    child.resume()
    assert wait_for(lambda: readable(child.pidfd))
    assert child.poll()
    assert child.describe_end() == "Child exited with code: 0"
    child.close()


def test_the_child_may_be_stopped_behind_exec(tmp_path: Path):
    target = tmp_path / "ran"
    child = Child(f"/bin/touch {target}")
    child.load()
    assert os.path.realpath(f"/proc/{child.pid}/exe") == os.path.realpath("/bin/touch")
    time.sleep(0.1)
    assert state(child.pid) == "T"
    assert not target.exists()
    child.resume()
    assert wait_for(child.poll)
    assert target.exists()
    child.close()


def test_the_end_of_a_child_is_described():
    child = Child("/bin/sleep 60")
    child.resume()
    child.signal(signal.SIGTERM)
    assert wait_for(child.poll)
    assert child.describe_end() == "Child terminated by signal: 15"
    child.close()


@pytest.mark.parametrize("started", [False, True])
def test_a_child_does_not_outlive_its_tracer(started: bool):
    child = Child("/bin/sleep 60")
    if started:
        child.resume()
    child.close()
    assert not os.path.exists(f"/proc/{child.pid}")


def test_a_child_ends_with_a_tracer_that_is_killed():
    code = (
        "import sys, time; from pytrace.runtime.child import Child\n"
        "c = Child('/bin/sleep 60'); c.resume(); print(c.pid, flush=True); time.sleep(60)"
    )
    tracer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert tracer.stdout is not None
    pid = int(tracer.stdout.readline())
    tracer.kill()
    tracer.wait()
    assert wait_for(lambda: not os.path.exists(f"/proc/{pid}") or state(pid) == "Z")


def test_a_program_that_cannot_be_executed(tmp_path: Path):
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF" + bytes(60))
    broken.chmod(0o755)
    child = Child(str(broken))
    with pytest.raises(RunError, match="cannot execute"):
        child.resume()
    child.close()


def test_a_process_must_exist():
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    with pytest.raises(RunError) as caught:
        Process(gone.pid)
    assert caught.value.messages == ("Failed to attach to pid: Unable to open pidfd (No such process)",)
