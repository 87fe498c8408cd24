"""Strings, buffers and addresses in the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builtins.conftest import lines

pytestmark = pytest.mark.live


def test_strings_known_while_compiling(begin):
    assert begin(
        "str(12)", 'str("abc", 2)', 'strlen("hello")', 'strcap("hello")', 'strcontains("hello", "ell")',
        'strstr("hello", "lo")', 'strstr("hello", "zz") < 0', 'strncmp("abc", "abd", 2)', 'strncmp("abc", "abd", 3)',
        'memcmp("abc", "abd", 2)', 'memcmp("abc", "abd", 3)', 'str_concat("foo", "bar")', 'strlen("a\\0b")',
    ) == ["12", "ab", "5", "6", "true", "3", "true", "0", "1", "0", "-1", "foobar", "1"]  # fmt: skip


def test_strings_known_at_run_time(begin):
    """The same, where the code that runs is that of the kernel's side."""
    assert begin(
        "str($h, 3)", "str($h, 1)", "str($h, $n)", "strlen($h)", "strlen($e)", "strcap($h)", 'strcontains($h, "ell")',
        "strstr($h, $l)", 'strstr($h, "zz") < 0', "strstr($h, $e)", "strstr($e, $h) < 0", 'strncmp($h, "help", 3)',
        'strncmp($h, "help", 4)', "strncmp($h, $h, 100)", 'memcmp($h, "help", 3)', 'memcmp($h, "help", 4)',
        "memcmp($h, $l, $n)", "str_concat($h, $l)", "str_concat($e, $l)", "strstr(str(curtask.comm), comm)",
        before='$h = "hello"; $l = "lo"; $e = ""; $n = (uint8)3;',
    ) == [
        "he", "", "he", "5", "0", "6", "true", "3", "true", "0", "true", "0", "1", "0", "0", "-4", "-4", "hellolo",
        "lo", "0",
    ]  # fmt: skip


def run_as_if(native: bool, program: str) -> subprocess.CompletedProcess[str]:
    """Runs a program as on a kernel with, or without, functions that search strings."""
    code = (
        "import pytrace.builtins.search as search, sys\n"
        f"search.kernel_function_exists = lambda name: {native}\n"
        "from pytrace.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = [sys.executable, "-c", code, "--no-cache", "-q", "-e", program]
    return subprocess.run(words, capture_output=True, text=True, timeout=50, cwd=Path(__file__).parents[2], check=False)


@pytest.mark.parametrize(
    ("hay", "needle", "at"),
    [("ababac", "abac", 2), ("aaaaaaaab", "aaab", 5), ("abc", "abcd", -1), ("x" * 70, "x" * 65, 0),
     ("x" * 70 + "y", "x" * 33 + "y", 37), ("abc", "", 0), ("", "a", -1), ("one two", "two", 4)],
)  # fmt: skip
@pytest.mark.parametrize("native", [True, False])
def test_searching(hay: str, needle: str, at: int, native: bool) -> None:
    """The kernel's search and the one for kernels without it find the same."""
    from pytrace.builtins import search

    if native and not search.kernel_function_exists(search.NATIVE_SEARCH):
        pytest.skip("this kernel has no function that searches strings (Linux 6.17)")
    program = f'begin {{ $h = "{hay}"; $n = "{needle}"; print((strstr($h, $n), strcontains($h, $n))); }}'
    done = run_as_if(native, program)
    place, contains = done.stdout.strip().strip("()").split(", ")
    assert (max(int(place), -1), contains) == (at, "true" if at >= 0 else "false")


def test_long_strings_are_searched_on_any_kernel() -> None:
    """Several searches in strings of the default length are not too much for the verifier."""
    program = "begin { $a = str(curtask.comm); print((strstr($a, $a), strstr($a, comm), strcontains($a, \"?\"))); }"
    done = run_as_if(False, program)
    assert done.stdout.strip() == "(0, 0, false)", done.stderr


def test_texts_of_numbers(begin):
    """Constants and values at run time, inside and outside of the tables."""
    assert begin(
        "strerror(2)", "strerror(-11)", "signal_name(9)", "signal_name(40)", "syscall_name(1)", "strerror($n)",
        "strerror(-$n)", "strerror($n + 1000)", "signal_name($n)", "signal_name(-$n)", "signal_name($n + 52)",
        "syscall_name($n)", "syscall_name(-$n)", "syscall_name($n + 100000)", 'strerror($n) == "Permission denied"',
        before="$n = (int32)13;",
    ) == [
        "No such file or directory", "Try again (operation would block)", "Killed", "Real-time signal 6",
        "write" if os.uname().machine == "x86_64" else "io_destroy", "Permission denied", "Permission denied",
        "Unknown error", "Broken pipe", "N/A", "N/A",
        "rt_sigaction" if os.uname().machine == "x86_64" else "flistxattr",
        "Unknown syscall", "Unknown syscall", "true",
    ]  # fmt: skip


def test_buffers(pytrace):
    """Literal and computed lengths, from strings and arrays, and as keys."""
    program = (
        'begin { $x = "hello"; $n = (uint8)3; printf("%r|%rx|%rh|%r|%r\\n", buf("a\\n", 2), buf($x, 2), buf($x, $n), '
        'buf($x, 7), buf(pton("65.66.67.68"))); @[buf($x, $n)] = 1; @[buf("hel", 3)] = 2; }'
    )
    found = lines(pytrace("-q", "-e", program))
    assert found[0] == r"a\x0a|\x68\x65|68 65 6c|hello\x00\x00|ABCD"
    assert [line for line in found[1:] if line] == ["@[hel]: 2"]


def test_byte_order(begin):
    assert begin(
        "bswap(258)", "bswap((uint64)1)", "bswap(-2)", "bswap($s)", "bswap($w)", "bswap($b)",
        before="$s = (uint16)0x1234; $w = (int32)-5; $b = (uint8)7;",
    ) == ["513", "72057594037927936", "254", "13330", "4227858431", "7"]  # fmt: skip


def test_network_addresses(begin):
    assert begin(
        'ntop(pton("10.0.0.7"))', 'ntop(pton("2001:db8::1"))', 'pton("1.2.3.4")', '(uint32)pton("127.0.0.1")',
        "ntop((uint32)0x0100007f)", 'ntop(10, pton("::1"))', "ntop((uint8)5)", "ntop($x)",
        'macaddr(pton("102:3:405::"))', before="$x = (uint16)300;",
    ) == [
        "10.0.0.7", "2001:db8::1", "[1,2,3,4]", "16777343", "127.0.0.1", "::1", "5.0.0.0", "44.1.0.0",
        "01:02:00:03:04:05",
    ]  # fmt: skip


def test_kernel_symbols(begin):
    assert begin('ksym(kaddr("schedule") + 3)', "ksym(0)", "ksym(1)", "usym(0)", "usym(12)") == [
        "schedule", "0", "0x1", "0", "0xc",
    ]  # fmt: skip


def test_address_spaces(begin):
    """Both read the same text: the pointer of a variable is one of the kernel's."""
    assert begin("*kptr(&$x)", "str(kptr((int8 *)&$s))", before='$x = 42; $s = "text";') == ["42", "text"]
