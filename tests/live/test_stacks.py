"""Stacks of the kernel and of processes, in every mode, against chains of calls that are known."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.kernel.elf import Elf
from tests.conftest import Done

pytestmark = [pytest.mark.live, pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")]
Run = Callable[..., Done]

# At its first instruction a function has no frame yet, so that its caller's caller follows it.
CHAIN = ["leaf", "middle", "outer", "main"]
KINDS = {"position-independent": ["-pie"], "fixed": ["-no-pie"], "static": ["-static", "-no-pie"]}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def chain(request: pytest.FixtureRequest, build: Callable[..., Path]) -> Path:
    flags = request.param
    return build("chain", "-fno-omit-frame-pointer", *flags, name="chain" + "".join(flags))


@pytest.fixture
def one(build: Callable[..., Path]) -> Path:
    return build("chain", "-fno-omit-frame-pointer", "-pie", name="chain-pie")


def stacks(text: str) -> list[list[str]]:
    """The frames of printed stacks."""
    return [part.split("\n") for part in re.findall(r"(?<=\n)[^\n]+(?:\n[^\n]+)*", f"\n{text}")]


def test_modes(pytrace: Run, chain: Path):
    """The same chain by names, with addresses and files, by addresses alone, and by positions in files."""
    taken = " ".join(f"print(ustack({mode}, 4));" for mode in ("bpftrace", "perf", "raw", "build_id"))
    program = f"u:{chain}:leaf {{ {taken} }}"
    named, perf, raw, by_id = stacks(pytrace("-q", "-e", program, "-c", f"{chain} 1 300000").stdout)
    assert [line.strip().partition("+")[0] for line in named] == CHAIN
    assert all(line.startswith("        ") for line in named) and named[0].endswith("+0")
    fields = [re.fullmatch(r"\t([0-9a-f]+) (\w+\+\d+) \((.*)\)", line) for line in perf]
    assert [field and (field[2], field[3]) for field in fields] == [(line.strip(), str(chain)) for line in named]
    assert raw == [field and field[1] for field in fields]
    elf = Elf(str(chain))
    assert elf.build_id is not None
    symbols = {name: elf.function(name) for name in CHAIN}
    for line, frame in zip(by_id, named, strict=True):
        identity, place = line.split(" ")
        name, _, offset = frame.strip().partition("+")
        symbol = symbols[name]
        assert symbol is not None and identity == elf.build_id.hex()
        assert int(place, 16) == (elf.file_offset(symbol.address) or 0) + int(offset)


def test_stacks_are_values(pytrace: Run, one: Path):
    """Equal where the chain is, with a length and a limit, as variables, keys and values of maps."""
    program = (
        f"u:{one}:leaf {{ $a = ustack(3); $b = ustack(3); print(($a == $b, len($a), len(ustack), ustack == ustack));"
        " @k[ustack(2), pid == cpid] = count(); @v = ustack(1); print(@v == ustack(1)); }"
    )
    done = pytrace("-q", "-e", program, "-c", f"{one} 3 300000")
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("(")] == ["(true, 3, 5, true)"] * 3, done.stderr
    assert lines.count("true") == 3
    assert re.search(r"@k\[\n        leaf\+0\n        middle\+\d+\n, true\]: 3\n", done.stdout)
    assert "@v: \n        leaf+0\n\n" in done.stdout


def test_a_stripped_program_has_addresses(pytrace: Run, one: Path, tmp_path: Path):
    stripped = tmp_path / "stripped"
    shutil.copy(one, stripped)
    leaf = Elf(str(one)).function("leaf")
    assert leaf is not None
    subprocess.run(["strip", stripped], check=True)
    program = f'u:{stripped}:{leaf.address} {{ print(ustack(2)); print(ustack(perf, 2)); print(usym(reg("ip"))); }}'
    done = pytrace("-q", "--unsafe", "-e", program, "-c", f"{stripped} 1 300000")
    named, perf = (stack for stack in stacks(done.stdout) if stack[0][0].isspace())
    addresses = [line.strip() for line in named]
    assert all(re.fullmatch(r"0x[0-9a-f]+", address) for address in addresses)
    assert addresses[0] in done.stdout.splitlines()
    assert perf == [f"\t{address[2:]} {address} ([unknown])" for address in addresses]


def test_the_vdso_and_libraries(pytrace: Run, one: Path):
    program = "rawtracepoint:sys_enter /pid == cpid && arg1 == 228/ { print(ustack(perf, 3)); }"
    (frames,) = stacks(pytrace("-q", "-e", program, "-c", f"{one} 1 300000").stdout)
    assert re.fullmatch(r"\t[0-9a-f]+ (__vdso_)?clock_gettime\+\d+ \(\[vdso\]\)", frames[0])
    assert re.fullmatch(r"\t[0-9a-f]+ (__)?clock_gettime\+\d+ \(.*/libc[-.].*so.*\)", frames[1])


def test_names_outlive_the_child(pytrace: Run, one: Path):
    """The child has ended when maps are printed."""
    done = pytrace("-q", "-e", f'u:{one}:leaf {{ @[ustack(3), usym(reg("ip"))] = count(); }}', "-c", f"{one} 5")
    assert re.search(r"@\[\n        leaf\+0\n        middle\+\d+\n        outer\+\d+\n, leaf\]: 5\n", done.stdout)


def test_processes_that_ended_unseen_have_addresses(pytrace: Run, one: Path):
    """Of a process that nobody announced names are known only if it was asked about while it lived."""
    done = pytrace("-q", "-e", f"u:{one}:leaf {{ @[ustack(1)] = count(); }}", "-c", f"/usr/bin/env {one} 1")
    assert re.search(r"@\[\n        (leaf\+0|0x[0-9a-f]+)\n\]: 1\n", done.stdout)


def test_names_of_cpp(pytrace: Run, tmp_path: Path):
    if not shutil.which("g++"):
        pytest.skip("needs g++")
    path = tmp_path / "named"
    source = "namespace n { template <class T> struct C { __attribute__((noinline)) T f(T a) "
    source += '{ __asm__(""); return a; } }; } int main() { n::C<long> c; return (int)c.f(0); }'
    subprocess.run(["g++", "-O1", "-xc++", "-o", path, "-"], input=source.encode(), check=True)
    program = f"u:{path}:_ZN1n1CIlE1fEl {{ @[ustack(1), func] = count(); }}"
    readable = pytrace("-q", "-e", program, "-c", str(path)).stdout
    assert "@[\n        n::C<long>::f(long)+0\n, n::C<long>::f(long)]: 1\n" in readable
    plain = pytrace("-q", "-e", f"config = {{ cpp_demangle = false }} {program}", "-c", str(path)).stdout
    assert "@[\n        _ZN1n1CIlE1fEl+0\n, _ZN1n1CIlE1fEl]: 1\n" in plain


# --- the kernel -------------------------------------------------------------------------------------------------------


def test_kernel_modes(pytrace: Run):
    program = (
        "tracepoint:syscalls:sys_enter_getppid /pid == cpid/"
        " { print(kstack); print(kstack(perf)); print(kstack(raw)); print(len(kstack)); print(kstack(2)); exit(); }"
    )
    done = pytrace("-q", "-e", program, "-c", f"{sys.executable} -c __import__('os').getppid()")
    named, perf, raw, *rest = stacks(done.stdout)
    assert all(re.fullmatch(r"        [\w.$]+\+\d+", line) for line in named), done.stdout
    assert any("do_syscall_64" in line or "el0_svc" in line for line in named)
    fields = [re.fullmatch(r"\t([0-9a-f]{16}) (.*)", line) for line in perf]
    assert [field and field[2] for field in fields] == [line.strip() for line in named]
    assert raw == [field and field[1] for field in fields]
    assert str(len(named)) in done.stdout.splitlines()
    assert rest[-1] == named[:2]


@pytest.mark.parametrize("probe", ["rawtracepoint:sys_enter", "interval:ms:1", "begin"])
@pytest.mark.parametrize("taken", ["kstack", "kstack(3)", "kstack(raw)", "kstack(perf, 5)"])
def test_kernel_stacks_of_one_run_are_equal(pytrace: Run, probe: str, taken: str):
    """Also where the program itself is part of them, at one place or the other."""
    program = (
        f"{probe} /{taken} == {taken}/ {{ $a = {taken}; $b = {taken}; print(($a == $b, $a == {taken}));"
        f" for ($i : 0..2) {{ @[{taken}] = count(); }} @[{taken}] = count(); exit(); }}"
    )
    done = pytrace("-q", "-e", program)
    assert done.stdout.splitlines()[0] == "(true, true)", done.stdout + done.stderr
    counts = [int(count) for count in re.findall(r"\]: (\d+)", done.stdout)]
    assert counts and all(count % 3 == 0 for count in counts)


def test_a_stack_that_is_taken_at_one_place_is_taken_each_time(pytrace: Run):
    """What is kept is kept for one run only."""
    program = (
        "rawtracepoint:sys_enter /pid == cpid && arg1 == 110/"
        " { @[kstack(4) == kstack(4)] = count(); @s[kstack(8)] = count(); }"
    )
    calls = "[__import__('os').getppid()for(n)in(range(50))]"
    done = pytrace("-q", "-e", program, "-c", f"{sys.executable} -c {calls}")
    assert "@[true]: 50\n" in done.stdout, done.stdout + done.stderr
    assert re.findall(r"\]: (\d+)", done.stdout.partition("@s")[2]) == ["50"]
