"""Functions of C++ and Rust by their demangled names."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from pytrace.probes.listing import list_unit
from tests.probes.support import compile_headers, errors_of, hits, names_of

pytestmark = [pytest.mark.live, pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")]

SOURCE = """
#define NOINLINE __attribute__((noinline, noclone))
namespace ns {
NOINLINE int f(int a) { __asm__(""); return a + 1; }
NOINLINE int f(const char *a) { __asm__(""); return a[0]; }
template <class T> NOINLINE T g(T a) { __asm__(""); return a + 1; }
struct C {
    int v;
    NOINLINE int m(int x) { __asm__(""); return x + v; }
    NOINLINE int operator+(int o) { __asm__(""); return v + o; }
};
}
extern "C" {
// as rustc names closure#1 of krate::run, and krate::run::<(u8,)>
int closure(int a) __asm__("_RNCNvCs1234_5krate3runs_0");
int generic(int a) __asm__("_RINvCs1234_5krate3runThEE");
NOINLINE int closure(int a) { __asm__(""); return a; }
NOINLINE int generic(int a) { __asm__(""); return a; }
}
int main() {
    ns::C c{1};
    int t = closure(1) + generic(2) + generic(3);
    for (int i = 0; i < 10; i++) t += ns::f(i) + ns::g(i) + ns::g(2L);
    return (t + ns::f("x") + c.m(3) + (c + 4)) & 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("cpp")
    source, target = folder / "names.cc", folder / "names"
    source.write_text(SOURCE)
    subprocess.run(["g++", "-O1", "-g", "-o", str(target), str(source)], check=True)
    return str(target)


@pytest.mark.parametrize(
    ("pattern", "names", "count"),
    [
        ("ns::f", ["_ZN2ns1fEPKc", "_ZN2ns1fEi"], 11),
        ("ns::f(int)", ["_ZN2ns1fEi"], 10),
        ("int ns::g<int>(int)", ["_ZN2ns1gIiEET_S1_"], 10),
        ("*ns::g<*>(long)", ["_ZN2ns1gIlEET_S1_"], 10),
        ("*ns::g<*", ["_ZN2ns1gIiEET_S1_", "_ZN2ns1gIlEET_S1_"], 20),
        ("ns::C::m", ["_ZN2ns1C1mEi"], 1),
        ("ns::C::operator+", ["_ZN2ns1CplEi"], 1),
        ("main", ["main"], 1),
        ("krate::run", ["_RINvCs1234_5krate3runThEE"], 2),
        ("krate::run::<(u8,)>", ["_RINvCs1234_5krate3runThEE"], 2),
        ("krate::run*", ["_RINvCs1234_5krate3runThEE", "_RNCNvCs1234_5krate3runs_0"], 3),
        ("krate::run::{closure#1}", ["_RNCNvCs1234_5krate3runs_0"], 1),
    ],
)
def test_a_pattern_is_matched_with_demangled_names(program: str, pattern: str, names: list[str], count: int) -> None:
    header = f'u:{program}:cpp:"{pattern}"'
    assert names_of(header) == [f"uprobe:{program}:cpp:{name}" for name in names]
    run = lambda: subprocess.run([program], check=True)  # noqa: E731
    assert hits(header, run) == (len(names), count)


def test_a_name_without_a_match_leaves_the_probe_empty(program: str) -> None:
    (message,) = errors_of(f"u:{program}:cpp:nosuch")
    assert message.startswith("Probe has no valid attach points.")


def test_names_are_listed_demangled(program: str) -> None:
    unit, _ = compile_headers(f"u:{program}:cpp:ns*f", f"u:{program}:cpp:main", f'u:{program}:cpp:"krate::*#1*"')
    assert unit.host is not None
    assert list(list_unit(unit, unit.host, verbose=False)) == [
        f'uprobe:{program}:cpp:"ns::f(char const*)"', f'uprobe:{program}:cpp:"ns::f(int)"',
        f"uprobe:{program}:cpp:main", f'uprobe:{program}:cpp:"krate::run::{{closure#1}}"',
    ]  # fmt: skip
