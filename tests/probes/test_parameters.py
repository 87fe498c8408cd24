"""Parameters of functions by name, however the calling convention passes them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Done

pytestmark = [
    pytest.mark.live, pytest.mark.skipif(os.uname().machine != "x86_64", reason="the calling convention is x86-64's"),
]
Run = Callable[..., Done]
ON_THE_STACK = "'args' builtin is not supported for probes with stack-passed arguments."


@pytest.fixture(params=["-O0", "-O2"])
def program(request: pytest.FixtureRequest, build: Callable[..., Path]) -> Path:
    return build("parameters", request.param, name=f"parameters{request.param}")


@pytest.mark.parametrize(
    ("function", "values", "shown"),
    [
        ("pairs", "args.p.a, args.p.b, args.n", "(1, -2, 10)"),
        ("pairs", "args.p, args.n", "({ .a = 1, .b = -2 }, 10)"),
        ("points", "args.p, args.p.y, args.n", "({ .x = 3, .y = -4 }, -4, 11)"),
        ("threes", "args.t.x, args.t.y, args.t.z, args.n", "(5, 6, -7, 12)"),
        ("nesteds", "args.t.at.y, args.t.to, args.t.to.y, args.n", "(2, { .x = 3, .y = 4 }, 4, 13)"),
        ("mixeds", "args.n, 0", "(14, 0)"),
        ("floatses", "args.n, 0", "(15, 0)"),
        ("numbers", "args.n, args.s", "(16, -17)"),
        ("wide", "args.n, args.big[0], args.big[8]", "(22, 21, 1)"),
        ("unused", "args.first, args.second", "(23, 24)"),
        ("variadic", "str(args.format), 0", "(v%d, 0)"),
        ("pointers", "args.b->low, args.b->high, args.b->wide, args.c", "(5, 17, 123456789012, 7)"),
        ("pointers", "args.u->letters, str(args.names[1]), args.yes, args.z", "(Xyz, two, true, 200)"),
    ],
)
def test_values(pytrace: Run, program: Path, function: str, values: str, shown: str):
    done = pytrace("-q", "-e", f"u:{program}:{function} {{ print(({values})); }}", "-c", str(program))
    assert done.stdout.split("\n")[0] == shown, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        ("pairs", "{ .p = { .a = 1, .b = -2 }, .n = 10 }"), ("numbers", "{ .n = 16, .s = -17 }"),
        ("mixeds", "{ .n = 14 }"),
    ],
)
def test_all_together(pytrace: Run, program: Path, function: str, shown: str):
    """Without those that cannot be read."""
    done = pytrace("-q", "-e", f"u:{program}:{function} {{ print(args); }}", "-c", str(program))
    assert done.stdout.split("\n")[0] == shown, done.stdout + done.stderr


@pytest.mark.parametrize("function", ["larges", "packeds", "last"])
def test_parameters_on_the_stack(pytrace: Run, program: Path, function: str):
    """A struct takes registers only if it fits into them as a whole."""
    done = pytrace("-e", f"u:{program}:{function} {{ print(args); }}", status=1)
    assert ON_THE_STACK in done.stderr


@pytest.mark.parametrize(("function", "name"), [("numbers", "d"), ("numbers", "l"), ("mixeds", "m"), ("floatses", "f")])
def test_what_is_in_other_registers(pytrace: Run, program: Path, function: str, name: str):
    done = pytrace("-e", f"u:{program}:{function} {{ print(args.{name}); }}", status=1)
    assert f"ERROR: args.{name} cannot be read: it is passed in a floating-point register" in done.stderr


def test_copies_that_take_other_parameters(pytrace: Run, tmp_path: Path):
    """The compiler leaves out what is constant, or not used, and moves up the others."""
    path = tmp_path / "copies"
    source = """
static __attribute__((noinline)) int scale(int factor, int value, int unused)
{ __asm__ volatile("" : : : "memory"); return factor * value; }
int main(int argc, char **argv) { return (scale(5, argc + 10, argc) + scale(5, argc + 20, 1)) & 0; }
"""
    subprocess.run(["gcc", "-O2", "-g", "-xc", "-o", path, "-"], input=source.encode(), check=True)
    symbols = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout.split()
    copy = next((symbol for symbol in symbols if symbol.startswith("scale.")), None)
    if copy is None:
        pytest.skip("this compiler makes no copies")
    done = pytrace("-q", "-e", f"u:{path}:{copy} {{ print(args.value); print(args); }}", "-c", str(path))
    assert done.stdout.split("\n")[:4] == ["11", "{ .value = 11 }", "21", "{ .value = 21 }"], done.stderr
    done = pytrace("-e", f"u:{path}:{copy} {{ print(args.factor); }}", status=1)
    assert "args.factor cannot be read: this copy of the function" in done.stderr


@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
def test_objects_that_are_passed_by_reference(pytrace: Run, tmp_path: Path):
    """A class that copies its objects itself has them passed by their address."""
    path = tmp_path / "objects"
    source = """
struct Own { long a; Own(long a) : a(a) {} Own(const Own &o) : a(o.a + 1) {} };
struct Holds { int n; Own own; };
struct Plain { long a; Plain(long a) : a(a) {} Plain(const Plain &) = default; };
#define TAKE(name, type, value) extern "C" __attribute__((noinline)) long name(type it, int n) \\
    { __asm__ volatile("" : : : "memory"); return value + n; }
TAKE(own, Own, it.a) TAKE(holds, Holds, it.own.a) TAKE(plain, Plain, it.a)
int main() { Own o(40); Plain p(50); return (own(o, 5) + holds(Holds{1, o}, 6) + plain(p, 7)) & 0; }
"""
    subprocess.run(["g++", "-O1", "-g", "-xc++", "-o", path, "-"], input=source.encode(), check=True)
    program = f"u:{path}:own {{ print((args.it->a, args.n)); }} u:{path}:holds {{ print((args.it->own.a, args.n)); }}"
    program += f" u:{path}:plain {{ print((args.it.a, args.n)); }}"
    done = pytrace("-q", "-e", program, "-c", str(path))
    assert done.stdout.split("\n")[:3] == ["(41, 5)", "(41, 6)", "(50, 7)"], done.stderr
