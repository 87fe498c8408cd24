"""dw_ustack: stacks of programs without frame pointers, against chains of calls that are known."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import PROGRAMS, ROOT, Done

pytestmark = pytest.mark.live

Pytrace = Callable[..., Done]

CONFIG = "config = { unstable_dw_ustack = enable } "
BEGINNING = ["__libc_start_call_main", "__libc_start_main", "_start"]


def compile_unwound(folder: Path, *flags: str) -> Path:
    target = folder / "unwound"
    subprocess.run(
        ["gcc", "-O2", "-fomit-frame-pointer", "-pthread", *flags, "-o", target, PROGRAMS / "unwound.c"], check=True
    )
    return target


@pytest.fixture(scope="module")
def unwound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_unwound(tmp_path_factory.mktemp("unwound"))


def names(text: str) -> list[str]:
    """The functions of the frames in a text, without offsets."""
    return [re.sub(r"\+\d+$", "", line.strip()) for line in text.splitlines() if line.startswith("        ")]


def at_leaf(pytrace: Pytrace, program: Path, command: str, action: str = "@[dw_ustack] = count();") -> str:
    done = pytrace("-q", "-e", f"{CONFIG} uprobe:{program}:leaf {{ {action} }}", "-c", f"{program} {command}")
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("mode", "chain"),
    [
        ("chain", ["leaf", "middle", "outer", "main"]),
        ("busy", ["leaf", "busy", "main"]),
        ("deep 40", ["leaf", *["down"] * 41, "main"]),
        ("aligned", ["leaf", "aligned", "main"]),
    ],
)
def test_chains(pytrace: Pytrace, unwound: Path, mode: str, chain: list[str]):
    assert names(at_leaf(pytrace, unwound, mode)) == [*chain, *BEGINNING]


def test_the_frame_pointers_of_others_are_not_believed(pytrace: Pytrace, unwound: Path):
    """`ustack` sees less here: it is why there is `dw_ustack`."""
    assert names(at_leaf(pytrace, unwound, "chain", "@[ustack] = count();")) != ["leaf", "middle", "outer", "main", *BEGINNING]


@pytest.mark.parametrize("mode", ["signal", "altstack"])
def test_through_a_signal_handler(pytrace: Pytrace, unwound: Path, mode: str):
    found = names(at_leaf(pytrace, unwound, mode))
    assert found[:2] == ["leaf", "handler"]
    assert found[-5:] == ["interrupted", "main", *BEGINNING]
    assert "raise" in found


def test_a_thread(pytrace: Pytrace, unwound: Path):
    found = names(at_leaf(pytrace, unwound, "thread"))
    assert found[:3] == ["leaf", "thread", "start_thread"]
    assert found[-1].lstrip("_") in ("clone3", "clone")


def test_called_back_from_a_library(pytrace: Pytrace, unwound: Path):
    found = names(at_leaf(pytrace, unwound, "library"))
    assert found[:2] == ["leaf", "compare"]
    assert found[-4:] == ["main", *BEGINNING]
    assert any(name.startswith("qsort") for name in found)


@pytest.mark.parametrize("flags", [["-static"], ["-no-pie"], ["-fno-asynchronous-unwind-tables", "-g"], ["-O3", "-flto"]])
def test_other_kinds_of_programs(pytrace: Pytrace, tmp_path: Path, flags: list[str]):
    """A static one, a fixed one, one with .debug_frame instead of .eh_frame."""
    found = names(at_leaf(pytrace, compile_unwound(tmp_path, *flags), "chain"))
    assert found == ["leaf", "middle", "outer", "main", *BEGINNING]


def test_limits_and_modes(pytrace: Pytrace, unwound: Path):
    action = (
        "print(dw_ustack(2)); print(len(dw_ustack(3))); print(dw_ustack(perf, 1)); print(dw_ustack(raw, 1)); "
        "print(len(dw_ustack(0))); print(dw_ustack == dw_ustack(127)); print(len(dw_ustack(1024))); "
        "print(dw_ustack(build_id, 1));"
    )
    out = at_leaf(pytrace, unwound, "deep 200", action)
    # The stack has 205 frames: leaf, 201 times down, main and what called that.
    assert re.fullmatch(
        r"\n        leaf\+0\n        down\+\d+\n\n3\n\n\t[0-9a-f]+ leaf\+0 \(\S+\)\n\n\n[0-9a-f]+\n\n0\ntrue\n206\n\n"
        r"[0-9a-f]+\n\n\n*", out,
    ), out


def test_the_same_places_are_the_same_key(pytrace: Pytrace, unwound: Path):
    out = at_leaf(pytrace, unwound, "busy", "@[dw_ustack] = count(); @last = dw_ustack; @n = len(dw_ustack);")
    assert out.count("leaf+0") == 2
    assert "]: 2\n" in out


def test_uretprobes_on_the_way(pytrace: Pytrace, unwound: Path):
    """They replace return addresses on the stack; the kernel remembers the real ones."""
    program = (
        f"{CONFIG} uretprobe:{unwound}:middle {{ @r = count(); }} uretprobe:{unwound}:outer {{ @o[dw_ustack] = count(); }} "
        f"uprobe:{unwound}:leaf {{ @[dw_ustack] = count(); }}"
    )
    done = pytrace("-q", "-e", program, "-c", f"{unwound} chain")
    inner, outer = done.stdout.split("@o[")
    assert names(inner) == ["leaf", "middle", "outer", "main", *BEGINNING]
    assert names(outer.partition("@r")[0]) == ["main", *BEGINNING]


def test_in_a_system_call(pytrace: Pytrace, unwound: Path):
    """The registers are those with which the process entered the kernel."""
    program = f"{CONFIG} tracepoint:syscalls:sys_enter_tgkill /pid == cpid/ {{ @[dw_ustack] = count(); }}"
    found = names(pytrace("-q", "-e", program, "-c", f"{unwound} signal").stdout)
    assert found[-5:] == ["interrupted", "main", *BEGINNING]


def test_a_timer(pytrace: Pytrace, unwound: Path):
    """Wherever the program is interrupted, its stack ends where it began."""
    program = f"{CONFIG} profile:hz:499 {{ @[dw_ustack] = count(); }} interval:s:2 {{ exit(); }}"
    out = pytrace("-q", "-e", program, "-c", f"{unwound} many").stdout
    stacks = [names(part) for part in out.split("@[") if "main" in names(part)]
    assert stacks and all(stack[-len(BEGINNING) - 1 :] == ["main", *BEGINNING] for stack in stacks)


def test_a_library_that_is_loaded_later(unwound: Path, tmp_path: Path):
    library = tmp_path / "libthrough.so"
    source = "int through(int (*f)(int), int n) { int r = f(n); __asm__ volatile(\"\" ::: \"memory\"); return r + 1; }"
    subprocess.run(
        ["gcc", "-O2", "-fomit-frame-pointer", "-shared", "-fPIC", "-o", library, "-xc", "-"], input=source, text=True,
        check=True,
    )
    program = f"{CONFIG} uprobe:{unwound}:leaf {{ @[dw_ustack] = count(); }}"
    with subprocess.Popen(
        [sys.executable, "-m", "pytrace", "-q", "-e", program, "-c", f"{unwound} open {library}"], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)
        out, _ = process.communicate("\n", timeout=30)
    assert names(out) == ["leaf", "middle", "outer", "through", "main", *BEGINNING]


def test_a_running_process(pytrace: Pytrace, unwound: Path):
    """With -p, and with --dwarf-pid; the stack of a process that has ended keeps its names."""
    for option in ("-p", "--dwarf-pid"):
        with subprocess.Popen([unwound, "many"]) as process:
            try:
                program = f"{CONFIG} uprobe:{unwound}:leaf /pid == {process.pid}/ {{ @[dw_ustack] = count(); exit(); }}"
                done = pytrace("-q", "-e", program, option, str(process.pid))
            finally:
                process.kill()
        assert done.stderr == ""
        assert names(done.stdout) == ["leaf", "middle", "outer", "main", *BEGINNING]


def test_no_process(pytrace: Pytrace):
    done = pytrace("-e", f"{CONFIG} begin {{ print(dw_ustack); }}", status=255)
    assert done.stderr == (
        "ERROR: dw_ustack requires a target process. Use -p, -c, or --dwarf-pid to specify one.\n"
    )


def test_another_process(pytrace: Pytrace, unwound: Path):
    """One without tables: a warning, and no frames."""
    program = f"{CONFIG} begin {{ print(len(dw_ustack)); exit(); }} uprobe:{unwound}:leaf {{ }}"
    done = pytrace("-q", "-e", program, "--dwarf-pid", str(os.getpid()))
    assert "No DWARF unwind data available for this process. Use -p or --dwarf-pid to specify target PIDs." in done.stderr
    assert done.stdout.startswith("0\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc", "ERROR: Failed to parse pid: invalid integer: abc\n"), ("-1", "ERROR: Pid out of range: -1\n"),
        ("4194305", "ERROR: Pid out of range: 4194305\n"),
    ],
)  # fmt: skip
def test_pids_that_cannot_be(pytrace: Pytrace, text: str, message: str):
    done = pytrace("-q", "-e", f"{CONFIG} begin {{ print(dw_ustack); exit(); }}", f"--dwarf-pid={text}", status=1)
    assert done.stderr == message


def test_code_that_nobody_describes(pytrace: Pytrace, tmp_path: Path):
    """The stack says that it ends where it does not."""
    source = tmp_path / "bare.c"
    source.write_text(
        "__attribute__((noinline)) int leaf(int n) { __asm__ volatile(\"\"); return n; }\n"
        "__attribute__((noinline)) int outer(int n) { int r = leaf(n); __asm__ volatile(\"\"); return r + 1; }\n"
        "int main(void) { return outer(1) == -1; }\n"
    )
    program = tmp_path / "bare"
    subprocess.run(
        ["gcc", "-O2", "-fomit-frame-pointer", "-fno-asynchronous-unwind-tables", "-fno-exceptions", "-o", program, source],
        check=True,
    )
    out = at_leaf(pytrace, program, "", "@[dw_ustack] = count();")
    assert names(out) == ["leaf", "<unwind failure>"]


def test_nothing_is_left_behind(pytrace: Pytrace, unwound: Path):
    """A child whose loader is being watched when we are stopped does not stay stopped."""
    with subprocess.Popen(
        [sys.executable, "-m", "pytrace", "-q", "-e", f"{CONFIG} uprobe:{unwound}:leaf {{ @[dw_ustack] = count(); }}", "-c",
         f"{unwound} many"], cwd=ROOT, stdout=subprocess.PIPE, text=True,
    ) as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    left = subprocess.run(["pgrep", "-f", f"^{unwound} many"], capture_output=True, text=True, check=False)
    assert left.stdout == ""
