"""The tables: error numbers, signals, system calls (LIBRARY 6)."""

from __future__ import annotations

import errno
import signal

import pytest

from pytrace.builtins.syscalls import syscall_names
from pytrace.builtins.texts import (
    ERROR_TEXTS,
    SIGNAL_NUMBERS,
    SIGNAL_TEXTS,
    TEXT_SIZE,
    UNKNOWN_ERROR,
    error_text,
    signal_number,
    signal_text,
)  # fmt: skip


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "Success"), (2, "No such file or directory"), (-13, "Permission denied"),
        (11, "Try again (operation would block)"), (41, UNKNOWN_ERROR), (58, UNKNOWN_ERROR), (122, "Quota exceeded"),
        (125, "Operation Canceled"), (133, "Memory page has hardware error"), (134, UNKNOWN_ERROR),
        (-(1 << 31), UNKNOWN_ERROR),
    ],
)  # fmt: skip
def test_errors(number: int, text: str) -> None:
    assert error_text(number) == text


def test_every_errno_has_a_text_but_two() -> None:
    """41 and 58 are not used by Linux."""
    assert {n for n in range(134) if error_text(n) == UNKNOWN_ERROR} == {41, 58}
    assert max(errno.errorcode) < len(ERROR_TEXTS)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "Unknown signal 0"), (9, "Killed"), (11, "Segmentation fault"), (31, "Bad system call"),
        (32, "Unknown signal 32"), (34, "Real-time signal 0"), (40, "Real-time signal 6"), (64, "Real-time signal 30"),
        (65, "N/A"), (-1, "N/A"),
    ],
)  # fmt: skip
def test_signals(number: int, text: str) -> None:
    assert signal_text(number) == text


def test_signal_names_are_those_of_the_system() -> None:
    for name, number in SIGNAL_NUMBERS.items():
        assert getattr(signal, f"SIG{name}") == number


@pytest.mark.parametrize(
    ("name", "number"),
    [("KILL", 9), ("kill", 9), ("SIGKILL", 9), ("sigStop", 19), ("STOP", None), ("SEGV", None), ("SIGSEGV", 11),
     ("FOO", None), ("", None), ("SIG", None), ("PROF", None)],
)  # fmt: skip
def test_names_of_signals(name: str, number: int | None) -> None:
    """SIG can be left out unless the rest starts with S."""
    assert signal_number(name) == number


def test_texts_fit_their_type() -> None:
    names = [name for machine in ("x86_64", "aarch64") for name in syscall_names(machine).values()]
    for text in (*ERROR_TEXTS, *SIGNAL_TEXTS, *names):
        assert 0 < len(text) < TEXT_SIZE


def test_system_calls_of_two_architectures() -> None:
    x86, arm = syscall_names("x86_64"), syscall_names("aarch64")
    assert (x86[0], x86[1], x86[59], x86[231], x86[257], x86[424]) == (
        "read", "write", "execve", "exit_group", "openat", "pidfd_send_signal",
    )  # fmt: skip
    assert (arm[63], arm[64], arm[221], arm[94], arm[56], arm[424]) == (
        "read", "write", "execve", "exit_group", "openat", "pidfd_send_signal",
    )  # fmt: skip
    assert syscall_names("vax") == {}
